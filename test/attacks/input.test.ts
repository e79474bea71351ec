/** Attacks by size and nonsense on one server (numbers as in the list of known attacks). */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { userHello } from '../helpers/frame-client-user.ts'
import { newId, openFrameSocket } from '../helpers/frame-client.ts'
import { openBareSocket, webSocketFrame } from '../helpers/stock-bare-socket.ts'
import { startStockHome } from '../helpers/stock-home.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(5)

const { home, alice, bob, keyOf, attach, honest } = await startStockHome(t)

const paddedHello = (bytes: number, user: { id: string; n: number }): string => {
  const hello = userHello({ id: user.id, key: keyOf(user.n), name: 'padded' })
  const filler = ',"filler":""}'
  const room = bytes - Buffer.byteLength(hello) - filler.length + 1
  return `${hello.slice(0, -1)},"filler":"${'x'.repeat(room)}"}`
}

t.test('18: a frame just under the limit is taken, one just over it is refused and its socket closed', async t => {
  const under = await openFrameSocket(home.url)
  const text = paddedHello(65_535, { id: newId(), n: 3 })
  t.equal(Buffer.byteLength(text), 65_535)
  under.send(text)
  t.ok(await under.waitFor('ACK'))
  await under.close()
  for (const bytes of [65_537, 1_000_000, 20_000_000]) {
    const over = await openFrameSocket(home.url)
    over.send(paddedHello(bytes, { id: newId(), n: 3 }))
    await over.closed
    t.notOk(
      over.heard.some(frame => frame.type === 'ACK'),
      `${String(bytes)} bytes`,
    )
  }
  await honest()
})

t.test('18: 64,000 fragments, compressed frames and other forms of one message do no harm', async t => {
  const fragments = await openBareSocket(home)
  t.match(fragments.response, /^HTTP\/1\.1 101/)
  const one = webSocketFrame(0x00, Buffer.from(' '))
  fragments.socket.write(webSocketFrame(0x01, Buffer.from(' ')))
  fragments.socket.write(Buffer.concat(Array.from({ length: 64_000 }, () => one)))
  await fragments.closed
  t.pass('64,000 fragments close the socket')

  const compressed = await openBareSocket(home, 'Sec-WebSocket-Extensions: permessage-deflate\r\n')
  t.notMatch(compressed.response, /permessage-deflate/i, 'compression is not agreed to')
  compressed.socket.write(webSocketFrame(0xc1, randomBytes(100)))
  await compressed.closed
  const unmasked = await openBareSocket(home)
  unmasked.socket.write(Buffer.from([0x81, 0x02, 0x7b, 0x7d]))
  await unmasked.closed
  const invalid = await openBareSocket(home)
  invalid.socket.write(webSocketFrame(0x81, Buffer.from([0xff, 0xfe, 0xc0, 0x80])))
  await invalid.closed
  const binary = await openBareSocket(home)
  binary.socket.write(webSocketFrame(0x82, Buffer.from('{"type":"USER_HELLO"}')))
  await binary.closed
  t.pass('so do compressed, unmasked, invalid UTF-8 and binary frames')
  await honest()
})

t.test('17: JSON that is deep, doubled, poisoned or out of range is refused and nothing happens', async t => {
  const user = await attach(3, 'nonsense')
  const good = user.direct({ id: bob.id, keyText: bob.keyText }, 'never delivered')
  const before = bob.socket.mark()
  const bad = [
    'null',
    '7',
    '"x"',
    '[]',
    '{}',
    '',
    ' ',
    '{',
    '[[',
    '['.repeat(30_000),
    good.replace('"payload":{', `"payload":{"deep":${'['.repeat(3000)}${']'.repeat(3000)},`),
    good.replace('"payload":{', '"payload":{"__proto__":{"polluted":1},"__proto__":2,'),
    good.replace('"payload":{', '"payload":{"ciphertext":"x",'),
    good.replace(/"ts":\d+/, '"ts":1e400'),
    good.replace(/"ts":\d+/, '"ts":-0'),
    good.replace(/"ts":\d+/, '"ts":9007199254740993'),
    good.replace(/"ts":(\d+)/, '"ts":$1.5'),
    good.replace(/"ts":\d+/, '"ts":null'),
    good.replace(`"from":"${user.id}"`, '"from":{"toString":1}'),
    good.replace(`"to":"${bob.id}"`, '"to":["x"]'),
    good.replace('"type":"MSG_DIRECT"', '"type":"__proto__"'),
    good.replace('"type":"MSG_DIRECT"', '"type":"constructor"'),
    good.replace('"type":"MSG_DIRECT"', '"type":"toString"'),
    `${good}x`,
    `${good}${good}`,
    good.slice(0, -1),
  ]
  let sender = user
  for (const text of bad) {
    // a budget of refusals closes the socket now and then
    if (sender.socket.isClosed()) sender = await attach(3, 'nonsense')
    sender.socket.send(text)
    await Promise.race([sender.list(), sender.socket.closed]).catch(() => undefined)
  }
  await honest()
  t.equal(bob.socket.heard.slice(before).filter(frame => frame.type === 'USER_DELIVER').length, 1)
  sender.socket.webSocket.terminate()
})

t.test('22: frames of the other role and known frames in the wrong state are refused and nothing happens', async t => {
  const user = await attach(3, 'confused')
  const before = [alice.socket.mark(), bob.socket.mark()]
  const payloads: Readonly<Record<string, Record<string, unknown>>> = {
    USER_ADVERTISE: { user_id: newId(), server_id: home.id, meta: { pubkey: keyOf(4).text } },
    USER_REMOVE: { user_id: alice.id, server_id: home.id },
    SERVER_DELIVER: { user_id: bob.id, sender: alice.id, ciphertext: 'x', sender_pub: alice.keyText, content_sig: 'x' },
    USER_DELIVER: { sender: alice.id, ciphertext: 'x', sender_pub: alice.keyText, content_sig: 'x' },
    SERVER_ANNOUNCE: { host: '127.0.0.1', port: 1, pubkey: keyOf(4).text },
    SERVER_WELCOME: { assigned_id: user.id, servers: [], clients: [] },
    SERVER_VOUCH: { voucher: {} },
    HEARTBEAT: {},
    PROOF: { nonce: randomBytes(32).toString('base64url'), prover: user.id, verifier: home.id, role: 'user' },
    LIST_RESPONSE: { users: [], more: false },
    PUBLIC_CHANNEL_ADD: { add: [user.id], if_version: 1 },
    FILE_CHUNK: { file_id: newId(), index: 0, ciphertext: 'x' },
    FILE_END: { file_id: newId() },
  }
  for (const [type, payload] of Object.entries(payloads)) user.send(type, '*', payload)
  const hello = await openFrameSocket(home.url)
  hello.send(userHello({ id: user.id, key: keyOf(4), name: 'second hello' }))
  await hello.refusal()
  await hello.close()
  await honest()
  await honest(bob, alice)
  for (const [n, seen] of [alice, bob].entries()) {
    const types = seen.socket.heard.slice(before[n]).map(frame => frame.type)
    t.same(
      types.filter(type => type !== 'USER_DELIVER' && type !== 'USER_ADVERTISE' && type !== 'USER_REMOVE'),
      [],
    )
    t.equal(types.filter(type => type === 'USER_DELIVER').length, 1)
  }
  t.ok((await alice.list()).some(entry => entry.user_id === alice.id))
  user.socket.webSocket.terminate()
})

t.test("21: ids that are not visible ASCII, and names with control or direction marks, do not reach others' screens as such", async t => {
  for (const id of ['', ' ', 'a b', 'x'.repeat(65), 'ü', 'a\u0000b', '\u202eevil']) {
    const socket = await openFrameSocket(home.url)
    socket.send(userHello({ id, key: keyOf(3), name: 'odd' }))
    await socket.refusal()
    t.notOk(
      socket.heard.some(frame => frame.type === 'ACK'),
      JSON.stringify(id),
    )
    await socket.close()
  }
  await honest()
})
