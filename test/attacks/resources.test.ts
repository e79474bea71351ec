/** Attacks by number and silence on one server (numbers as in the list of known attacks). */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import t from 'tap'
import { userHello } from '../helpers/frame-client-user.ts'
import { newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import { openBareSocket, webSocketFrame } from '../helpers/stock-bare-socket.ts'
import { startStockHome } from '../helpers/stock-home.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(5)

const { home, alice, bob, keyOf, attach, honest } = await startStockHome(t)

// 23: these wait for the server's own deadline while the other tests run
const began = performance.now()
const idle = (async () => {
  const silent = await openFrameSocket(home.url)
  const partial = await openBareSocket(home)
  partial.socket.write(webSocketFrame(0x01, Buffer.from('{"type":"USER_HELLO",')))
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
const times = idle.then(list =>
  Promise.all(
    list.map(async ([name, closed]) => {
      await closed
      return [name, performance.now() - began] as const
    }),
  ),
)

t.test('24: garbage in the name of a user from other sockets does not silence that user', async t => {
  const strangers = await Promise.all(Array.from({ length: 20 }, () => openFrameSocket(home.url)))
  const text = signedText(keyOf(5), {
    type: 'MSG_DIRECT',
    from: alice.id,
    to: bob.id,
    payload: { ciphertext: 'x', sender_pub: alice.keyText, content_sig: 'x' },
  })
  for (const stranger of strangers) for (let n = 0; n < 50; n += 1) stranger.send(text)
  const hellos = await Promise.all(Array.from({ length: 20 }, () => openFrameSocket(home.url)))
  for (const socket of hellos) socket.send(userHello({ id: alice.id, key: keyOf(5), name: 'alice' }))
  await Promise.all([
    ...strangers.map(socket => socket.closed),
    ...hellos.map(socket => socket.waitFor('ERROR').catch(() => socket.closed)),
  ])
  for (const socket of hellos) socket.webSocket.terminate()
  const ms = await honest()
  t.ok(ms < 2000, `an honest message took ${ms.toFixed(0)} ms`)
})

t.test('25: bad signatures at line speed cost their sender the socket, and others notice little', async t => {
  const flooder = await attach(3, 'flooder')
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
        socket.send({
          type: n % 2 === 0 ? `TYPE_${newId()}` : 'CMD_LIST',
          from: newId(),
          to: newId(),
          ts: Date.now() + n,
          payload: { [newId()]: 'x'.repeat(500) },
          sig: 'x',
        })
      }
    }
    await Promise.all(sockets.map(socket => socket.closed))
  }
  // a heap grows at first until its collector finds it worth while
  for (let n = 0; n < 4; n += 1) await flood()
  const before = resident()
  for (let n = 0; n < 6; n += 1) await flood()
  await honest()
  const grown = resident() - before
  t.ok(grown < 100, `grew by ${grown.toFixed(1)} MB`)
})

t.test('23: a user who never reads is cut, and does not hold up the sender', async t => {
  const slow = await attach(6, 'never reads')
  slow.socket.webSocket.pause()
  const writers = await Promise.all([7, 8].map(n => attach(n, `writer ${String(n)}`)))
  // nobody opens these, so any text in the right alphabet will do; 40 MB are more than the system and the server keep for one reader
  const contentSig = 'A'.repeat(683)
  for (let n = 0; n < 500; n += 1) {
    for (const writer of writers) {
      const ciphertext = String(n).padStart(4, '0') + 'A'.repeat(40_000)
      writer.send('MSG_DIRECT', slow.id, { ciphertext, sender_pub: writer.keyText, content_sig: contentSig })
    }
    // in turns, so that it is the reader who is slow and not a mailbox that is full
    if (n % 10 === 9) await Promise.all(writers.map(writer => Promise.race([writer.list(), writer.socket.closed])))
  }
  const ms = await honest()
  t.ok(ms < 3000, `an honest message took ${ms.toFixed(0)} ms meanwhile`)
  const isOnline = async (): Promise<boolean> =>
    (await alice.list()).some(({ user_id, presence }) => user_id === slow.id && presence === 'online')
  // the server signs each delivery first: what was written may all be taken before there is enough of it for a cut
  let after = 0
  while (after < 200 && (await isOnline())) {
    await honest()
    after += 1
  }
  t.ok(after < 200, `the one who never reads was cut, ${String(after)} honest messages later`)
  for (const writer of writers) {
    t.notOk(writer.socket.isClosed(), 'those who wrote were not')
    writer.socket.webSocket.terminate()
  }
  slow.socket.webSocket.terminate()
})

t.test('23: sockets that never speak, speak half a hello, or never prove themselves are closed within seconds', async t => {
  for (const [name, ms] of await times) t.ok(ms < 15_000, `one that ${name} was closed after ${ms.toFixed(0)} ms`)
  await honest()
  t.same(
    home.events.map(event => event.event),
    ['ready'],
    'the server never stopped or degraded',
  )
})
