/** What a running server really sends to servers, checked by an independent peer written from docs/protocol.md alone. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { canonical, directContent, messageRef, seal, signText, verifyText } from '../helpers/stock-crypto.ts'
import { startStockPair } from '../helpers/stock-pair.ts'
import { startStockServer } from '../helpers/stock-server.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(6)

const { home, away, keyOf, hasEnvelope, fromServer } = await startStockPair(t)

await t.test('a stock server that asks to join is welcomed with a signed list, and is dialled back', async t => {
  const stock = await startStockServer({ key: keyOf(2) })
  t.teardown(() => stock.close())
  const { welcome, socket } = await stock.join(home.url)
  t.equal(welcome.type, 'SERVER_WELCOME', welcome.text)
  fromServer(t, welcome)
  t.equal(welcome.to, stock.id)
  t.equal(welcome.payload.assigned_id, stock.id)
  const listed = welcome.payload.servers as { server_id: string; host: string; port: number; pubkey: string }[]
  t.same(
    listed.filter(server => server.server_id !== stock.id).sort((a, b) => a.port - b.port),
    [home, away].map(({ id, host, port, pubkey }) => ({ server_id: id, host, port, pubkey })).sort((a, b) => a.port - b.port),
  )
  t.ok(Array.isArray(welcome.payload.clients))

  socket.send(stock.announcement())
  const announced = await stock.waitFor(frame => frame.type === 'SERVER_ANNOUNCE' && frame.from === home.id)
  fromServer(t, announced)
  t.match(announced.payload, { host: home.host, port: home.port, pubkey: home.pubkey })
  t.match(announced.payload.caps, ['proof', 'vouch'])
  const other = await stock.waitFor(frame => frame.type === 'SERVER_ANNOUNCE' && frame.from === away.id)
  fromServer(t, other, away)
  t.ok(await home.waitFor('linked', event => event.server_id === stock.id))
  t.ok(await away.waitFor('linked', event => event.server_id === stock.id), 'a member dials whom its introducer vouched for')
})

await t.test('a joiner with a nonce gets it back, is named, and gets a voucher that verifies', async t => {
  const modern = await startStockServer({ key: keyOf(3), caps: ['proof', 'vouch'] })
  t.teardown(() => modern.close())
  const nonce = randomBytes(32).toString('base64url')
  const { welcome } = await modern.join(home.url, { payload: { nonce } })
  fromServer(t, welcome)
  t.match(welcome.payload, { nonce, for: modern.id, assigned_id: modern.id })
  const voucher = welcome.payload.voucher as Record<string, unknown>
  t.match(voucher, { by: home.id, server_id: modern.id, host: modern.host, port: modern.port, pubkey: modern.keyText })
  const statement = {
    by: home.id,
    host: modern.host,
    port: modern.port,
    pubkey: modern.keyText,
    server_id: modern.id,
    statement: 'socp-voucher',
  }
  t.ok(verifyText(home.pubkey, canonical(statement), voucher.sig), 'the voucher is signed')

  t.test('an announcement with a voucher is answered by announcement, challenge and proof', async t => {
    const socket = await modern.link(away.url, [voucher])
    const announced = await socket.waitFor('SERVER_ANNOUNCE')
    fromServer(t, announced, away)
    const challenge = await socket.waitFor('CHALLENGE')
    hasEnvelope(t, challenge)
    t.equal(Buffer.from(String(challenge.payload.nonce), 'base64url').length, 32)
    const proof = await socket.waitFor('PROOF')
    fromServer(t, proof, away)
    t.match(proof.payload, { prover: away.id, verifier: modern.id, role: 'server' })
    t.ok(await away.waitFor('linked', event => event.server_id === modern.id))
  })
})

await t.test('a user with proof is challenged, proved to, and acknowledged', async t => {
  const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'prover', caps: ['proof', 'ack'] })
  t.teardown(() => user.socket.close())
  const ofType = (type: string) => user.greeting.find(frame => frame.type === type)
  const [challenge, proof, ack] = [ofType('CHALLENGE'), ofType('PROOF'), ofType('ACK')]
  t.ok(challenge && proof && ack)
  if (challenge === undefined || proof === undefined || ack === undefined) return
  t.equal(challenge.from, home.id)
  fromServer(t, proof)
  t.match(proof.payload, { prover: home.id, verifier: user.id, role: 'server' })
  fromServer(t, ack)
  t.match(ack.payload, { msg_ref: 'USER_HELLO' })
})

// the guests of the remaining tests: a stock user and a stock server that hears the gossip
const listener = await startStockServer({ key: keyOf(8) })
t.teardown(() => listener.close())
const joined = await listener.join(home.url)
joined.socket.send(listener.announcement())
await home.waitFor('linked', event => event.server_id === listener.id)
await away.waitFor('linked', event => event.server_id === listener.id)

t.test('presence goes out signed by its home over canonical JSON, with key, name and sequence, and is relayed byte for byte', async t => {
  const since = listener.mark()
  const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'Zoë 😀' })
  const isOurs = (type: string) => (frame: Heard) => frame.type === type && frame.payload.user_id === user.id
  const advertised = await listener.waitFor(isOurs('USER_ADVERTISE'), { since })
  fromServer(t, advertised)
  t.equal(advertised.to, '*')
  t.equal(advertised.payload.server_id, home.id)
  const meta = advertised.payload.meta as Record<string, unknown>
  t.match(meta, { pubkey: user.keyText, display_name: 'Zoë 😀' })
  t.notOk('enc_pubkey' in meta, 'enc_pubkey only when it differs')
  const [epoch, counter] = (meta.extras as { seq: number[] }).seq
  t.ok(Number.isInteger(epoch) && Number.isInteger(counter))

  const watcher = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'watcher' })
  t.teardown(() => watcher.socket.close())
  user.socket.send(signedText(user.key, { type: 'CTRL_CLOSE', from: user.id, to: home.id, payload: {} }))
  const removed = await listener.waitFor(isOurs('USER_REMOVE'), { since })
  fromServer(t, removed)
  t.match(removed.payload, { server_id: home.id })
  t.match((removed.payload.seq as number[])[0], epoch)
  t.ok(((removed.payload.seq as number[])[1] ?? 0) > (counter ?? 0), 'a removal comes after its advertisement')
  t.not(removed.sig, advertised.sig)
  const seenByUser = await watcher.socket.waitFor(isOurs('USER_REMOVE'))
  t.equal(seenByUser.payloadText, removed.payloadText)
  t.equal(seenByUser.sig, removed.sig, 'the same signature reaches the users of another server')
  for (const frame of listener.heard.slice(since).filter(isOurs('USER_ADVERTISE'))) {
    t.equal(frame.payloadText, advertised.payloadText)
    t.equal(frame.sig, advertised.sig)
    t.equal(frame.from, home.id)
  }
})

t.test('a relayed advertisement reaches users and servers with its payload and signature untouched', async t => {
  // a stock server that is linked to home alone: away would take its word only from itself if it could reach it
  const recluse = await startStockServer({
    key: keyOf(9),
    intercept: (frame, socket) => {
      if (frame.from === away.id) socket.webSocket.terminate()
      return false
    },
  })
  t.teardown(() => recluse.close())
  const { socket } = await recluse.join(home.url)
  socket.send(recluse.announcement())
  await home.waitFor('linked', event => event.server_id === recluse.id)
  const visitor = newId()
  const watcher = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'watcher' })
  t.teardown(() => watcher.socket.close())
  // key order, spacing and an unknown field that a rebuilding relay would lose
  const payloadText = `{"user_id":"${visitor}", "server_id":"${recluse.id}","meta":{"pubkey":"${keyOf(6).text}","display_name":"v\u00efsitor","zeal":1.0}}`
  const frame = `{"type":"USER_ADVERTISE","from":"${recluse.id}","to":"*","ts":${String(Date.now())},"payload":${payloadText},"sig":"${signText(recluse.key, payloadText)}"}`
  const since = listener.mark()
  socket.send(frame)
  const isIt = (heard: Heard): boolean => heard.type === 'USER_ADVERTISE' && heard.payload.user_id === visitor
  for (const heard of [await watcher.socket.waitFor(isIt), await listener.waitFor(isIt, { since })]) {
    t.equal(heard.from, recluse.id)
    t.equal(heard.payloadText, payloadText)
    t.ok(verifyText(recluse.keyText, heard.payloadText, heard.sig))
  }
})

t.test('messages for the user of a stock server come to it as SERVER_DELIVER, and its answers go to ours as USER_DELIVER', async t => {
  const visitor = newId()
  const seer = await attachFrameUser({ url: home.url, key: keyOf(5), name: 'seer' })
  const farSeer = await attachFrameUser({ url: away.url, key: keyOf(7), name: 'far seer' })
  t.teardown(() => Promise.all([seer.socket.close(), farSeer.socket.close()]))
  const link = await listener.link(away.url)
  const meta = { pubkey: keyOf(6).text, display_name: 'visitor' }
  const advertisement = listener.signed('USER_ADVERTISE', '*', { user_id: visitor, server_id: listener.id, meta })
  for (const socket of [joined.socket, link]) socket.send(advertisement)
  for (const user of [seer, farSeer])
    await user.socket.waitFor(heard => heard.type === 'USER_ADVERTISE' && heard.payload.user_id === visitor)

  await t.test('a message comes to it over a link that we dialled', async t => {
    const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'writer', caps: ['ack'] })
    t.teardown(() => user.socket.close())
    const text = user.direct({ id: visitor, keyText: keyOf(6).text }, 'hello over there')
    const sent = JSON.parse(text) as Heard
    user.socket.send(text)
    const delivered = await listener.waitFor(frame => frame.type === 'SERVER_DELIVER' && frame.payload.user_id === visitor)
    fromServer(t, delivered)
    t.equal(delivered.to, listener.id)
    t.equal(delivered.ts, sent.ts, "the sender's ts is kept")
    t.match(delivered.payload, {
      user_id: visitor,
      sender: user.id,
      ciphertext: sent.payload.ciphertext,
      sender_pub: user.keyText,
      content_sig: sent.payload.content_sig,
    })
    t.notOk('inner_type' in delivered.payload, 'a direct message is plain v1.3')
    const signed = directContent(String(delivered.payload.ciphertext), user.id, visitor, delivered.ts)
    t.ok(verifyText(user.keyText, signed, delivered.payload.content_sig), 'the content signature still verifies')
    t.ok(
      listener.accepted.some(socket => socket.heard.some(frame => frame.text === delivered.text)),
      'it came over a dialled link',
    )
    const ack = await user.socket.waitFor(frame => frame.type === 'ACK' && frame.payload.msg_ref !== 'USER_HELLO')
    t.equal(ack.payload.msg_ref, messageRef(user.id, visitor, sent.ts, String(sent.payload.ciphertext)))
  })

  await t.test('an answer comes back, and its content signature verifies', async t => {
    const user = await attachFrameUser({ url: away.url, key: keyOf(4), name: 'reader' })
    t.teardown(() => user.socket.close())
    await listener.waitFor(frame => frame.type === 'USER_ADVERTISE' && frame.payload.user_id === user.id)
    const ts = Date.now()
    const ciphertext = seal(user.keyText, 'hello back')
    const content = signText(keyOf(6), directContent(ciphertext, visitor, user.id, ts))
    const payload = { user_id: user.id, ciphertext, sender: visitor, sender_pub: keyOf(6).text, content_sig: content }
    link.send(listener.signed('SERVER_DELIVER', away.id, payload, ts))
    const got = await user.socket.waitFor('USER_DELIVER')
    fromServer(t, got, away)
    t.equal(got.ts, ts)
    t.equal(got.to, user.id)
    t.equal(user.read(got), 'hello back')
    t.ok(user.contentVerifies(got, { id: visitor, keyText: keyOf(6).text }))
  })
})
