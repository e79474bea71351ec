/** Messages at whole nodes: to readers who are here, away, slow, elsewhere; receipts, mailboxes and their limits. */
import t from 'tap'
import { createIntruder, type Intrusion } from '../helpers/intruder.ts'
import { testKey } from '../helpers/test-keys.ts'
import { correspondent, letters, moment, waiting } from './delivery-rig.ts'
import { createMesh, idOf, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, userId } from './user.ts'

t.test('a message to a reader who is here is not stored, and the sender hears the reader’s own word', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  await mesh.quiet()
  const before = (await mesh.facts(second)).length
  const id = await ann.write(ben.id, 1)
  t.same(ben.got(), [id])
  t.equal((await mesh.facts(second)).length, before, 'no fact was recorded')
  t.same(ann.told(), [])
  await ben.confirm(ann.id, [id])
  t.same(ann.told(), [`delivered ${id}`])
  t.match(
    ann.heard.find(({ type }) => type === 'RECEIPT'),
    { from: ben.id },
    'under the reader’s name and signature',
  )
})

t.test('a copy is neither delivered twice nor left without an answer', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  await mesh.quiet()
  const { id, text } = await ann.compose(ben.id, 1)
  for (let copies = 0; copies < 3; copies += 1) {
    ann.raw(text)
    await mesh.quiet()
  }
  t.same(ben.got(), [id])
  await ben.confirm(ann.id, [id])
  await mesh.pass(700_000)
  ann.raw(text)
  await mesh.quiet()
  t.same(ben.got(), [id], 'not even long after the window of time')
  t.same(ann.told(), [`delivered ${id}`, `delivered ${id}`])
  ann.raw(text.replace(/"ts":(\d+)/, (_, ts: string) => `"ts":${Number(ts) + 1}`))
  await mesh.quiet()
  t.equal(ben.got().length, 1, 'under another time it is a copy that means something else')
})

t.test('what comes while a reader returns, and is not yet on the disk, is not given up as gone', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  const cat = await correspondent(mesh, second, 5)
  ben.leave()
  cat.leave()
  await mesh.pass(1_000)
  const one = await ann.write(ben.id, 1)
  await moment(mesh)
  second.hold = true
  const returning = correspondent(mesh, second, 4)
  await mesh.until(() => second.fold.state.directory.users.get(ben.id)?.local === 'attached', 5_000, 'he is about to be attached')
  // between his return and the look into his mailbox the disk has other work
  await ann.write(cat.id, 3)
  second.releaseOne()
  await mesh.quiet()
  const two = await ann.write(ben.id, 2)
  second.releaseOne()
  await mesh.quiet()
  second.hold = false
  second.release()
  const back = await returning
  await moment(mesh)
  t.same(back.got(), [one, two])
  await back.confirm(ann.id, [one, two])
  t.equal(waiting(second, 4), 0)
})

t.test('what comes while the reader is away waits on the disk, is told of after the commit, and comes in order', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  ben.leave()
  await mesh.pass(1_000)
  second.hold = true
  const ids = [await ann.write(ben.id, 1), await ann.write(ben.id, 2)]
  await moment(mesh)
  t.same(ann.told(), [], 'nothing is told before it is safe')
  second.release()
  await moment(mesh)
  t.same(
    ann.told(),
    ids.map(id => `waiting ${id}`),
  )
  t.equal(second.disk.mail.get(ben.id)?.size, 2)
  mesh.crash(second)
  const again = await mesh.restart(second)
  await sameAsItsLog(t, mesh, again)
  const back = await correspondent(mesh, again, 4)
  await mesh.quiet()
  t.same(back.got(), ids)
  t.equal(waiting(again, 4), 2, 'until the reader has answered')
  await mesh.until(() => again.events.some(({ event }) => event === 'linked'), 5_000, 'linked again')
  await back.confirm(ann.id, ids)
  await moment(mesh)
  t.same(ann.told().slice(2), [`delivered ${ids[0] ?? ''}`, `delivered ${ids[1] ?? ''}`])
  t.equal(waiting(again, 4), 0)
  t.equal(letters(again), 0, 'really deleted')
  await sameAsItsLog(t, mesh, again)
})

t.test('what was on its way when the reader’s socket broke waits for their return', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const ids = [await ann.write(ben.id, 1), await ann.write(ben.id, 2)]
  await ben.confirm(ann.id, ids.slice(0, 1))
  ben.drop()
  await moment(mesh)
  t.same(ann.told(), [`delivered ${ids[0] ?? ''}`, `waiting ${ids[1] ?? ''}`])
  const back = await correspondent(mesh, node, 4)
  await mesh.quiet()
  t.same(back.got(), ids.slice(1))
})

t.test('a socket that takes over gets what the one before had not answered', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const id = await ann.write(ben.id, 1)
  const other = await correspondent(mesh, node, 4)
  await moment(mesh)
  t.same([ben.got(), other.got()], [[id], [id]])
})

t.test('more than may be on its way to a reader goes to the mailbox, and follows as receipts come', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { inFlight: 3 } } })
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const ids: string[] = []
  for (let n = 1; n <= 8; n += 1) ids.push(await ann.write(ben.id, n))
  await moment(mesh)
  t.same(ben.got(), ids.slice(0, 3))
  t.equal(waiting(node, 4), 5)
  for (const id of ids) await ben.confirm(ann.id, [id])
  await moment(mesh)
  t.same(ben.got(), ids, 'each once and in order')
  t.equal(waiting(node, 4), 0)
  await sameAsItsLog(t, mesh, node)
})

t.test('one sender cannot fill a mailbox for the others; what has no room is told so', async t => {
  const mesh = createMesh(t)
  const limits = { mailboxMessages: 4, mailboxMessagesOfSender: 2 }
  const node = await mesh.start(0, { config: { limits } })
  const flooder = await correspondent(mesh, node, 3)
  const ann = await correspondent(mesh, node, 5)
  const ben = await correspondent(mesh, node, 4)
  ben.leave()
  await mesh.quiet()
  const flood: string[] = []
  for (let n = 1; n <= 4; n += 1) flood.push(await flooder.write(ben.id, n))
  const mine = await ann.write(ben.id, 1)
  await moment(mesh)
  t.same([...flooder.told()].sort(), flood.map((id, n) => `${n < 2 ? 'waiting' : 'full'} ${id}`).sort())
  t.same(ann.told(), [`waiting ${mine}`])
  t.equal(node.disk.mail.get(ben.id)?.size, 3)
})

t.test('a mailbox holds so many bytes, and all mailboxes together', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { mailboxBytes: 2_500, mailboxesBytes: 4_000 } } })
  const ann = await correspondent(mesh, node, 3)
  for (const n of [4, 5]) (await correspondent(mesh, node, n)).leave()
  await mesh.quiet()
  for (let n = 1; n <= 4; n += 1) for (const to of [4, 5]) await ann.write(userId(to), n)
  await moment(mesh)
  const { mailboxes } = node.fold.state
  t.ok([...mailboxes.of.values()].every(({ bytes }) => bytes <= 2_500) && mailboxes.bytes <= 4_000 && mailboxes.messages > 1)
  t.equal(ann.told().filter(told => told.startsWith('waiting')).length, mailboxes.messages)
})

t.test('what waited for too long is deleted', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { timing: { mailboxMs: 100_000 } } })
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  ben.leave()
  await mesh.quiet()
  await ann.write(ben.id, 1)
  await mesh.pass(99_000)
  t.equal(waiting(node, 4), 1)
  await mesh.pass(90_000)
  t.equal(waiting(node, 4), 0)
  t.equal(letters(node), 0)
  t.same((await correspondent(mesh, node, 4)).got(), [])
})

t.test('a sender hears that the reader’s server cannot be reached, and sends again when it can', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  await mesh.quiet()
  mesh.crash(second)
  await mesh.pass(1_000)
  const { id, text } = await ann.compose(ben.id, 1)
  ann.raw(text)
  await mesh.quiet()
  t.match(ann.heard.at(-1), { type: 'ERROR', payload: { code: 'TIMEOUT', msg_ref: id } })
  const again = await mesh.restart(second)
  await mesh.until(() => again.events.some(({ event }) => event === 'linked'), 5_000, 'linked again')
  ann.raw(text)
  await moment(mesh)
  t.same(ann.told(), [`waiting ${id}`])
})

t.test('a reader who has not been anywhere is not found', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const id = await ann.write(userId(9), 1)
  t.match(ann.heard.at(-1), { type: 'ERROR', payload: { code: 'USER_NOT_FOUND', msg_ref: id } })
})

t.test('what waits follows a reader to their new home, and is deleted when it has arrived', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, first, 3)
  const ben = await correspondent(mesh, second, 4)
  ben.leave()
  await mesh.quiet()
  const ids = [await ann.write(ben.id, 1), await ann.write(ben.id, 2)]
  await moment(mesh)
  t.equal(waiting(second, 4), 2)
  const moved = await correspondent(mesh, first, 4)
  await mesh.until(() => moved.got().length === 2, 5_000, 'it has come')
  t.same(moved.got(), ids)
  await moved.confirm(ann.id, ids)
  await moment(mesh)
  t.same(ann.told().filter(told => told.startsWith('delivered')).length, 2)
  t.equal(waiting(second, 4), 0)
  t.equal(letters(second), 0)
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('what waits stays when the new home is lost just as it is passed on: a server that is gone is none without receipts', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await correspondent(mesh, second, 3)
  const ben = await correspondent(mesh, second, 4)
  ben.leave()
  await mesh.quiet()
  await ann.write(ben.id, 1)
  await moment(mesh)
  await correspondent(mesh, first, 4)
  second.hold = true
  ann.leave()
  // it looks for what can move on, and waits for its disk
  await mesh.pass(3_000)
  mesh.crash(first)
  await mesh.pass(1_000)
  second.hold = false
  second.release()
  await moment(mesh)
  t.equal(waiting(second, 4), 1)
  t.equal(letters(second), 1)
})

t.test('mail of senders without receipts is kept too, and handed to readers who give none', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await attachUser(mesh, node, 3)
  const ben = await attachUser(mesh, node, 4)
  ben.leave()
  await mesh.quiet()
  await ann.send('MSG_DIRECT', ben.id, { ciphertext: 'bWluZQ', content_sig: 'c2ln' })
  await mesh.quiet()
  t.match(ann.heard.at(-1), { type: 'ACK' })
  t.equal(waiting(node, 4), 1)
  const back = await attachUser(mesh, node, 4)
  await mesh.quiet()
  t.match(
    back.heard.find(({ type }) => type === 'USER_DELIVER'),
    { payload: { ciphertext: 'bWluZQ', sender: ann.id } },
  )
  t.equal(waiting(node, 4), 0)
  t.equal(letters(node), 0)
})

t.test('nothing is kept for an id that never proved its key: anybody could empty its mailbox', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const stock = await attachUser(mesh, node, 4, { proof: false })
  stock.leave()
  await mesh.quiet()
  const id = await ann.write(stock.id, 1)
  t.match(ann.heard.at(-1), { type: 'ERROR', payload: { code: 'USER_NOT_FOUND', msg_ref: id } })
  t.equal(letters(node), 0)
})

t.test('forgetting a person deletes what waits for them and what waits from them', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const ann = await correspondent(mesh, node, 3)
  const ben = await correspondent(mesh, node, 4)
  const cat = await correspondent(mesh, node, 5)
  for (const user of [ben, cat]) user.leave()
  await mesh.quiet()
  await ann.write(ben.id, 1)
  await ann.write(cat.id, 2)
  await moment(mesh)
  await node.ask('purge', { user: ben.id })
  t.same([...node.disk.mail.keys()], [cat.id])
  t.equal(waiting(node, 4), 0)
  await node.ask('purge', { user: ann.id })
  t.equal(node.disk.mail.get(cat.id)?.size ?? 0, 0)
  const back = await correspondent(mesh, node, 5)
  await moment(mesh)
  t.same(back.got(), [])
  t.equal(waiting(node, 5), 0, 'what was deleted under it is let go')
  t.notMatch(JSON.stringify(await mesh.facts(node)), ben.id)
  await sameAsItsLog(t, mesh, node)
})

t.test(
  'a server that has said nothing since it was dialled is given no message as to one that says nothing of them: it may only stand still',
  async t => {
    const mesh = createMesh(t)
    const node = await mesh.start(0)
    const stock = await createIntruder(mesh, 6, idOf(6))
    const sockets: Intrusion[] = []
    await stock.listen(9_006, (_frame, socket) => {
      if (!sockets.includes(socket)) sockets.push(socket)
    })
    const joining = await stock.dial(node)
    const address = { host: '127.0.0.1', port: 9_006, pubkey: stock.pubkey }
    joining.send(await stock.signed('SERVER_HELLO_JOIN', `127.0.0.1:${node.port}`, address))
    await joining.hear('SERVER_WELCOME')
    const announcing = await stock.dial(node)
    announcing.send(await stock.signed('SERVER_ANNOUNCE', '*', address))
    const isLinked = () => mesh.view(node).machines[`link:${stock.id}`]?.state === 'linked'
    await mesh.until(() => isLinked() && sockets.length > 0, 10_000, 'linked')
    announcing.drop()
    const pubkey = (await testKey(4)).publicText
    const advertisement = { user_id: userId(4), server_id: stock.id, meta: { pubkey, extras: { caps: ['receipts'] } } }
    sockets[0]?.send(await stock.signed('USER_ADVERTISE', '*', advertisement))
    await mesh.pass(500)
    sockets[0]?.drop()
    await mesh.until(() => !isLinked(), 1_000, 'lost')
    await mesh.until(isLinked, 10_000, 'linked again')
    const ann = await correspondent(mesh, node, 3)
    const { id, text } = await ann.compose(userId(4), 1)
    ann.raw(text)
    await moment(mesh)
    t.match(ann.heard.at(-1), { type: 'ERROR', payload: { code: 'TIMEOUT', msg_ref: id } })
    t.same(ann.told(), [])
    sockets.at(-1)?.send(await stock.signed('HEARTBEAT', node.id, {}))
    await mesh.pass(500)
    ann.raw(text)
    await moment(mesh)
    t.same(ann.told(), [`passed ${id}`])
    t.ok(sockets.at(-1)?.heard.some(({ type }) => type === 'SERVER_DELIVER'))
  },
)

t.test('to a reader goes no more at once than they are given time for: the rest waits in their mailbox', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { outgoingBytes: 131_072 } } })
  const reader = await correspondent(mesh, node, 5)
  const writer = await correspondent(mesh, node, 4)
  for (let n = 0; n < 10; n += 1) await writer.write(reader.id, n, { ciphertext: `${n}`.padEnd(16_000, 'A') })
  await moment(mesh)
  const got = reader.got().length
  t.equal(got, 2)
  t.equal(waiting(node, 5), 8)
  await reader.confirm(writer.id, reader.got())
  await moment(mesh)
  t.equal(reader.got().length, 2 * got, 'and comes when there is room')
})
