/** Clients whose server is gone, silent or far: they hear of it within a bound, move to another, and miss nothing. */
import t from 'tap'
import { letters } from '../server/delivery-rig.ts'
import { createMesh, linked, startPair } from '../server/mesh.ts'
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

t.test('a client that attached before its server knew others hears of them within seconds', async t => {
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
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3)
  const ben = await meshClient(t, mesh, second, 4)
  await mesh.pass(1_000)
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
