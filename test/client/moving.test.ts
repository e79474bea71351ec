/** Clients whose server is gone, silent or far: they hear of it within a bound, move to another, and miss nothing. */
import t from 'tap'
import { startPulse } from '../../src/client/pulse.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { letters, waiting } from '../server/delivery-rig.ts'
import { createMesh, linked, startPair } from '../server/mesh.ts'
import { attachUser } from '../server/user.ts'
import { annAndBen, meshClient, urlOf } from './mesh-client.ts'

t.test('a client moves within seconds to a server that its own told of, keeps its id, and misses nothing', async t => {
  const { mesh, first, second, ann, ben } = await annAndBen(t)
  mesh.crash(first)
  await mesh.until(() => !ann.client.attached, 1_000, 'it is told')
  void ann.client.tell(ben.id, 'typed in the dark', { ref: 'a' })
  const took = await mesh.until(() => ann.client.attached, 10_000, 'it is attached elsewhere')
  t.ok(took <= 3_000, `after ${took} ms`)
  t.equal(second.fold.state.directory.users.get(ann.id)?.local, 'attached')
  await mesh.until(() => ann.statuses('a').includes('delivered'), 10_000, 'delivered')
  t.same(ben.shown(), ['typed in the dark'])
  t.match(
    ann.events.find(({ event }) => event === 'resumed'),
    { server_id: second.id },
    'and says where',
  )
  t.notOk(ann.events.some(({ event }) => event === 'alarm'))
  void ben.client.tell(ann.id, 'and back', { ref: 'b' })
  await mesh.until(() => ben.statuses('b').includes('delivered'), 10_000, 'delivered')
  t.same(ann.shown(), ['and back'])
})

t.test('a client that attached before its server knew the others hears of them within seconds', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const ann = await meshClient(t, mesh, first, 3)
  const second = await mesh.start(1, { introducers: [first] })
  await mesh.until(() => linked(mesh, first, second), 10_000, 'the servers are linked')
  await mesh.pass(10_000)
  mesh.crash(first)
  await mesh.until(() => !ann.client.attached, 1_000, 'it is told')
  await mesh.until(() => ann.client.attached, 10_000, 'it is attached elsewhere')
  t.equal(second.fold.state.directory.users.get(ann.id)?.local, 'attached')
})

t.test('what its reader missed is sent again as soon as they are seen elsewhere', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, second, 3)
  const ben = await meshClient(t, mesh, first, 4, { otherUrls: [urlOf(second)] })
  await mesh.pass(1_000)
  first.host.deaf = true
  void ann.client.tell(ben.id, 'into the void', { ref: 'a' })
  await mesh.until(() => !ben.client.attached, 20_000, 'he hears nothing')
  await mesh.until(() => ben.client.attached, 20_000, 'he is attached elsewhere')
  const took = await mesh.until(() => ben.shown().length > 0, 40_000, 'and shown what he missed')
  t.ok(took <= 1_000, `after ${took} ms`)
  t.same(ben.shown(), ['into the void'])
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
  t.equal(letters(first), 0)
})

t.test('what waits at a server that is gone comes from its sender, before what was written later, and once', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, second, 3, { moves: false })
  const ben = await meshClient(t, mesh, first, 4, { otherUrls: [urlOf(second)] })
  await mesh.pass(1_000)
  void ann.client.tell(ben.id, 'hello', { ref: '0' })
  await mesh.until(() => ann.statuses('0').includes('delivered'), 5_000, 'they know each other')
  ben.crash()
  await mesh.pass(1_000)
  void ann.client.tell(ben.id, 'while you were away', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits at the first')
  mesh.crash(first)
  // her program is killed too: what waits is on her disk
  ann.crash()
  const her = await meshClient(t, mesh, second, 3, { moves: false, disk: ann.disk })
  await mesh.pass(1_000)
  const back = await meshClient(t, mesh, first, 4, { otherUrls: [urlOf(second)], disk: ben.disk })
  void her.client.tell(ben.id, 'later', { ref: 'b' })
  await mesh.until(() => her.statuses('b').includes('delivered'), 10_000, 'delivered at the second')
  t.same(back.shown(), ['while you were away', 'later'])
  t.equal(her.disk.mail.size, 0, 'read: the sender keeps it no more')
  const again = await mesh.restart(first)
  await mesh.until(() => again.fold.state.mailboxes.of.size === 0, 60_000, 'the first has passed on what waited')
  await mesh.pass(5_000)
  t.same(back.shown(), ['while you were away', 'later'])
})

t.test('what waits at a server that is gone is sent again when its reader is seen elsewhere, and shown once', async t => {
  const { mesh, first, second, ann, ben } = await annAndBen(t)
  ben.crash()
  await mesh.pass(40_000)
  void ann.client.tell(ben.id, 'while you were away', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits at the second')
  mesh.crash(second)
  ann.crash()
  await mesh.pass(40_000)
  const again = await meshClient(t, mesh, first, 3, { disk: ann.disk })
  const back = await meshClient(t, mesh, first, 4, { disk: ben.disk })
  const took = await mesh.until(() => back.shown().length > 0, 60_000, 'it is shown')
  t.ok(took >= 3_000 && took < 10_000, 'not before its server would have brought it, and before what is written meanwhile is shown', {
    took,
  })
  const told = () => again.events.flatMap(event => (event.event === 'sent' ? [event.status] : []))
  await mesh.until(() => told().includes('delivered'), 5_000, 'its sender hears of it')
  t.equal(again.disk.mail.size, 0)
  const returned = await mesh.restart(second)
  await mesh.pass(60_000)
  t.same(back.shown(), ['while you were away'], 'the copy of the old server is known')
  t.equal(waiting(returned, 4), 0, 'and goes')
  t.same(told(), ['delivered'])
})

t.test('what waits is not sent again while its reader is away, nor often', async t => {
  const { mesh, second, ann, ben } = await annAndBen(t)
  ben.crash()
  await mesh.pass(40_000)
  void ann.client.tell(ben.id, 'while you were away', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits at the second')
  const copies = () => mesh.network.wire.filter(({ from, text }) => from === ann.host.name && text.includes('"MSG_DIRECT"')).length
  const before = copies()
  await mesh.pass(120_000)
  t.equal(copies(), before)
  // somebody with Ben's key who reads and never confirms
  const dumb = await attachUser(mesh, second, 4, { caps: ['proof', 'ack', 'receipts'] })
  await mesh.pass(120_000)
  t.ok(dumb.heard.some(({ type }) => type === 'USER_DELIVER'))
  t.equal(copies(), before + 1)
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

t.test('what is written to somebody known is kept although the server falls silent before it tells their key again', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3, { otherUrls: [urlOf(second)] })
  const ben = await meshClient(t, mesh, second, 4)
  await mesh.pass(1_000)
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('delivered'), 5_000, 'they know each other')
  void ben.client.close()
  await mesh.until(() => ann.client.users().every(({ user_id }) => user_id !== ben.id), 5_000, 'he has left')
  const again = await meshClient(t, mesh, second, 4, { disk: ben.disk })
  await mesh.until(() => ann.client.users().some(({ user_id }) => user_id === ben.id), 5_000, 'he is back')
  first.host.deaf = true
  void ann.client.tell(ben.id, 'typed into silence', { ref: 'b' })
  await mesh.until(() => ann.statuses('b').includes('delivered'), 40_000, 'delivered from the next server')
  t.same(ann.statuses('b'), ['sent', 'delivered'])
  t.same(again.shown(), ['typed into silence'])
})

t.test('nothing is written without receipts to somebody of whom the server does not tell what their program can', async t => {
  const { mesh, first, ann, ben } = await annAndBen(t)
  void ben.client.tell(ann.id, 'hello', { ref: 'a' })
  await mesh.until(() => ben.statuses('a').includes('delivered'), 5_000, 'his key is pinned')
  ann.crash()
  await mesh.pass(1_000)
  const again = await meshClient(t, mesh, first, 3, { disk: ann.disk })
  await mesh.pass(1_000)
  first.host.deaf = true
  void again.client.tell(ben.id, 'typed into silence', { ref: 'b' })
  await mesh.until(() => again.statuses('b').length > 0, 20_000, 'it is answered')
  t.same(again.statuses('b'), ['failed'])
  t.match(again.events.at(-1), { event: 'sent', why: /^The server does not tell what their program understands/ })
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
