/** Which code answers what is wrong, how often, and that nothing else comes of it (docs/protocol.md). */
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { attachFrameUser, userHello } from '../helpers/frame-client-user.ts'
import { newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { messageRef, signText } from '../helpers/stock-crypto.ts'
import { startStockPair } from '../helpers/stock-pair.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(5)

const { home, away, keyOf, fromServer } = await startStockPair(t)

t.test('what an attached user gets wrong is answered once with its code', async t => {
  // messages of users with receipts are exempt from the window of time, so these tests want a stock user
  const attach = (name: string) =>
    attachFrameUser({ url: home.url, key: keyOf(4), name, ...(name.startsWith('a ts') ? {} : { caps: ['ack'] }) })
  const other = await attachFrameUser({ url: home.url, key: keyOf(5), name: 'target' })
  t.teardown(() => other.socket.close())
  const target = { id: other.id, keyText: other.keyText }
  type Wrong = (user: Awaited<ReturnType<typeof attach>>) => string
  const withSig = (text: string, sig: string | undefined): string => JSON.stringify({ ...(JSON.parse(text) as object), sig })
  const wrongs: readonly (readonly [string, RegExp, Wrong])[] = [
    ['not JSON', /^UNKNOWN_TYPE$/, () => 'this is not JSON'],
    ['an array', /^UNKNOWN_TYPE$/, () => '[]'],
    ['no payload', /^UNKNOWN_TYPE$/, user => JSON.stringify({ type: 'LIST_REQUEST', from: user.id, to: home.id, ts: Date.now() })],
    [
      'a payload of the wrong shape',
      /^UNKNOWN_TYPE$/,
      user => signedText(user.key, { type: 'MSG_DIRECT', from: user.id, to: other.id, payload: { ciphertext: 7 } }),
    ],
    ['ts as a string', /^UNKNOWN_TYPE$/, user => user.direct(target, 'x').replace(/"ts":(\d+)/, '"ts":"$1"')],
    ['a duplicate key', /^UNKNOWN_TYPE$/, user => user.direct(target, 'x').replace('{"type"', '{"ts":1,"type"')],
    ['an unknown type', /^UNKNOWN_TYPE$/, user => signedText(user.key, { type: 'MAKE_COFFEE', from: user.id, to: home.id, payload: {} })],
    [
      'a frame of the servers',
      /^UNKNOWN_TYPE$/,
      user => signedText(user.key, { type: 'HEARTBEAT', from: user.id, to: home.id, payload: {} }),
    ],
    ['unsigned', /^INVALID_SIG$/, user => withSig(user.direct(target, 'x'), undefined)],
    ['an empty signature', /^INVALID_SIG$/, user => withSig(user.direct(target, 'x'), '')],
    ['signed by another key', /^INVALID_SIG$/, user => withSig(user.direct(target, 'x'), signText(keyOf(9), 'x'))],
    [
      'somebody else in from',
      /^(INVALID_SIG|NAME_IN_USE|UNKNOWN_TYPE)$/,
      user => user.direct(target, 'x').replace(`"from":"${user.id}"`, `"from":"${other.id}"`),
    ],
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
  t.notOk(
    other.socket.heard.slice(0, since).some(frame => frame.type === 'USER_DELIVER'),
    'nothing of it was delivered',
  )
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
  const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 })
    .publicKey.export({ type: 'spki', format: 'der' })
    .toString('base64url')
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .publicKey.export({ type: 'spki', format: 'der' })
    .toString('base64url')
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
  for (let n = 0; n < 5000 && !noisy.socket.isClosed(); n += 1) {
    noisy.socket.send('garbage')
    // in turns, or a bounded mailbox fills before the budget of refusals is spent
    if (n % 10 === 9) await Promise.race([quiet.list(), noisy.socket.closed])
  }
  await noisy.socket.closed
  const errors = noisy.socket.heard.filter(frame => frame.type === 'ERROR').length
  t.ok(errors > 0 && errors < 1000, `${String(errors)} answers before the close`)
  t.ok((await quiet.list()).length > 0)
})
