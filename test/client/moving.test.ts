/** Clients whose server is gone, silent or far: they hear of it within a bound, move to another, and miss nothing. */
import t from 'tap'
import { startPulse } from '../../src/client/pulse.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { createMesh, startPair } from '../server/mesh.ts'
import { meshClient, urlOf } from './mesh-client.ts'

t.test('a client moves within seconds to a server that its own told of, keeps its id, and misses nothing', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3)
  const ben = await meshClient(t, mesh, second, 4)
  await mesh.pass(1_000)
  mesh.crash(first)
  await mesh.until(() => !ann.client.attached, 1_000, 'it is told')
  void ann.client.tell(ben.id, 'typed in the dark', { ref: 'a' })
  const took = await mesh.until(() => ann.client.attached, 10_000, 'it is attached elsewhere')
  t.ok(took <= 3_000, `after ${took} ms`)
  t.equal(second.fold.state.directory.users.get(ann.id)?.local, 'attached')
  await mesh.until(() => ann.statuses('a').includes('delivered'), 10_000, 'delivered')
  t.same(ben.shown(), ['typed in the dark'])
  t.ok(ann.events.some(({ event }) => event === 'resumed'))
  t.notOk(ann.events.some(({ event }) => event === 'alarm'))
  void ben.client.tell(ann.id, 'and back', { ref: 'b' })
  await mesh.until(() => ben.statuses('b').includes('delivered'), 10_000, 'delivered')
  t.same(ann.shown(), ['and back'])
})

t.test('a server that was learned stays one of those that are tried, however often it fails', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3)
  await mesh.pass(1_000)
  mesh.crash(first)
  await mesh.until(() => ann.client.attached, 10_000, 'attached to the second')
  mesh.crash(second)
  await mesh.until(() => !ann.client.attached, 15_000, 'and gone')
  // each was tried by then, more than once
  await mesh.pass(10_000)
  const again = await mesh.restart(second)
  await mesh.until(() => ann.client.attached, 30_000, 'attached again')
  t.equal(again.fold.state.directory.users.get(ann.id)?.local, 'attached')
})

t.test('what waited at the old server comes to the new one', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, second, 3)
  const ben = await meshClient(t, mesh, first, 4)
  await mesh.pass(1_000)
  ben.crash()
  await mesh.pass(1_000)
  void ann.client.tell(ben.id, 'while you were away', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits at the first')
  await mesh.pass(35_000)
  const back = await meshClient(t, mesh, second, 4, { disk: ben.disk })
  await mesh.until(() => ann.statuses('a').includes('delivered'), 10_000, 'delivered')
  t.same(back.shown(), ['while you were away'])
  t.equal(first.disk.mail.size, 0)
})

t.test('a silent server is found within 15 s, and left for another', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3, { otherUrls: [urlOf(second)] })
  await mesh.pass(1_000)
  first.host.deaf = true
  const took = await mesh.until(() => ann.events.some(({ event }) => event === 'offline'), 20_000, 'offline')
  t.ok(took <= 15_000, `after ${took} ms`)
  const moved = await mesh.until(() => ann.client.attached, 20_000, 'attached elsewhere')
  t.ok(moved <= 10_000, `after ${moved} ms more`)
})

t.test('a server that speaks and does not hear is left too', async t => {
  const clock = createManualClock()
  const events: string[] = []
  const heart = startPulse({ clock, wall: clock.now, ping: () => events.push('ping'), dead: () => events.push('dead') })
  // what others write keeps coming, and no answer
  for (let second = 0; second < 29; second += 1) {
    clock.advance(1_000)
    heart.heard()
  }
  t.notOk(events.includes('dead'))
  heart.answered()
  for (let second = 0; second < 29; second += 1) {
    clock.advance(1_000)
    heart.heard()
  }
  t.notOk(events.includes('dead'), 'one answer is enough for as long again')
  for (let second = 0; second < 4; second += 1) {
    clock.advance(1_000)
    heart.heard()
  }
  t.equal(events.at(-1), 'dead')
})

t.test('a client with one server comes back to it, and an idle one is not cut', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await meshClient(t, mesh, node, 3)
  await mesh.pass(120_000)
  t.notOk(ann.events.some(({ event }) => event === 'offline'))
  node.host.deaf = true
  await mesh.until(() => !ann.client.attached, 15_000, 'offline')
  node.host.deaf = false
  await mesh.until(() => ann.client.attached, 20_000, 'attached again')
})

t.test('a server that a person named too, and that stands still, is not taken for a stock server', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const ann = await meshClient(t, mesh, first, 3, { otherUrls: ['ws://127.0.0.1:9001', 'ws://127.0.0.1:9002'] })
  await mesh.pass(1_000)
  // its own server has not told of these: nothing is pinned for them
  const mute = { message: () => {}, malformed: () => {}, closed: () => {} }
  await mesh.network.host('mute').listen({ host: '127.0.0.1', port: 9_001, maxBytes: 1_000_000, maxSockets: 10 }, () => mute)
  const third = await mesh.start(2, { introducers: [first] })
  mesh.crash(first)
  await mesh.until(() => !ann.client.attached, 1_000, 'offline')
  await mesh.until(() => ann.client.attached, 40_000, 'attached')
  t.equal(third.fold.state.directory.users.get(ann.id)?.local, 'attached')
})

t.test('after a sleep a connection that is dead is found within seconds', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3, { otherUrls: [urlOf(second)] })
  await mesh.pass(3_000)
  first.host.deaf = true
  mesh.clock.jump(3_600_000)
  const took = await mesh.until(() => !ann.client.attached, 20_000, 'offline')
  t.ok(took <= 6_000, `after ${took} ms`)
})

t.test('another server that answers at a learned address is refused, and the next one is tried', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3)
  await mesh.pass(1_000)
  mesh.crash(second)
  mesh.crash(first)
  const impostor = await mesh.start(6, { config: { port: 9_001 } })
  await mesh.pass(5_000)
  t.notOk(ann.client.attached)
  t.ok(ann.events.some(event => event.event === 'alarm' && event.kind === 'server_key'))
  t.equal(impostor.fold.state.directory.users.size, 0)
  await mesh.restart(first)
  await mesh.until(() => ann.client.attached, 30_000, 'attached to its own')
})
