/** Attacks on receipts and mailboxes: words that are not the speaker's to say, mail for others, floods. */
import t from 'tap'
import { admitStock } from '../helpers/intruder.ts'
import { meshClient } from '../client/mesh-client.ts'
import { correspondent, moment, waiting } from '../server/delivery-rig.ts'
import { createMesh, idOf, startPair } from '../server/mesh.ts'

t.test('a user cannot confirm what is for others, nor say what only a server can', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const mallory = await correspondent(mesh, node, 5)
  ben.leave()
  await mesh.quiet()
  const id = await ann.write(ben.id, 1)
  await moment(mesh)
  for (const state of ['delivered', 'refused', 'waiting', 'passed']) {
    await mallory.send('RECEIPT', ann.id, { sender: ann.id, recipient: ben.id, refs: [id], state })
    await mallory.send('RECEIPT', ann.id, { sender: ann.id, recipient: mallory.id, refs: [id], state })
  }
  await moment(mesh)
  t.equal(waiting(node, 4), 1, 'it still waits')
  t.same(
    ann.told().filter(told => !told.startsWith('waiting')),
    [`delivered ${id}`, `refused ${id}`],
    'what mallory may say of own messages goes through, under her name',
  )
  t.ok(ann.heard.every(({ type, from, payload }) => type !== 'RECEIPT' || from === payload['recipient'] || from === node.id))
})

t.test('what somebody says of a message that is not theirs does not keep it from its reader', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const mallory = await correspondent(mesh, node, 5)
  const { id, text } = await ann.compose(ben.id, 1)
  await mallory.confirm(ann.id, [id])
  ann.raw(text)
  await mesh.quiet()
  t.same(ben.got(), [id])
})

t.test('a server cannot speak for a reader, nor say that it keeps a message of a user who was never there', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  await mesh.quiet()
  const { server, link } = await admitStock(mesh, first, 2, idOf(2), 9_502)
  const id = await ann.write(ben.id, 1)
  for (const state of ['delivered', 'refused', 'waiting', 'full', 'passed']) {
    const payload = { sender: ann.id, recipient: ben.id, refs: [id], state }
    const own = await server.signed('RECEIPT', ann.id, payload)
    link.send(own, own.replace(`"from":"${server.id}"`, `"from":"${ben.id}"`))
  }
  await moment(mesh)
  t.same(ann.told(), [])
})

t.test('a client takes a reader’s word only from the reader, and only for what it wrote to them', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await meshClient(t, mesh, node, 3)
  const mallory = await correspondent(mesh, node, 5)
  const ben = await meshClient(t, mesh, node, 4)
  await mesh.pass(500)
  ben.hold = true
  void ann.client.tell(ben.id, 'hello', { ref: 'a' })
  await mesh.pass(300)
  const [id = ''] = ann.disk.mail.get(ben.id)?.keys() ?? []
  await mallory.send('RECEIPT', ann.id, { sender: ann.id, recipient: mallory.id, refs: [id], state: 'delivered' })
  await mesh.pass(300)
  t.same(ann.statuses('a'), ['sent'])
  t.equal(ann.disk.mail.get(ben.id)?.size, 1, 'still kept')
})

t.test('a server that is not the sender’s home brings only what the sender signed', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const { server, link } = await admitStock(mesh, node, 2, idOf(2), 9_503)
  const { text } = await ann.compose(ben.id, 1)
  const { payload, ts } = JSON.parse(text) as { payload: Record<string, unknown>; ts: number }
  const bring = async (more: object, at = ts): Promise<void> => {
    link.send(await server.signed('SERVER_DELIVER', node.id, { ...payload, ...more, sender: ann.id, user_id: ben.id }, at))
    await mesh.quiet()
  }
  await bring({ content_sig: 'c2ln' })
  await bring({ ciphertext: 'QUFBQQ' })
  await bring({}, ts + 1)
  await bring({ receipt: false })
  t.same(ben.got(), [])
  await bring({})
  t.equal(ben.got().length, 1, 'as it was written')
})

t.test('copies of what waits cost no place and few signatures', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  ben.leave()
  await mesh.quiet()
  const { text } = await ann.compose(ben.id, 1)
  ann.raw(text)
  await moment(mesh)
  const facts = (await mesh.facts(node)).length
  for (let n = 0; n < 50; n += 1) ann.raw(text)
  await moment(mesh)
  t.equal((await mesh.facts(node)).length, facts)
  t.equal(waiting(node, 4), 1)
  t.ok(ann.told().length <= 2, 'one answer, and perhaps another')
})

t.test('nobody fills mailboxes of people who were never here', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const mallory = await correspondent(mesh, node, 5)
  for (let n = 0; n < 20; n += 1) await mallory.write(`stranger-${n}`, n)
  t.equal(node.fold.state.mailboxes.messages, 0)
  t.equal(node.disk.mail.size, 0)
})
