/** Real sockets: what passes, what is refused, and that every end is told exactly once. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer, Socket as TcpSocket, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { nodeNetwork } from '../../../src/ports/node/network.ts'
import { NetworkError, type Listener, type Socket } from '../../../src/ports/network.ts'
import { recorder, type Recorder } from './recorder.ts'

const MAX_BYTES = 65_536
const dialling = { timeoutMs: 5_000, maxBytes: MAX_BYTES }

interface Accepted {
  readonly socket: Socket
  readonly origin: string | undefined
  readonly seen: Recorder
}

/** A listener on a free port that records each socket it accepts; closed with the test. */
const listening = async (t: Test, options: { maxSockets?: number; handshakeMs?: number } = {}) => {
  const accepted: Accepted[] = []
  const waiting: ((one: Accepted) => void)[] = []
  const network = nodeNetwork(options.handshakeMs === undefined ? {} : { handshakeMs: options.handshakeMs })
  const listener = await network.listen(
    { host: '127.0.0.1', port: 0, maxBytes: MAX_BYTES, maxSockets: options.maxSockets ?? 100 },
    (socket, { origin }) => {
      const one = { socket, origin, seen: recorder() }
      const next = waiting.shift()
      if (next === undefined) accepted.push(one)
      else next(one)
      return one.seen
    },
  )
  t.teardown(() => listener.close())
  const next = async (): Promise<Accepted> => accepted.shift() ?? (await new Promise(resolve => waiting.push(resolve)))
  return { network, listener, next, url: urlOf(listener) }
}

const urlOf = ({ host, port }: Listener): string => `ws://${host}:${String(port)}`

const pair = async (t: Test, options: { maxSockets?: number } = {}) => {
  const { network, url, next, listener } = await listening(t, options)
  const here = recorder()
  const socket = await network.dial(url, dialling, () => here)
  const there = await next()
  return { socket, here, there, network, url, next, listener }
}

/** A client of the ws package itself, for what our own dialler never sends. */
const stranger = async (t: Test, url: string, options: { origin?: string } = {}): Promise<WebSocket> => {
  const ws = new WebSocket(url, { perMessageDeflate: false, ...options })
  t.teardown(() => ws.terminate())
  await once(ws, 'open')
  return ws
}

t.test('texts pass both ways, whole and in order', async t => {
  const { socket, here, there } = await pair(t)
  const texts = ['', 'a', 'ü€😀', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(MAX_BYTES)]
  socket.send(texts)
  socket.send(['last'])
  await there.seen.received(texts.length + 1)
  t.same(there.seen.messages, [...texts, 'last'])
  there.socket.send(texts)
  await here.received(texts.length)
  t.same(here.messages, texts)
  t.equal(there.socket.remote.host, '127.0.0.1')
})

t.test('the messages of one call leave in one write', async t => {
  const { socket, there } = await pair(t)
  let writes = 0
  const original = TcpSocket.prototype.write
  t.teardown(() => (TcpSocket.prototype.write = original))
  TcpSocket.prototype.write = function (this: TcpSocket, ...args: unknown[]) {
    writes += 1
    return Reflect.apply(original, this, args) as boolean
  }
  socket.send(Array.from({ length: 200 }, (_, index) => `message ${String(index)}`))
  t.equal(writes, 1)
  await there.seen.received(200)
  t.equal(there.seen.messages[199], 'message 199')
})

t.test('a message may come with the end of the handshake', async t => {
  const network = nodeNetwork()
  const listener = await network.listen({ host: '127.0.0.1', port: 0, maxBytes: MAX_BYTES, maxSockets: 1 }, socket => {
    socket.send(['at once'])
    return recorder()
  })
  t.teardown(() => listener.close())
  const here = recorder()
  await network.dial(urlOf(listener), dialling, () => here)
  await here.received(1)
  t.same(here.messages, ['at once'])
})

t.test('a message of exactly the limit passes, one byte more is too large', async t => {
  const { socket, there } = await pair(t)
  socket.send(['m'.repeat(MAX_BYTES)])
  await there.seen.received(1)
  socket.send(['m'.repeat(MAX_BYTES + 1)])
  await there.seen.ended()
  t.equal(there.seen.messages.length, 1)
  t.same(there.seen.malformedBy, ['too_large'])
  t.equal(there.seen.closedWith.length, 1)
})

t.test('64,000 fragments of one message are cut long before the last', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  const { seen } = await next()
  ws.on('error', () => undefined)
  for (let index = 0; index < 64_000 && ws.readyState === WebSocket.OPEN; index++) ws.send('f', { fin: index === 63_999 })
  const [code] = (await once(ws, 'close')) as [number]
  await seen.ended()
  t.ok([1006, 1008].includes(code), 'the sender is told why, or finds the connection reset')
  t.same(seen.messages, [])
  t.same(seen.malformedBy, ['too_large'])
})

t.test('empty fragments count too', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  ws.on('error', () => undefined)
  const { seen } = await next()
  for (let index = 0; index < 1_000; index++) ws.send('', { fin: false })
  await seen.ended()
  t.same(seen.malformedBy, ['too_large'])
})

t.test('a message that arrives in many small segments passes', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  const { seen } = await next()
  for (let index = 0; index < 64; index++) ws.send('s'.repeat(1_024), { fin: index === 63 })
  await seen.received(1)
  t.equal(seen.messages[0]?.length, 65_536)
})

t.test('binary is refused with 1003, and what follows it is not read', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  const { seen } = await next()
  ws.send(Buffer.from('{}'))
  ws.send('after')
  const [code] = (await once(ws, 'close')) as [number]
  await seen.ended()
  t.equal(code, 1003)
  t.same(seen.malformedBy, ['binary'])
  t.same(seen.messages, [])
})

t.test('a text that is not UTF-8 is invalid', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  ws.on('error', () => undefined)
  const { seen } = await next()
  ws.send(Buffer.from([0xff, 0xfe]), { binary: false })
  const [code] = (await once(ws, 'close')) as [number]
  await seen.ended()
  t.equal(code, 1007)
  t.same(seen.malformedBy, ['invalid'])
})

t.test('a frame that breaks the protocol is invalid', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  ws.on('error', () => undefined)
  const { seen } = await next()
  // RSV1 without a negotiated compression
  ;(ws as unknown as { _socket: TcpSocket })._socket.write(Buffer.from([0xc1, 0x80, 0, 0, 0, 0]))
  await seen.ended()
  t.same(seen.malformedBy, ['invalid'])
})

t.test('compression is not agreed to', async t => {
  const { url } = await listening(t)
  const ws = new WebSocket(url, { perMessageDeflate: true })
  await once(ws, 'open')
  t.equal(ws.extensions, '')
  ws.terminate()
})

t.test('a close is told to both ends once, with code and reason', async t => {
  const { socket, here, there } = await pair(t)
  socket.send(['before the goodbye'])
  socket.close(1000, 'done')
  socket.close(1000, 'twice')
  socket.send(['after the goodbye'])
  await Promise.all([here.ended(), there.seen.ended()])
  t.same(there.seen.messages, ['before the goodbye'])
  t.same(there.seen.closedWith, [{ code: 1000, reason: 'done' }])
  t.equal(here.closedWith.length, 1)
})

t.test('a reason that is too long is shortened at a character', async t => {
  const { socket, there } = await pair(t)
  socket.close(1000, 'ü'.repeat(100))
  await there.seen.ended()
  t.equal(there.seen.closedWith[0]?.reason, 'ü'.repeat(61))
})

t.test('an abrupt end is told as 1006 at the other side', async t => {
  const { socket, here, there } = await pair(t)
  socket.terminate()
  socket.send(['nothing happens'])
  socket.close(1000, '')
  await Promise.all([here.ended(), there.seen.ended()])
  t.same(there.seen.closedWith, [{ code: 1006, reason: '' }])
  t.equal(here.closedWith.length, 1)
})

t.test('who does not answer a goodbye is cut after 2 s', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  ws.pause()
  const { socket, seen } = await next()
  const begin = performance.now()
  socket.close(1000, 'bye')
  await seen.ended()
  const took = performance.now() - begin
  t.ok(took > 1_800 && took < 4_000, `took ${took.toFixed(0)} ms`)
})

t.test('a paused socket can be said goodbye to at once', async t => {
  const { socket, there } = await pair(t)
  there.socket.pause()
  const begin = performance.now()
  there.socket.close(1000, 'bye')
  await there.seen.ended()
  t.ok(performance.now() - begin < 1_500)
  socket.terminate()
})

t.test('a paused socket is not read, and goes on where it stopped', async t => {
  const { socket, there } = await pair(t)
  there.socket.pause()
  const part = 'p'.repeat(60_000)
  // more than the buffers of both systems hold
  for (let index = 0; index < 500; index++) socket.send([part])
  await new Promise(resolve => setImmediate(resolve))
  t.ok(socket.buffered > 1_000_000, `${String(socket.buffered)} bytes wait here`)
  t.ok(there.seen.messages.length < 100)
  there.socket.resume()
  await there.seen.received(500)
  t.equal(there.seen.messages.length, 500)
  t.equal(socket.buffered, 0)
})

t.test('pings are answered without the handler', async t => {
  const { url, next } = await listening(t)
  const ws = await stranger(t, url)
  const { seen } = await next()
  ws.ping('are you there')
  const [data] = (await once(ws, 'pong')) as [Buffer]
  t.equal(data.toString(), 'are you there')
  t.same(seen.messages, [])
})

t.test('the page that opened a socket is told to accept', async t => {
  const { url, next } = await listening(t)
  await stranger(t, url, { origin: 'https://elsewhere.example' })
  t.equal((await next()).origin, 'https://elsewhere.example')
  await stranger(t, url)
  t.equal((await next()).origin, undefined)
})

t.test('a socket that accept refuses is closed with 1008', async t => {
  const network = nodeNetwork()
  const listener = await network.listen({ host: '127.0.0.1', port: 0, maxBytes: MAX_BYTES, maxSockets: 5 }, () => undefined)
  t.teardown(() => listener.close())
  const here = recorder()
  await network.dial(urlOf(listener), dialling, () => here)
  await here.ended()
  t.equal(here.closedWith[0]?.code, 1008)
})

t.test('beyond maxSockets the handshake is answered 503, and a freed place is given again', async t => {
  const { network, url, socket, there } = await pair(t, { maxSockets: 1 })
  await t.rejects(
    network.dial(url, dialling, () => recorder()),
    { name: 'NetworkError', message: /503/ },
  )
  socket.close(1000, '')
  await there.seen.ended()
  const again = await network.dial(url, dialling, () => recorder())
  t.equal(again.buffered, 0)
  again.terminate()
})

t.test('a plain HTTP request is answered 426', async t => {
  const { listener } = await listening(t)
  const asked = request({ host: listener.host, port: listener.port, path: '/' })
  asked.end()
  const [response] = (await once(asked, 'response')) as [{ statusCode: number; resume(): void }]
  response.resume()
  t.equal(response.statusCode, 426)
})

t.test('who connects and says nothing, or half a handshake, is cut', async t => {
  const { listener } = await listening(t, { handshakeMs: 300 })
  for (const words of ['', 'GET / HTTP/1.1\r\nHost: x\r\nUpg']) {
    const tcp = connect(listener.port, listener.host)
    tcp.on('error', () => undefined)
    tcp.resume()
    await once(tcp, 'connect')
    tcp.write(words)
    await once(tcp, 'close')
    t.pass(`cut after ${JSON.stringify(words)}`)
  }
})

t.test('listening on a busy port is a NetworkError EADDRINUSE with a sentence', async t => {
  const { network, listener } = await listening(t)
  await t.rejects(
    network.listen({ host: '127.0.0.1', port: listener.port, maxBytes: 1, maxSockets: 1 }, () => undefined),
    { name: 'NetworkError', code: 'EADDRINUSE', message: /another program listens there\.$/ },
  )
})

t.test('dialling where nothing listens is a NetworkError ECONNREFUSED', async t => {
  const free = createServer()
  free.listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  await t.rejects(
    nodeNetwork().dial(`ws://127.0.0.1:${String(port)}`, dialling, () => recorder()),
    { name: 'NetworkError', code: 'ECONNREFUSED' },
  )
})

t.test('a server that never ends its handshake is given up in time', async t => {
  const dumb = createServer(tcp => {
    // one byte now and then would outlive a timeout for silence
    const drip = setInterval(() => tcp.write('H'), 20)
    tcp.on('close', () => clearInterval(drip))
    tcp.on('error', () => undefined)
    tcp.resume()
  })
  dumb.listen(0, '127.0.0.1')
  await once(dumb, 'listening')
  t.teardown(() => dumb.close())
  const { port } = dumb.address() as AddressInfo
  await t.rejects(
    nodeNetwork().dial(`ws://127.0.0.1:${String(port)}`, { timeoutMs: 200, maxBytes: 1 }, () => recorder()),
    { name: 'NetworkError' },
  )
})

t.test('a server that accepts and is silent is ETIMEDOUT', async t => {
  const dumb = createServer(tcp => {
    tcp.on('error', () => undefined)
    tcp.resume()
  })
  dumb.listen(0, '127.0.0.1')
  await once(dumb, 'listening')
  t.teardown(() => dumb.close())
  const { port } = dumb.address() as AddressInfo
  await t.rejects(
    nodeNetwork().dial(`ws://127.0.0.1:${String(port)}`, { timeoutMs: 200, maxBytes: 1 }, () => recorder()),
    { name: 'NetworkError', code: 'ETIMEDOUT' },
  )
})

t.test('what is not a ws address is refused before anything is dialled', async t => {
  for (const url of ['http://127.0.0.1:1', 'ws+unix:/tmp/x', 'nonsense', 'ws://user:word@127.0.0.1:1', 'ws://'])
    await t.rejects(
      nodeNetwork().dial(url, dialling, () => recorder()),
      { name: 'NetworkError', code: 'EINVAL' },
      url,
    )
})

t.test('a handler that throws while it is made rejects the dial', async t => {
  const { network, url, next } = await listening(t)
  await t.rejects(
    network.dial(url, dialling, () => {
      throw new TypeError('a bug')
    }),
    { name: 'TypeError' },
  )
  const { seen } = await next()
  await seen.ended()
  t.equal(seen.closedWith[0]?.code, 1006)
})

t.test('closing a listener says goodbye to all that is open and frees the port', async t => {
  const { network, listener, here } = await pair(t)
  await Promise.all([listener.close(), listener.close()])
  await here.ended()
  t.equal(here.closedWith[0]?.code, 1001)
  const again = await network.listen({ host: '127.0.0.1', port: listener.port, maxBytes: 1, maxSockets: 1 }, () => undefined)
  t.equal(again.port, listener.port)
  await again.close()
})

t.test('a network error is an error with a code', t => {
  t.equal(new NetworkError('EPROTO', 'text').code, 'EPROTO')
  t.end()
})

t.test('a name is dialled only if everything that it resolves to may be reached', async t => {
  const { network, listener } = await listening(t)
  const url = `ws://localhost:${String(listener.port)}`
  const asked: string[] = []
  const mayReach = (answer: boolean) => (address: string) => {
    asked.push(address)
    return answer
  }
  await t.rejects(network.dial(url, { ...dialling, mayReach: mayReach(false) }, recorder), { name: 'NetworkError', code: 'EADDRCLASS' })
  t.ok(asked.includes('127.0.0.1') || asked.includes('::1'), asked.join(' '))
  const socket = await network.dial(url, { ...dialling, mayReach: mayReach(true) }, recorder)
  socket.terminate()
})
