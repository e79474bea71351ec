/** The fault proxy does to connections what it is told to, and nothing else. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { startFaultProxy } from './proxy.ts'

/** Resolves when a socket is closed, also by a reset. */
const closed = (socket: Socket): Promise<void> =>
  new Promise(resolve => {
    socket.once('close', () => {
      resolve()
    })
  })

/** A server `s` that echoes, behind the proxy, and a dialler `c`. */
const start = async (t: Test) => {
  const accepted: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    accepted.push(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await startFaultProxy(['s'], ['s', 'c'], () => 0)
  t.teardown(async () => {
    for (const socket of accepted) socket.destroy()
    server.close()
    await proxy.close()
  })
  proxy.lead('s', (server.address() as AddressInfo).port)
  const dial = (host = proxy.hostFor('c')): Socket => {
    const socket = connect({ host, port: proxy.port('s') })
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.setEncoding('utf8')
    return socket
  }
  const echo = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text)
    const [answer] = (await once(socket, 'data')) as [string]
    return answer
  }
  return { proxy, dial, echo, accepted }
}

t.test('what is sent comes back as it was, and so does a close', async t => {
  const { dial, echo, proxy, accepted } = await start(t)
  const socket = dial()
  t.equal(await echo(socket, 'hello'), 'hello')
  t.same(
    [...proxy.connections].map(({ dialler, server }) => `${dialler} ${server}`),
    ['c s'],
  )
  t.equal(accepted[0]?.remoteAddress, proxy.hostFor('c'))
  socket.end()
  await closed(socket)
  t.equal(proxy.connections.size, 0)
})

t.test('whoever it does not know is not let through', async t => {
  const { dial, accepted } = await start(t)
  await closed(dial('127.0.9.9'))
  t.equal(accepted.length, 0)
})

t.test('where nothing listens the dialler is cut', async t => {
  const { dial, proxy } = await start(t)
  proxy.lead('s', undefined)
  await closed(dial())
  proxy.lead('s', 1)
  await closed(dial())
  t.pass('both are told')
})

t.test('what a way delays comes later and in order', async t => {
  const { dial, echo, proxy } = await start(t)
  const socket = dial()
  await once(socket, 'connect')
  const way = proxy.way('c', 's')
  way.delayMs = 80
  const from = performance.now()
  socket.write('a')
  t.equal(await echo(dial(proxy.hostFor('s')), 'a is on its way'), 'a is on its way')
  way.delayMs = 0
  socket.write('b')
  let text = ''
  socket.on('data', (piece: string) => (text += piece))
  while (text.length < 2) await once(socket, 'data')
  t.equal(text, 'ab')
  t.ok(performance.now() - from >= 75)
})

t.test('a throttled way takes as long as its bytes need', async t => {
  const { dial, echo, proxy } = await start(t)
  const socket = dial()
  proxy.way('s', 'c').bytesPerSecond = 100
  const from = performance.now()
  t.equal(await echo(socket, '0123456789'), '0123456789')
  t.ok(performance.now() - from >= 95)
})

t.test('what a throttled way holds goes at once when it is throttled no more', async t => {
  const { dial, echo, proxy } = await start(t)
  const socket = dial()
  await once(socket, 'connect')
  proxy.way('c', 's').bytesPerSecond = 1
  const from = performance.now()
  socket.write('0123456789')
  t.equal(await echo(dial(proxy.hostFor('s')), 'it is on its way'), 'it is on its way')
  proxy.way('c', 's').bytesPerSecond = Infinity
  t.same(await once(socket, 'data'), ['0123456789'])
  t.ok(performance.now() - from < 5_000)
})

t.test('a blocked way holds what is sent, and closes, until it is free; the other way goes on', async t => {
  const { dial, echo, proxy, accepted } = await start(t)
  const socket = dial()
  t.equal(await echo(socket, 'before'), 'before')
  const way = proxy.way('c', 's')
  way.block()
  socket.write('held')
  accepted[0]?.write('said')
  t.same(await once(socket, 'data'), ['said'])
  socket.end()
  way.unblock()
  t.same(await once(socket, 'data'), ['held'])
  await closed(socket)
})

t.test('a dial over a blocked way is answered when it is free, and never when it was given up', async t => {
  const { dial, echo, proxy, accepted } = await start(t)
  const way = proxy.way('c', 's')
  way.block()
  const [patient, other] = [dial(), dial()]
  await Promise.all([once(patient, 'connect'), once(other, 'connect')])
  other.destroy()
  await closed(other)
  patient.write('hello')
  t.equal(await echo(dial(proxy.hostFor('s')), 'the proxy knows'), 'the proxy knows')
  way.unblock()
  t.same(await once(patient, 'data'), ['hello'])
  t.same(
    accepted.map(({ remoteAddress }) => remoteAddress),
    ['s', 'c'].map(proxy.hostFor),
  )
})

t.test('a connection that is cut ends at both ends, one that is deaf at none', async t => {
  const { dial, echo, proxy, accepted } = await start(t)
  const [first, second] = [dial(), dial()]
  await echo(first, 'a')
  await echo(second, 'b')
  const [one, other] = [...proxy.connections]
  one?.cut()
  await Promise.all([closed(first), closed(accepted[0] as Socket)])
  other?.deafen()
  second.write('lost')
  second.on('data', () => t.fail('heard something'))
  second.end()
  await closed(second)
  t.notOk(accepted[1]?.destroyed)
  other?.cut()
  await closed(accepted[1] as Socket)
  t.equal(proxy.connections.size, 0)
})
