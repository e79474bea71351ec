/** What a running server really sends to users, checked by an independent peer written from docs/protocol.md alone. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId } from '../helpers/frame-client.ts'
import { writeIdentity } from '../helpers/processes.ts'
import { canonical, verifyText } from '../helpers/stock-crypto.ts'
import { startStockPair } from '../helpers/stock-pair.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(3)

const { rig, home, away, keyOf, fromServer } = await startStockPair(t)

t.test('stock users without proof or capabilities talk to our chat both ways', async t => {
  const data = rig.place('chat')
  writeIdentity(data, newId(), keyOf(7))
  const ours = await rig.chat({ server: away.url, name: 'ours', data })
  const stock = await attachFrameUser({ url: home.url, key: keyOf(8), name: 'stocky' })
  t.teardown(() => stock.socket.close())
  await ours.waitFor('presence', event => event.user_id === stock.id)
  stock.socket.send(stock.direct({ id: ours.id, keyText: keyOf(7).text }, 'from the standard ✓'))
  t.match(await ours.waitFor('message'), { from: stock.id, name: 'stocky', text: 'from the standard ✓', kind: 'direct', verified: true })
  ours.say('/tell stocky and back 😀')
  const got = await stock.socket.waitFor('USER_DELIVER')
  fromServer(t, got)
  t.equal(stock.read(got), 'and back 😀', 'plain text for someone without the bound capability')
  t.equal(got.payload.sender, ours.id)
  t.ok(stock.contentVerifies(got, { id: ours.id, keyText: keyOf(7).text }))

  t.test('a public message is one signed ciphertext per member, under its inner type', async t => {
    const since = stock.socket.mark()
    ours.say('/all to everyone')
    const publicly = await stock.socket.waitFor('USER_DELIVER', { since })
    t.match(publicly.payload, { inner_type: 'MSG_PUBLIC_CHANNEL', group_id: 'public', sender: ours.id })
    t.equal(stock.read(publicly), 'to everyone')
    const signed = String(publicly.payload.ciphertext) + ours.id + String(publicly.ts)
    t.ok(verifyText(keyOf(7).text, signed, publicly.payload.content_sig), 'signed without a recipient')
  })

  t.test('a file comes in its three frames with the sender added', async t => {
    const since = stock.socket.mark()
    const path = join(rig.place('files'), 'note.txt')
    writeFileSync(path, 'x'.repeat(1000))
    ours.say(`/file stocky ${path}`)
    const start = await stock.socket.waitFor('FILE_START', { since })
    t.match(start.payload, { name: 'note.txt', size: 1000, mode: 'dm', sender: ours.id, sender_pub: keyOf(7).text })
    t.match(start.payload.sha256, /^[0-9a-f]{64}$/)
    const { file_id, mode, name, sha256, size } = start.payload
    const offer = canonical({ file_id, from: ours.id, mode, name, sha256, size, to: stock.id, ts: start.ts })
    t.ok(verifyText(keyOf(7).text, offer, start.payload.content_sig), 'the offer is signed')
    const end = await stock.socket.waitFor('FILE_END', { since })
    t.equal(end.payload.file_id, file_id)
    const chunks = stock.socket.heard.slice(since).filter(frame => frame.type === 'FILE_CHUNK')
    t.same(
      chunks.map(frame => frame.payload.index),
      [0, 1, 2],
      'blocks of 446 bytes for a user without the blocks capability',
    )
    t.equal(chunks.map(frame => stock.read(frame)).join(''), 'x'.repeat(1000))
    for (const frame of [start, ...chunks, end]) fromServer(t, frame)
  })
})

t.test('a list is asked for in the standard way and in those of other clients, each answered in its own form', async t => {
  const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'lister' })
  t.teardown(() => user.socket.close())
  const listed = await user.list()
  t.match(
    listed.find(entry => entry.user_id === user.id),
    { display_name: 'lister', server_id: home.id, presence: 'online' },
  )
  const forms = [
    ['CTRL_LIST', {}, 'CTRL_LIST_RESP', 'online'],
    ['CMD_LIST', {}, 'USER_LIST', 'users'],
    ['USER_LIST_REQ', {}, 'USER_LIST', 'users'],
    ['GET_ONLINE_USERS', {}, 'USER_LIST', 'users'],
    ['CLIENT_CMD', { cmd: '/list' }, 'USER_LIST', 'users'],
  ] as const
  for (const [type, payload, answered, key] of forms) {
    const since = user.socket.mark()
    user.send(type, home.id, payload)
    const answer = await user.socket.waitFor(answered, { since })
    fromServer(t, answer)
    t.ok((answer.payload[key] as string[]).includes(user.id), `${type} is answered by ${answered}`)
  }
})

t.test('a public key is told to who asks, and an unknown one is not', async t => {
  const user = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'asker', caps: ['ack'] })
  const other = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'asked' })
  t.teardown(() => Promise.all([user.socket.close(), other.socket.close()]))
  await user.socket.waitFor(frame => frame.type === 'USER_ADVERTISE' && frame.payload.user_id === other.id)
  user.send('PUBKEY_REQUEST', away.id, { user_id: other.id })
  const answer = await user.socket.waitFor('PUBKEY_RESPONSE')
  fromServer(t, answer, away)
  t.match(answer.payload, { user_id: other.id, pubkey: other.keyText })
  const nobody = newId()
  user.send('PUBKEY_REQUEST', away.id, { user_id: nobody })
  const refused = await user.socket.waitFor(frame => frame.type === 'ERROR')
  t.match(refused.payload, { code: 'USER_NOT_FOUND', msg_ref: nobody })
})
