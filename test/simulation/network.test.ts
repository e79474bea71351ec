/** Simulated sockets: order, and every way in which a connection fails. */
import t from 'tap'
import { createWire } from './parts.ts'

const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => String(index))

t.test('each direction of a connection keeps its order', async t => {
  const { dial, accepted, pass } = await createWire()
  const { socket, heard } = await dial()
  for (const text of numbers(50)) {
    socket.send([text])
    accepted[0]?.socket.send([text])
    await pass(1)
  }
  await pass(1_000)
  t.same(accepted[0]?.heard.texts, numbers(50))
  t.same(heard.texts, numbers(50))
})

t.test('a half-open connection loses everything, and no end hears of it', async t => {
  const { dial, accepted, pass, network, near } = await createWire()
  const { socket, heard } = await dial()
  const [connection] = network.connectionsOf(near)
  t.ok(connection?.healthy)
  connection?.deafen()
  socket.send(['lost'])
  await pass(60_000)
  t.same(accepted[0]?.heard, { texts: [], closed: undefined })
  t.equal(heard.closed, undefined)
  t.notOk(connection?.healthy)
  socket.terminate()
  await pass(60_000)
  t.equal(heard.closed, 1006, 'whoever gives it up is rid of it')
  t.equal(accepted[0]?.heard.closed, undefined, 'and the other end still knows nothing')
})

t.test('what is blocked one way waits and arrives in order; the other way goes on; nobody new gets through', async t => {
  const { dial, accepted, pass, network, near, far } = await createWire()
  const { socket, heard } = await dial()
  network.way(near, far).blocked += 1
  socket.send(['1'])
  socket.send(['2'])
  accepted[0]?.socket.send(['back'])
  await pass(10_000)
  t.same(accepted[0]?.heard.texts, [])
  t.same(heard.texts, ['back'])
  t.equal((await dial(1_000)).failed?.code, 'ETIMEDOUT')
  network.unblock(near, far)
  await pass(5_000)
  t.same(accepted[0]?.heard.texts, ['1', '2'])
  t.equal((await dial()).failed, undefined)
})

t.test('two faults that block one way are over when both are', async t => {
  const { dial, accepted, pass, network, near, far } = await createWire()
  const { socket } = await dial()
  for (const blocked of [1, 2]) network.way(near, far).blocked = blocked
  socket.send(['1'])
  network.unblock(near, far)
  await pass(5_000)
  t.same(accepted[0]?.heard.texts, [])
  network.unblock(near, far)
  await pass(5_000)
  t.same(accepted[0]?.heard.texts, ['1'])
})

t.test('connections that were held go on in another order, each in its own', async t => {
  const { dial, accepted, pass, network, near } = await createWire()
  const sockets = [(await dial()).socket, (await dial()).socket]
  const connections = network.connectionsOf(near)
  for (const connection of connections) connection.hold(near)
  const order: string[] = []
  sockets.forEach((socket, index) => {
    socket.send([`${index} a`])
    socket.send([`${index} b`])
  })
  await pass(10_000)
  t.ok(accepted.every(({ heard }) => heard.texts.length === 0))
  for (const [index, connection] of [...connections.entries()].reverse()) {
    connection.free(near, () => 0)
    await pass(2_000)
    order.push(...(accepted[index]?.heard.texts ?? []))
  }
  t.same(order, ['1 a', '1 b', '0 a', '0 b'])
})

t.test('a program that dies closes its connections; a machine without power answers nothing', async t => {
  const { dial, accepted, pass, far, lifeOf } = await createWire()
  const first = await dial()
  lifeOf(far).die()
  await pass(5_000)
  t.equal(first.heard.closed, 1006)
  t.equal((await dial()).failed?.code, 'ECONNREFUSED')
  t.equal(accepted[0]?.heard.closed, undefined, 'the dead hear nothing')

  const again = await createWire(2)
  const second = await again.dial()
  again.far.dark = true
  again.lifeOf(again.far).die()
  second.socket.send(['is anybody there'])
  await again.pass(60_000)
  t.equal(second.heard.closed, undefined)
  t.equal((await again.dial(1_000)).failed?.code, 'ETIMEDOUT')
  again.far.dark = false
  second.socket.send(['and now'])
  await again.pass(5_000)
  t.equal(second.heard.closed, 1006, 'the machine is back and knows nothing of this connection')
})

t.test('what a blocked way held back goes on once, and frees no other way', async t => {
  const { dial, accepted, pass, network, near, far } = await createWire()
  const { socket } = await dial()
  const elsewhere = network.machine('elsewhere', '10.0.0.3')
  network.way(near, far).blocked += 1
  socket.send(['one'])
  socket.send(['two'])
  for (let times = 0; times < 3; times += 1) {
    network.way(near, elsewhere).blocked += 1
    network.unblock(near, elsewhere)
  }
  await pass(5_000)
  t.same(accepted[0]?.heard.texts, [])
  for (let times = 0; times < 3; times += 1) {
    network.way(near, far).blocked += Number(times > 0)
    network.unblock(near, far)
  }
  await pass(5_000)
  t.same(accepted[0]?.heard.texts, ['one', 'two'])
})

t.test('a cut is heard at both ends, a goodbye with its code after all that was sent before', async t => {
  const { dial, accepted, pass, network, near } = await createWire()
  const one = await dial()
  network.connectionsOf(near)[0]?.cut()
  t.equal(one.heard.closed, 1006)
  t.equal(accepted[0]?.heard.closed, 1006)
  const two = await dial()
  two.socket.send(['last words'])
  two.socket.close(1000, 'goodbye')
  two.socket.send(['too late'])
  await pass(5_000)
  t.same(accepted[1]?.heard, { texts: ['last words'], closed: 1000 })
  t.equal(two.heard.closed, 1000)
  t.same(network.connectionsOf(near), [])
})

t.test('a socket that is not read keeps what came, and what is too large ends it', async t => {
  const { dial, accepted, pass } = await createWire()
  const { socket, heard } = await dial()
  accepted[0]?.socket.pause()
  socket.send(['1', '2'])
  await pass(5_000)
  t.same(accepted[0]?.heard.texts, [])
  t.equal(socket.buffered, 2)
  accepted[0]?.socket.resume()
  await pass(10)
  t.same(accepted[0]?.heard.texts, ['1', '2'])
  t.equal(socket.buffered, 0)
  socket.send(['x'.repeat(1_001)])
  await pass(5_000)
  t.equal(heard.closed, 1009)
})

t.test('a connection that came and went while a program stood still is taken and ended when it goes on', async t => {
  const { dial, accepted, pass, lifeOf, far } = await createWire()
  lifeOf(far).pause()
  const { socket } = await dial()
  socket.close(1000, 'enough')
  await pass(10_000)
  t.same(accepted, [])
  lifeOf(far).resume()
  await pass(10)
  t.equal(accepted.length, 1)
  t.not(accepted[0]?.heard.closed, undefined)
})
