/** Messages between our clients over whole nodes: kept until accepted, shown once and in order, whatever dies in between. */
import t from 'tap'
import { createMesh, linked, sameAsItsLog, startPair } from '../server/mesh.ts'
import { waiting } from '../server/delivery-rig.ts'
import { annAndBen, meshClient, openMeshClient } from './mesh-client.ts'

const texts = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `m${n + 1}`)

t.test('a message is sent, and delivered by its reader’s word; both end with nothing kept', async t => {
  const { mesh, ann, ben } = await annAndBen(t)
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('delivered'), 2_000, 'it is delivered')
  t.same(ann.statuses('a'), ['sent', 'delivered'])
  t.same(ben.shown(), ['hello'])
  t.match(
    ben.events.find(({ event }) => event === 'message'),
    { verified: true },
  )
  t.equal(ann.disk.mail.size, 0)
  await mesh.pass(120_000)
  t.same(ben.shown(), ['hello'])
})

t.test('to a reader who is away it waits at their server; on their return it is shown, and the sender hears of it', async t => {
  const { mesh, second, ann, ben } = await annAndBen(t)
  ben.crash()
  await mesh.pass(40_000)
  void ann.client.tell('user 4', 'one', { ref: 'a' })
  void ann.client.tell(ben.id, 'two', { ref: 'b' })
  await mesh.until(() => ann.statuses('b').includes('waiting'), 2_000, 'it waits')
  t.same(ann.statuses('a'), ['sent', 'waiting'])
  t.equal(ann.disk.mail.get(ben.id)?.size, 2, 'it stays with its sender too, lest the mailbox is lost')
  const back = await meshClient(t, mesh, second, 4, { disk: ben.disk })
  await mesh.until(() => ann.statuses('b').includes('delivered'), 2_000, 'it is delivered')
  t.same(back.shown(), ['one', 'two'])
  t.equal(waiting(second, 4), 0)
  t.equal(ann.disk.mail.size, 0)
})

t.test('that a message which waited was read reaches a sender who was away by then, whatever was restarted meanwhile', async t => {
  const { mesh, first, second, ann, ben } = await annAndBen(t)
  ben.crash()
  await mesh.pass(40_000)
  void ann.client.tell(ben.id, 'one', { ref: 'a' })
  void ann.client.tell(ben.id, 'two', { ref: 'b' })
  await mesh.until(() => ann.statuses('b').includes('waiting'), 2_000, 'it waits')
  ann.crash()
  await mesh.pass(40_000)
  const back = await meshClient(t, mesh, second, 4, { disk: ben.disk })
  await mesh.until(() => back.shown().length === 2, 2_000, 'it is shown')
  await mesh.pass(1_000)
  back.crash()
  await mesh.pass(40_000)
  mesh.crash(second)
  mesh.crash(first)
  const [again, there] = [await mesh.restart(first), await mesh.restart(second)]
  await mesh.until(() => linked(mesh, again, there), 10_000, 'linked')
  const returned = await meshClient(t, mesh, again, 3, { disk: ann.disk })
  const told = () => returned.events.flatMap(event => (event.event === 'sent' ? [[event.status, event.to]] : []))
  await mesh.until(() => told().length > 0, 5_000, 'it is told')
  await mesh.pass(1_000)
  t.strictSame(told(), [
    ['delivered', ben.id],
    ['delivered', ben.id],
  ])
  returned.crash()
  const third = await meshClient(t, mesh, again, 3, { disk: ann.disk })
  await mesh.pass(1_000)
  t.notOk(
    third.events.some(({ event }) => event === 'sent'),
    'and once',
  )
  for (const node of [again, there]) await sameAsItsLog(t, mesh, node)
})

t.test('a server that dies between taking and the receipt costs nothing: the same message comes once', async t => {
  const { mesh, first, second, ann, ben } = await annAndBen(t)
  // the reader's program cannot confirm it while its disk is busy
  ben.hold = true
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.pass(300)
  mesh.crash(second)
  await mesh.pass(300)
  ben.hold = false
  await mesh.pass(1_000)
  t.same(ann.statuses('a'), ['sent'])
  t.equal(ann.disk.mail.get(ben.id)?.size, 1, 'kept')
  const again = await mesh.restart(second)
  await mesh.until(() => linked(mesh, first, again), 10_000, 'linked')
  await mesh.until(() => ann.statuses('a').includes('delivered'), 60_000, 'delivered')
  t.same(ben.shown(), ['hello'])
})

t.test('a sender’s server that dies is asked again when it is back', async t => {
  const { mesh, first: node, ann, ben } = await annAndBen(t, { together: true })
  mesh.crash(node)
  await mesh.pass(1_000)
  void ann.client.tell(ben.id, 'typed in the dark', { ref: 'a' })
  await mesh.pass(1_000)
  t.same(ann.statuses('a'), ['sent'])
  t.match(
    ann.events.find(event => event.event === 'sent'),
    { why: /no connection.*when it is back/ },
  )
  await mesh.restart(node)
  await mesh.until(() => ann.statuses('a').at(-1) === 'delivered', 30_000, 'it is delivered')
  t.same(ben.shown(), ['typed in the dark'])
})

t.test('a sender who is killed before it left sends it after the restart, under the same id', async t => {
  const { mesh, first: node, ann, ben } = await annAndBen(t, { together: true })
  ann.host.deaf = true
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.pass(300)
  const [id = ''] = [...(ann.disk.mail.get(ben.id)?.keys() ?? [])]
  t.not(id, '')
  ann.crash()
  const again = await meshClient(t, mesh, node, 3, { disk: ann.disk })
  await mesh.until(() => ben.shown().length > 0, 5_000, 'it came')
  t.same(ben.ids(), [id])
  await mesh.until(
    () => again.events.some(event => event.event === 'sent' && event.id === id && event.status === 'delivered'),
    2_000,
    'told',
  )
  t.equal(again.disk.mail.size, 0)
})

t.test('what is not on the disk was never sent', async t => {
  const { mesh, ann, ben } = await annAndBen(t, { together: true })
  ann.hold = true
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.pass(1_000)
  t.same(ann.statuses('a'), [])
  t.same(ben.shown(), [])
})

t.test('a message does not leave with an earlier one before it is on the disk itself', async t => {
  const { mesh, ann, ben } = await annAndBen(t, { together: true })
  ann.hold = true
  void ann.client.tell(ben.id, 'one')
  await mesh.pass(500)
  void ann.client.tell(ben.id, 'two', { ref: 'b' })
  await mesh.pass(500)
  ann.releaseOne()
  await mesh.pass(3_000)
  t.same(ben.shown(), ['one'])
  t.same(ann.statuses('b'), [])
  ann.hold = false
  await mesh.until(() => ben.shown().length === 2, 2_000, 'it came')
})

t.test('what its reader’s server could not take goes along with the next message, however short ago it was tried', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3)
  const ben = await meshClient(t, mesh, second, 4, { moves: false })
  await mesh.pass(500)
  mesh.crash(second)
  await mesh.pass(1_000)
  void ann.client.tell(ben.id, 'one', { ref: 'a' })
  await mesh.pass(5_500)
  t.same(ann.statuses('a'), ['sent'])
  const again = await mesh.restart(second)
  await mesh.until(() => linked(mesh, first, again), 10_000, 'linked')
  // one is not due again for seconds, and was tried less than two seconds ago
  void ann.client.tell(ben.id, 'two')
  const took = await mesh.until(() => ann.statuses('a').length > 1, 3_000, 'both went')
  t.ok(took < 2_000, `after ${took} ms`)
})

t.test('a reader who is killed before it is recorded may show it again, with the same id, and never loses it', async t => {
  const { mesh, first: node, ann, ben } = await annAndBen(t, { together: true })
  ben.hold = true
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.pass(500)
  t.same(ben.shown(), ['hello'])
  t.same(ann.statuses('a').includes('delivered'), false, 'not confirmed before it is recorded')
  ben.crash()
  const again = await meshClient(t, mesh, node, 4, { disk: ben.disk })
  await mesh.until(() => ann.statuses('a').includes('delivered'), 10_000, 'delivered')
  t.same(again.ids(), ben.ids())
  again.crash()
  const third = await meshClient(t, mesh, node, 4, { disk: again.disk })
  await mesh.pass(1_000)
  t.same(third.shown(), [], 'what was recorded is not shown again')
})

t.test('many messages keep their order through the death of both servers, each once', async t => {
  const { mesh, first, second, ann, ben } = await annAndBen(t)
  const all = texts(60)
  const sending = all.map((text, n) => ann.client.tell(ben.id, text, { ref: `r${n}` }))
  await mesh.pass(20)
  mesh.crash(second)
  await mesh.pass(300)
  const back = await mesh.restart(second)
  await mesh.pass(700)
  mesh.crash(first)
  await mesh.pass(300)
  await mesh.restart(first)
  await mesh.until(() => ben.shown().length >= all.length, 120_000, 'all have come')
  t.same(ben.shown(), all)
  t.ok(back)
  await mesh.until(() => ann.disk.mail.size === 0, 120_000, 'all are accepted')
  t.ok((await Promise.all(sending)).every(Boolean))
})

t.test('/all is one message to its sender: sent, then waiting or delivered when that holds for everybody', async t => {
  const { mesh, first: node, ann, ben } = await annAndBen(t, { together: true })
  const cat = await meshClient(t, mesh, node, 5)
  await mesh.pass(500)
  cat.crash()
  await mesh.pass(500)
  void ann.client.all('hello all', { ref: 'a' })
  await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits for one')
  t.same(ben.shown(), ['hello all'])
  const back = await meshClient(t, mesh, node, 5, { disk: cat.disk })
  await mesh.until(() => ann.statuses('a').includes('delivered'), 5_000, 'delivered to everybody')
  t.same(ann.statuses('a'), ['sent', 'waiting', 'delivered'])
  t.same(back.shown(), ['hello all'])
})

t.test('a message that was kept by an earlier run is not forgotten while nobody can take it', async t => {
  const { mesh, first: node, ann, ben } = await annAndBen(t, { together: true })
  mesh.crash(node)
  await mesh.pass(500)
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.pass(500)
  ann.crash()
  const second = await openMeshClient(t, mesh, node, 3, { disk: ann.disk })
  second.client.connect()
  await mesh.pass(30_000)
  second.crash()
  await mesh.restart(node)
  await meshClient(t, mesh, node, 3, { disk: ann.disk })
  await mesh.until(() => ben.shown().length > 0, 60_000, 'it came')
  t.same(ben.shown(), ['hello'])
})
