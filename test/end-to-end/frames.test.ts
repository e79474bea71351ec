/** What a running server really sends, frame by frame, checked by an independent peer written from docs/protocol.md alone. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { attachFrameUser, userHello } from '../helpers/frame-client-user.ts'
import { isWellSigned, newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { canonical, directContent, messageRef, seal, signText, stockKey, verifyText } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const startServer = (n: number, bootstrap?: Parameters<typeof rig.serve>[0]) => {
  const data = rig.place('server')
  writeIdentity(data, newId(), keyOf(n))
  return rig.serve({ data, ...bootstrap })
}
const home = await startServer(0)
const away = await startServer(1, { bootstrap: [home] })
await home.waitFor('linked', event => event.server_id === away.id)

const hasEnvelope = (t: Test, frame: Heard): void => {
  t.same(Object.keys(JSON.parse(frame.text) as object).sort(), ['from', 'payload', 'sig', 'to', 'ts', 'type'].filter(key => key !== 'sig' || frame.sig !== undefined))
  t.ok(Number.isSafeInteger(frame.ts) && Math.abs(frame.ts - Date.now()) < 600_000, `ts of ${frame.type}`)
}
const fromServer = (t: Test, frame: Heard, server = home): void => {
  hasEnvelope(t, frame)
  t.equal(frame.from, server.id, `from of ${frame.type}`)
  t.ok(isWellSigned(server.pubkey, frame), `${frame.type} is signed by ${server === home ? 'home' : 'away'} over canonical JSON`)
}
t.test('a stock server that asks to join is welcomed with a signed list, and is dialled back', async t => {
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

t.test('a joiner with a nonce gets it back, is named, and gets a voucher that verifies', async t => {
  const modern = await startStockServer({ key: keyOf(3), caps: ['proof', 'vouch'] })
  t.teardown(() => modern.close())
  const nonce = randomBytes(32).toString('base64url')
  const { welcome } = await modern.join(home.url, { payload: { nonce } })
  fromServer(t, welcome)
  t.match(welcome.payload, { nonce, for: modern.id, assigned_id: modern.id })
  const voucher = welcome.payload.voucher as Record<string, unknown>
  t.match(voucher, { by: home.id, server_id: modern.id, host: modern.host, port: modern.port, pubkey: modern.keyText })
  const statement = { by: home.id, host: modern.host, port: modern.port, pubkey: modern.keyText, server_id: modern.id, statement: 'socp-voucher' }
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

t.test('a user with proof is challenged, proved to, and acknowledged', async t => {
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
const listener = await startStockServer({ key: keyOf(2) })
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

t.test("a stock server's advertisement reaches users and servers with its payload and signature untouched", async t => {
  const visitor = newId()
  const watcher = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'watcher' })
  t.teardown(() => watcher.socket.close())
  // key order, spacing and an unknown field that a rebuilding relay would lose
  const payloadText = `{"user_id":"${visitor}", "server_id":"${listener.id}","meta":{"pubkey":"${keyOf(6).text}","display_name":"v\u00efsitor","zeal":1.0}}`
  const frame = `{"type":"USER_ADVERTISE","from":"${listener.id}","to":"*","ts":${String(Date.now())},"payload":${payloadText},"sig":"${signText(listener.key, payloadText)}"}`
  joined.socket.send(frame)
  const heard = await watcher.socket.waitFor(heard => heard.type === 'USER_ADVERTISE' && heard.payload.user_id === visitor)
  t.equal(heard.from, listener.id)
  t.equal(heard.payloadText, payloadText)
  t.ok(verifyText(listener.keyText, heard.payloadText, heard.sig))

  t.test('and messages for that user come to it as SERVER_DELIVER over a link that we dialled', async t => {
    const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'writer', caps: ['ack'] })
    t.teardown(() => user.socket.close())
    const text = user.direct({ id: visitor, keyText: keyOf(6).text }, 'hello over there')
    const sent = JSON.parse(text) as Heard
    user.socket.send(text)
    const delivered = await listener.waitFor(frame => frame.type === 'SERVER_DELIVER' && frame.payload.user_id === visitor)
    fromServer(t, delivered)
    t.equal(delivered.to, listener.id)
    t.equal(delivered.ts, sent.ts, "the sender's ts is kept")
    t.match(delivered.payload, { user_id: visitor, sender: user.id, ciphertext: sent.payload.ciphertext, sender_pub: user.keyText, content_sig: sent.payload.content_sig })
    t.notOk('inner_type' in delivered.payload, 'a direct message is plain v1.3')
    const signed = directContent(String(delivered.payload.ciphertext), user.id, visitor, delivered.ts)
    t.ok(verifyText(user.keyText, signed, delivered.payload.content_sig), 'the content signature still verifies')
    t.ok(listener.accepted.some(socket => socket.heard.some(frame => frame.text === delivered.text)), 'it came over a dialled link')
    const ack = await user.socket.waitFor(frame => frame.type === 'ACK' && frame.payload.msg_ref !== 'USER_HELLO')
    t.equal(ack.payload.msg_ref, messageRef(user.id, visitor, sent.ts, String(sent.payload.ciphertext)))
  })

  t.test('and their answer comes back as USER_DELIVER', async t => {
    const user = await attachFrameUser({ url: away.url, key: keyOf(4), name: 'reader' })
    t.teardown(() => user.socket.close())
    await listener.waitFor(frame => frame.type === 'USER_ADVERTISE' && frame.payload.user_id === user.id)
    const ts = Date.now()
    const ciphertext = seal(user.keyText, 'hello back')
    const content = signText(keyOf(6), directContent(ciphertext, visitor, user.id, ts))
    const payload = { user_id: user.id, ciphertext, sender: visitor, sender_pub: keyOf(6).text, content_sig: content }
    const link = await listener.link(away.url)
    link.send(listener.signed('SERVER_DELIVER', away.id, payload, ts))
    const got = await user.socket.waitFor('USER_DELIVER')
    fromServer(t, got, away)
    t.equal(got.ts, ts)
    t.equal(got.to, user.id)
    t.equal(user.read(got), 'hello back')
    t.ok(user.contentVerifies(got, { id: visitor, keyText: keyOf(6).text }))
  })
})

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
    t.same(chunks.map(frame => frame.payload.index), [0, 1, 2], 'blocks of 446 bytes for a user without the blocks capability')
    t.equal(chunks.map(frame => stock.read(frame)).join(''), 'x'.repeat(1000))
    for (const frame of [start, ...chunks, end]) fromServer(t, frame)
  })
})

t.test('a list is asked for in the standard way and in those of other clients, each answered in its own form', async t => {
  const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'lister' })
  t.teardown(() => user.socket.close())
  const listed = await user.list()
  t.match(listed.find(entry => entry.user_id === user.id), { display_name: 'lister', server_id: home.id, presence: 'online' })
  for (const type of ['CMD_LIST', 'USER_LIST_REQ', 'CTRL_LIST', 'GET_ONLINE_USERS']) {
    const since = user.socket.mark()
    user.send(type, home.id, {})
    const answer = await user.socket.waitFor(frame => frame.text.includes(user.id) && frame.text.includes('users'), { since, what: `an answer to ${type}` })
    t.not(answer.type, 'ERROR', `${type} is answered by ${answer.type}`)
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

t.test('what an attached user gets wrong is answered once with its code', async t => {
  // messages of users with receipts are exempt from the window of time, so these tests want a stock user
  const attach = (name: string) => attachFrameUser({ url: home.url, key: keyOf(4), name, ...(name.startsWith('a ts') ? {} : { caps: ['ack'] }) })
  const other = await attachFrameUser({ url: home.url, key: keyOf(5), name: 'target' })
  t.teardown(() => other.socket.close())
  const target = { id: other.id, keyText: other.keyText }
  type Wrong = (user: Awaited<ReturnType<typeof attach>>) => string
  const withSig = (text: string, sig: string | undefined): string => JSON.stringify({ ...(JSON.parse(text) as object), sig })
  const wrongs: readonly (readonly [string, RegExp, Wrong])[] = [
    ['not JSON', /^UNKNOWN_TYPE$/, () => 'this is not JSON'],
    ['an array', /^UNKNOWN_TYPE$/, () => '[]'],
    ['no payload', /^UNKNOWN_TYPE$/, user => JSON.stringify({ type: 'LIST_REQUEST', from: user.id, to: home.id, ts: Date.now() })],
    ['a payload of the wrong shape', /^UNKNOWN_TYPE$/, user => signedText(user.key, { type: 'MSG_DIRECT', from: user.id, to: other.id, payload: { ciphertext: 7 } })],
    ['ts as a string', /^UNKNOWN_TYPE$/, user => user.direct(target, 'x').replace(/"ts":(\d+)/, '"ts":"$1"')],
    ['a duplicate key', /^UNKNOWN_TYPE$/, user => user.direct(target, 'x').replace('{"type"', '{"ts":1,"type"')],
    ['an unknown type', /^UNKNOWN_TYPE$/, user => signedText(user.key, { type: 'MAKE_COFFEE', from: user.id, to: home.id, payload: {} })],
    ['a frame of the servers', /^UNKNOWN_TYPE$/, user => signedText(user.key, { type: 'HEARTBEAT', from: user.id, to: home.id, payload: {} })],
    ['unsigned', /^INVALID_SIG$/, user => withSig(user.direct(target, 'x'), undefined)],
    ['an empty signature', /^INVALID_SIG$/, user => withSig(user.direct(target, 'x'), '')],
    ['signed by another key', /^INVALID_SIG$/, user => withSig(user.direct(target, 'x'), signText(keyOf(9), 'x'))],
    ['somebody else in from', /^(INVALID_SIG|NAME_IN_USE|UNKNOWN_TYPE)$/, user => user.direct(target, 'x').replace(`"from":"${user.id}"`, `"from":"${other.id}"`)],
    ['an unknown recipient', /^USER_NOT_FOUND$/, user => user.direct({ id: newId(), keyText: other.keyText }, 'x')],
    ['a ts of an hour ago', /^TIMEOUT$/, user => user.direct(target, 'x', { ts: Date.now() - 3_600_000 })],
    ['a ts of an hour ahead', /^TIMEOUT$/, user => user.direct(target, 'x', { ts: Date.now() + 3_600_000 })],
  ]
  for (const [name, code, make] of wrongs) {
    const user = await attach(name)
    const since = user.socket.mark()
    const text = make(user)
    user.socket.send(text)
    const refused = await user.socket.waitFor(frame => frame.type === 'ERROR', { since, what: `a refusal of ${name}` })
    fromServer(t, refused)
    t.match(refused.payload.code, code, name)
    t.type(refused.payload.detail, 'string')
    if (name === 'an unknown recipient') {
      const sent = JSON.parse(text) as Heard
      t.equal(refused.payload.msg_ref, messageRef(user.id, sent.to, sent.ts, String(sent.payload.ciphertext)))
    }
    // it goes on: the list comes after exactly one refusal
    await user.list()
    t.equal(user.socket.heard.slice(since).filter(frame => frame.type === 'ERROR').length, 1, `${name} is answered once`)
    await user.socket.close()
  }
  const since = other.socket.mark()
  await other.list()
  t.notOk(other.socket.heard.slice(0, since).some(frame => frame.type === 'USER_DELIVER'), 'nothing of it was delivered')
})

t.test('ERROR, ACK and CTRL_CLOSE are never answered with an ERROR', async t => {
  const user = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'polite', caps: ['ack'] })
  const since = user.socket.mark()
  for (const payload of [{ code: 'UNKNOWN_TYPE', detail: 'x' }, { code: 7 }, {}]) {
    user.send('ERROR', home.id, payload)
    user.socket.send({ type: 'ERROR', from: user.id, to: home.id, ts: Date.now(), payload })
  }
  for (const payload of [{ msg_ref: 'x' }, {}]) {
    user.send('ACK', home.id, payload)
    user.socket.send({ type: 'ACK', from: user.id, to: home.id, ts: Date.now(), payload })
  }
  await user.list()
  t.notOk(user.socket.heard.slice(since).some(frame => frame.type === 'ERROR'))
  const before = user.socket.mark()
  user.socket.send('{"type":"CTRL_CLOSE"}')
  await user.socket.closed
  t.notOk(user.socket.heard.slice(before).some(frame => frame.type === 'ERROR'))
})

t.test('hellos that are wrong are refused with their code, and the honest owner stays', async t => {
  const id = newId()
  const honest = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'honest', id, caps: ['proof'] })
  const far = await attachFrameUser({ url: away.url, key: keyOf(5), name: 'far' })
  t.teardown(() => Promise.all([honest.socket.close(), far.socket.close()]))
  await far.socket.waitFor(frame => frame.type === 'USER_ADVERTISE' && frame.payload.user_id === id).catch(async () => far.list())
  const small = (bits: number): string => {
    // an SPKI of another size: only its length matters here
    const der = Buffer.from(keyOf(6).text, 'base64url')
    return der.subarray(0, der.length - (4096 - bits) / 8).toString('base64url')
  }
  const hello = (payload: object, from = newId(), key = keyOf(9)): string =>
    signedText(key, { type: 'USER_HELLO', from, to: '*', payload: { client: 'x', meta: {}, ...payload } })
  const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'der' }).toString('base64url')
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }).toString('base64url')
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['RSA-2048', home.url, hello({ pubkey: rsa2048, enc_pubkey: rsa2048 }), /BAD_KEY/],
    ['RSA-2048 for encryption only', home.url, hello({ pubkey: keyOf(9).text, enc_pubkey: rsa2048 }), /BAD_KEY/],
    ['an elliptic curve', home.url, hello({ pubkey: elliptic, enc_pubkey: elliptic }), /BAD_KEY/],
    ['not a key', home.url, hello({ pubkey: 'not-a-key', enc_pubkey: 'not-a-key' }), /BAD_KEY|UNKNOWN_TYPE/],
    ['a truncated key', home.url, hello({ pubkey: small(4000) }), /BAD_KEY/],
    ["another's id with the own key", home.url, userHello({ id, key: keyOf(9), name: 'thief' }), /NAME_IN_USE|BAD_KEY/],
    ["another's id on another server", away.url, userHello({ id, key: keyOf(9), name: 'thief' }), /NAME_IN_USE|BAD_KEY/],
    ["another's id and key without proof", home.url, userHello({ id, key: keyOf(4), name: 'honest' }), /NAME_IN_USE/],
    ['a hello signed by another key', home.url, hello({ pubkey: keyOf(8).text, enc_pubkey: keyOf(8).text }), /INVALID_SIG/],
  ]
  for (const [name, url, text, code] of cases) {
    const socket = await openFrameSocket(url)
    socket.send(text)
    const answer = await socket.waitFor(frame => frame.type === 'ERROR' || frame.type === 'ACK', { what: `a refusal of ${name}` })
    t.equal(answer.type, 'ERROR', name)
    t.match(answer.payload.code, code, name)
    await socket.close()
  }
  t.ok((await honest.list()).some(entry => entry.user_id === id && entry.display_name === 'honest'))
  t.ok((await far.list()).some(entry => entry.user_id === id && entry.server_id === home.id))
})

t.test('a frame before a hello is refused and the socket closed', async t => {
  for (const type of ['MSG_DIRECT', 'SERVER_DELIVER', 'USER_ADVERTISE', 'HEARTBEAT', 'LIST_REQUEST']) {
    const socket = await openFrameSocket(home.url)
    socket.send(signedText(keyOf(9), { type, from: newId(), to: home.id, payload: {} }))
    const { code } = await socket.closed
    t.type(code, 'number', `${type} first`)
    t.notOk(socket.heard.some(frame => frame.type !== 'ERROR'))
  }
})

t.test('refusals beyond the budget close the socket, and nobody else notices', async t => {
  const noisy = await attachFrameUser({ url: home.url, key: keyOf(4), name: 'noisy' })
  const quiet = await attachFrameUser({ url: home.url, key: keyOf(5), name: 'quiet' })
  t.teardown(() => quiet.socket.close())
  for (let n = 0; n < 5000 && !noisy.socket.isClosed(); n += 1) noisy.socket.send('garbage')
  await noisy.socket.closed
  const errors = noisy.socket.heard.filter(frame => frame.type === 'ERROR').length
  t.ok(errors > 0 && errors < 1000, `${String(errors)} answers before the close`)
  t.ok((await quiet.list()).length > 0)
})
