/** Receipts for messages that had waited: kept for senders who were away, found by asking, bounded, and gone with time and with the person. */
import t from 'tap'
import { admitStock } from '../helpers/intruder.ts'
import { correspondent, keptReceipts, moment } from './delivery-rig.ts'
import { createMesh, idOf, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { userId } from './user.ts'

/** Ann writes to Ben, who is away, and leaves; Ben comes, reads and confirms each by itself. */
const read = async (mesh: Mesh, home: MeshNode, other: MeshNode, count: number) => {
  const ann = await correspondent(mesh, home, 3)
  const ben = await correspondent(mesh, other, 4)
  ben.leave()
  await mesh.pass(1_000)
  const ids: string[] = []
  for (let n = 1; n <= count; n += 1) ids.push(await ann.write(ben.id, n))
  await moment(mesh)
  ann.leave()
  await mesh.quiet()
  const back = await correspondent(mesh, other, 4)
  await mesh.until(() => back.got().length === count, 5_000, 'all came')
  for (const id of ids) await back.confirm(ann.id, [id])
  await moment(mesh)
  return { ids, ann, ben: back }
}

t.test('a sender who was away asks, and hears the reader’s own word, also after a restart; one who does not ask hears nothing', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const { ids, ben } = await read(mesh, first, second, 2)
  mesh.crash(second)
  const again = await mesh.restart(second)
  await mesh.pass(5_000)
  const ann = await correspondent(mesh, first, 3)
  await moment(mesh)
  t.same(ann.told(), [])
  await ann.send('RECEIPT_ASK', first.id, { recipient: ben.id, refs: [...ids, 'another'] })
  await moment(mesh)
  t.same([...ann.told()].sort(), [...ids.map(id => `delivered ${id}`), 'unknown another'].sort())
  const words = ann.heard.filter(({ type }) => type === 'RECEIPT')
  t.ok(words.every(({ from, payload }) => from === (payload['state'] === 'unknown' ? first.id : ben.id)))
  await sameAsItsLog(t, mesh, again)
})

t.test('what was not on its way through a mailbox needs no such memory', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  await ben.confirm(ann.id, [await ann.write(ben.id, 1)])
  await moment(mesh)
  t.equal(keptReceipts(node), 0)
})

t.test('so many are kept of a reader, the newest; then as long as a message may wait', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { receiptsKept: 2 }, timing: { mailboxMs: 60_000 } } })
  const { ids, ben } = await read(mesh, node, node, 4)
  t.equal(keptReceipts(node), 2)
  const ann = await correspondent(mesh, node, 3)
  await ann.send('RECEIPT_ASK', node.id, { recipient: ben.id, refs: ids })
  await moment(mesh)
  t.same([...ann.told()].sort(), ids.map((id, n) => `${n < 2 ? 'unknown' : 'delivered'} ${id}`).sort())
  await mesh.pass(125_000)
  t.equal(keptReceipts(node), 0)
  t.equal(node.fold.state.receipts.size, 0)
  await sameAsItsLog(t, mesh, node)
})

t.test('one reader cannot drive out what is kept of others', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { receiptsKeptOfAll: 2 } } })
  const { ann, ids } = await read(mesh, node, node, 2)
  const cat = await correspondent(mesh, node, 5)
  cat.leave()
  const writer = await correspondent(mesh, node, 3)
  const id = await writer.write(cat.id, 9)
  await moment(mesh)
  const back = await correspondent(mesh, node, 5)
  await mesh.until(() => back.got().length === 1, 5_000, 'it came')
  await back.confirm(ann.id, [id])
  await moment(mesh)
  t.same(writer.told().at(-1), `delivered ${id}`, 'who is there hears it')
  t.equal(keptReceipts(node), ids.length)
  t.notOk(node.fold.state.receipts.has(cat.id))
})

t.test('nobody hears of others’ messages, and no server asks for users of another', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const { ids, ann, ben } = await read(mesh, first, second, 1)
  const eve = await correspondent(mesh, second, 6)
  await eve.send('RECEIPT_ASK', second.id, { recipient: ben.id, refs: ids })
  await eve.send('RECEIPT_ASK', second.id, { sender: ann.id, recipient: ben.id, refs: ids })
  await moment(mesh)
  t.same(eve.told(), [])
  await correspondent(mesh, first, 3)
  await mesh.quiet()
  const { server, link } = await admitStock(mesh, second, 2, idOf(2), 9_503)
  const since = mesh.network.wire.length
  link.send(await server.signed('RECEIPT_ASK', second.id, { sender: ann.id, recipient: ben.id, refs: ids }))
  await moment(mesh)
  t.notOk(mesh.network.wire.slice(since).some(({ text }) => text.includes('"type":"RECEIPT"')))
})

t.test('forgetting a person takes the receipts of and for them along', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const { ids, ann, ben } = await read(mesh, node, node, 1)
  await node.ask('purge', { user: ann.id })
  t.equal(keptReceipts(node), 0)
  const asker = await correspondent(mesh, node, 3)
  await asker.send('RECEIPT_ASK', node.id, { recipient: ben.id, refs: ids })
  await moment(mesh)
  t.same(asker.told(), [])
  await node.ask('purge', { user: ben.id })
  t.equal(node.fold.state.receipts.size, 0)
  t.notMatch(JSON.stringify(await mesh.facts(node)), ben.id)
  await sameAsItsLog(t, mesh, node)
})

t.test('what waits or is on its way is not unknown, nor is anything at a server where the reader was not last', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  const handed = await ann.write(ben.id, 1)
  await ann.send('RECEIPT_ASK', first.id, { recipient: ben.id, refs: [handed] })
  await moment(mesh)
  ben.leave()
  await mesh.pass(1_000)
  const stored = await ann.write(ben.id, 2)
  await ann.send('RECEIPT_ASK', first.id, { recipient: ben.id, refs: [handed, stored] })
  await ann.send('RECEIPT_ASK', first.id, { recipient: userId(9), refs: [stored] })
  await moment(mesh)
  t.same(
    ann.told().filter(told => told.startsWith('unknown')),
    [],
  )
  mesh.crash(second)
  await ann.send('RECEIPT_ASK', first.id, { recipient: ben.id, refs: [stored] })
  await moment(mesh)
  t.same(
    ann.told().filter(told => told.startsWith('unknown')),
    [],
    'a server that is gone says nothing',
  )
})
