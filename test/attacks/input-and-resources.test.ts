/** Attacks by size, number, silence and nonsense on one server (numbers are those of the list of known attacks). */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import { attachFrameUser, userHello } from '../helpers/frame-client-user.ts'
import type { FrameUser } from '../helpers/frame-client-user.ts'
import { newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const data = rig.place('server')
writeIdentity(data, newId(), keyOf(0))
const home = await rig.serve({ data })
const alice = await attachFrameUser({ url: home.url, key: keyOf(1), name: 'alice' })
const bob = await attachFrameUser({ url: home.url, key: keyOf(2), name: 'bob' })
t.teardown(() => Promise.all([alice, bob].map(user => user.socket.close())))

let barriers = 0
/** An honest message through the server; answers how long it took in milliseconds. */
const honest = async (from = alice, to = bob): Promise<number> => {
  barriers += 1
  const text = `honest ${String(barriers)}`
  const began = performance.now()
  from.socket.send(from.direct({ id: to.id, keyText: to.keyText }, text))
  await to.socket.waitFor(frame => frame.type === 'USER_DELIVER' && to.read(frame) === text, { what: text })
  return performance.now() - began
}

/** A WebSocket connection in bare bytes, for frames that no library would send. */
const bareSocket = async (headers = ''): Promise<{ socket: Socket; response: string; closed: Promise<unknown> }> => {
  const socket = connect(home.port, home.host)
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  const key = randomBytes(16).toString('base64')
  socket.write(`GET / HTTP/1.1\r\nHost: ${home.host}:${String(home.port)}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${headers}\r\n`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.resume()
  return { socket, response: chunk.toString('latin1'), closed }
}
/** One masked WebSocket frame (RFC 6455 §5.2); the mask is zero, so the bytes stay readable. */
const wsFrame = (first: number, bytes: Buffer): Buffer => {
  const length = bytes.length
  const head = length < 126 ? Buffer.from([first, 0x80 | length]) : length < 65536 ? Buffer.from([first, 0xfe, length >> 8, length & 255]) : undefined
  if (head !== undefined) return Buffer.concat([head, Buffer.alloc(4), bytes])
  const long = Buffer.alloc(10)
  long[0] = first
  long[1] = 0xff
  long.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([long, Buffer.alloc(4), bytes])
}

// 23: these wait for the server's own deadline while the other tests run
const began = performance.now()
const idle = (async () => {
  const silent = await openFrameSocket(home.url)
  const partial = await bareSocket()
  partial.socket.write(wsFrame(0x01, Buffer.from('{"type":"USER_HELLO",')))
  const half = connect(home.port, home.host)
  half.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: x\r\n')
  const halfClosed = once(half, 'close')
  half.resume()
  const challenged = await openFrameSocket(home.url)
  challenged.send(userHello({ id: newId(), key: keyOf(3), name: 'never proves', caps: ['proof'] }))
  return [
    ['says nothing', silent.closed],
    ['speaks half a hello', partial.closed],
    ['never ends its request', halfClosed],
    ['never answers the challenge', challenged.closed],
  ] as const
})()
const times = idle.then(list => Promise.all(list.map(async ([name, closed]) => {
  await closed
  return [name, performance.now() - began] as const
})))

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
    t.notOk(over.heard.some(frame => frame.type === 'ACK'), `${String(bytes)} bytes`)
  }
  await honest()
})

t.test('18: 64,000 fragments, compressed frames and other forms of one message do no harm', async t => {
  const fragments = await bareSocket()
  t.match(fragments.response, /^HTTP\/1\.1 101/)
  const one = wsFrame(0x00, Buffer.from(' '))
  fragments.socket.write(wsFrame(0x01, Buffer.from(' ')))
  fragments.socket.write(Buffer.concat(Array.from({ length: 64_000 }, () => one)))
  await fragments.closed
  t.pass('64,000 fragments close the socket')

  const compressed = await bareSocket('Sec-WebSocket-Extensions: permessage-deflate\r\n')
  t.notMatch(compressed.response, /permessage-deflate/i, 'compression is not agreed to')
  compressed.socket.write(wsFrame(0xc1, randomBytes(100)))
  await compressed.closed
  const unmasked = await bareSocket()
  unmasked.socket.write(Buffer.from([0x81, 0x02, 0x7b, 0x7d]))
  await unmasked.closed
  const invalid = await bareSocket()
  invalid.socket.write(wsFrame(0x81, Buffer.from([0xff, 0xfe, 0xc0, 0x80])))
  await invalid.closed
  const binary = await bareSocket()
  binary.socket.write(wsFrame(0x82, Buffer.from('{"type":"USER_HELLO"}')))
  await binary.closed
  t.pass('so do compressed, unmasked, invalid UTF-8 and binary frames')
  await honest()
})

t.test('17: JSON that is deep, doubled, poisoned or out of range is refused and nothing happens', async t => {
  const user = await attachFrameUser({ url: home.url, key: keyOf(3), name: 'nonsense' })
  const good = user.direct({ id: bob.id, keyText: bob.keyText }, 'never delivered')
  const before = bob.socket.mark()
  const bad = [
    'null', '7', '"x"', '[]', '{}', '', ' ', '{', '[[',
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
    `${good}x`, `${good}${good}`, good.slice(0, -1),
  ]
  for (const text of bad) {
    const sender: FrameUser = user.socket.isClosed() ? await attachFrameUser({ url: home.url, key: keyOf(3), name: 'nonsense', id: newId() }) : user
    if (!sender.socket.isClosed()) sender.socket.send(text)
    if (sender !== user) {
      await sender.list().catch(() => undefined)
      await sender.socket.close()
    }
  }
  await honest()
  t.equal(bob.socket.heard.slice(before).filter(frame => frame.type === 'USER_DELIVER').length, 1)
  await user.socket.close()
})

t.test('22: frames of the other role and known frames in the wrong state are refused and nothing happens', async t => {
  const user = await attachFrameUser({ url: home.url, key: keyOf(3), name: 'confused' })
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
  await hello.waitFor('ERROR')
  await hello.close()
  await honest()
  await honest(bob, alice)
  for (const [n, seen] of [alice, bob].entries()) {
    const types = seen.socket.heard.slice(before[n]).map(frame => frame.type)
    t.same(types.filter(type => type !== 'USER_DELIVER' && type !== 'USER_ADVERTISE' && type !== 'USER_REMOVE'), [])
    t.equal(types.filter(type => type === 'USER_DELIVER').length, 1)
  }
  t.ok((await alice.list()).some(entry => entry.user_id === alice.id))
  user.socket.webSocket.terminate()
})

t.test("21: ids that are not visible ASCII, and names with control or direction marks, do not reach others' screens as such", async t => {
  for (const id of ['', ' ', 'a b', 'x'.repeat(65), 'ü', 'a\u0000b', '\u202eevil']) {
    const socket = await openFrameSocket(home.url)
    socket.send(userHello({ id, key: keyOf(3), name: 'odd' }))
    const answer = await Promise.race([socket.waitFor(frame => frame.type === 'ERROR' || frame.type === 'ACK'), socket.closed])
    t.notMatch(answer, { type: 'ACK' }, JSON.stringify(id))
    await socket.close()
  }
  await honest()
})

t.test('24: garbage in the name of a user from other sockets does not silence that user', async t => {
  const strangers = await Promise.all(Array.from({ length: 20 }, () => openFrameSocket(home.url)))
  const text = signedText(keyOf(5), { type: 'MSG_DIRECT', from: alice.id, to: bob.id, payload: { ciphertext: 'x', sender_pub: alice.keyText, content_sig: 'x' } })
  for (const stranger of strangers) for (let n = 0; n < 50; n += 1) stranger.send(text)
  const hellos = await Promise.all(Array.from({ length: 20 }, () => openFrameSocket(home.url)))
  for (const socket of hellos) socket.send(userHello({ id: alice.id, key: keyOf(5), name: 'alice' }))
  await Promise.all([...strangers.map(socket => socket.closed), ...hellos.map(socket => socket.waitFor('ERROR').catch(() => socket.closed))])
  for (const socket of hellos) socket.webSocket.terminate()
  const ms = await honest()
  t.ok(ms < 2000, `an honest message took ${ms.toFixed(0)} ms`)
})

t.test('25: bad signatures at line speed cost their sender the socket, and others notice little', async t => {
  const flooder = await attachFrameUser({ url: home.url, key: keyOf(3), name: 'flooder' })
  const good = flooder.direct({ id: bob.id, keyText: bob.keyText }, 'x')
  const before = bob.socket.heard.filter(frame => frame.type === 'USER_DELIVER').length
  const texts = Array.from({ length: 3000 }, () => good.replace(/"sig":"[\w-]{600}/, `"sig":"${randomBytes(450).toString('base64url')}`))
  for (const text of texts) flooder.socket.send(text)
  const ms = await honest()
  t.ok(ms < 3000, `an honest message took ${ms.toFixed(0)} ms meanwhile`)
  await flooder.socket.closed
  t.equal(bob.socket.heard.filter(frame => frame.type === 'USER_DELIVER').length, before + 1)
})

t.test('26: what strangers send does not make the server grow', async t => {
  const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(home.pid)}/status`, 'utf8'))?.[1]) / 1024
  const flood = async (): Promise<void> => {
    const sockets = await Promise.all(Array.from({ length: 50 }, () => openFrameSocket(home.url)))
    for (const socket of sockets) {
      for (let n = 0; n < 100; n += 1) {
        socket.send({ type: n % 2 === 0 ? `TYPE_${newId()}` : 'CMD_LIST', from: newId(), to: newId(), ts: Date.now() + n, payload: { [newId()]: 'x'.repeat(500) }, sig: 'x' })
      }
    }
    await Promise.all(sockets.map(socket => socket.closed))
  }
  await flood()
  const before = resident()
  for (let n = 0; n < 6; n += 1) await flood()
  await honest()
  const grown = resident() - before
  t.ok(grown < 100, `grew by ${grown.toFixed(1)} MB`)
})

t.test('23: a user who never reads is cut, and does not hold up the sender', async t => {
  const slow = await attachFrameUser({ url: home.url, key: keyOf(6), name: 'never reads' })
  slow.socket.webSocket.pause()
  const writers = await Promise.all([7, 8].map(n => attachFrameUser({ url: home.url, key: keyOf(n), name: `writer ${String(n)}` })))
  const filler = 'x'.repeat(40_000)
  const gone = bob.socket.waitFor(frame => frame.type === 'USER_REMOVE' && frame.payload.user_id === slow.id, { timeoutMs: 45_000 }).then(() => true, () => false)
  for (let n = 0; n < 400; n += 1) {
    for (const writer of writers) {
      const ts = Date.now()
      writer.send('MSG_DIRECT', slow.id, { ciphertext: `${String(n)}${filler}`, sender_pub: writer.keyText, content_sig: 'x' }, ts)
    }
    if (n % 20 === 19) await Promise.race([writers[0]?.list(), writers[0]?.socket.closed])
  }
  const ms = await honest()
  t.ok(ms < 3000, `an honest message took ${ms.toFixed(0)} ms meanwhile`)
  const listed = (await alice.list()).find(entry => entry.user_id === slow.id)
  t.comment(`the one who never reads is ${String(listed?.presence ?? 'gone')}`)
  slow.socket.webSocket.terminate()
  for (const writer of writers) writer.socket.webSocket.terminate()
  void gone
})

t.test('23: sockets that never speak, speak half a hello, or never prove themselves are closed within seconds', async t => {
  for (const [name, ms] of await times) t.ok(ms < 15_000, `one that ${name} was closed after ${ms.toFixed(0)} ms`)
  await honest()
  t.same(home.events.map(event => event.event), ['ready'], 'the server never stopped or degraded')
})
