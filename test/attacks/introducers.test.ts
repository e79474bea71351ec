/** Lying introducers and joiners: what a server believes of a welcome, and whom it dials. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { newId, openFrameSocket, signedText } from '../helpers/frame-client.ts'
import type { Heard } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import type { BootstrapEntry } from '../helpers/processes.ts'
import { inventedPublicKey, stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(7)

const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 12 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const startServer = (n: number, bootstrap?: readonly BootstrapEntry[], config?: object) => {
  const data = rig.place('server')
  writeIdentity(data, newId(), keyOf(n))
  if (config !== undefined) {
    // JSON is YAML
    const file = join(rig.place('config'), 'config.yaml')
    writeFileSync(file, JSON.stringify(config))
    return rig.serve({ data, ...(bootstrap === undefined ? {} : { bootstrap }), args: ['--config', file] })
  }
  return rig.serve({ data, ...(bootstrap === undefined ? {} : { bootstrap }) })
}
/** Counts who connects, and says nothing. */
const startTrap = async () => {
  let connections = 0
  const server = createServer(socket => {
    connections += 1
    socket.on('error', () => undefined).destroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, connections: () => connections }
}
const home = await startServer(0)

t.test(
  '9: a welcome that is unsigned, signed by another key, assigns another id, or is not for us, is passed over for the next introducer',
  async t => {
    type Lie = (hello: Heard) => { key: number; payload?: object; sig?: string; from?: string }
    const lies: readonly (readonly [string, Lie])[] = [
      ['unsigned', () => ({ key: 2, sig: '' })],
      ['signed by a key that is not pinned', () => ({ key: 9 })],
      ['assigns the id of a live server', () => ({ key: 2, payload: { assigned_id: home.id } })],
      ['assigns a new id', () => ({ key: 2, payload: { assigned_id: newId() } })],
    ]
    const liars = await Promise.all(
      lies.map(async ([name, lie], n) => {
        const server = await startStockServer({
          key: keyOf(2),
          intercept: (frame, socket) => {
            if (frame.type !== 'SERVER_HELLO_JOIN') return false
            const { key, payload, sig } = lie(frame)
            const servers = [{ server_id: home.id, host: trap.host, port: trap.port, pubkey: keyOf(9).text }]
            const text = signedText(keyOf(key), {
              type: 'SERVER_WELCOME',
              from: server.id,
              to: frame.from,
              payload: { assigned_id: frame.from, servers, clients: [], ...payload },
            })
            socket.send(sig === undefined ? text : JSON.stringify({ ...(JSON.parse(text) as object), sig }))
            return true
          },
        })
        t.teardown(() => server.close())
        return { name, n, server }
      }),
    )
    const trap = await startTrap()
    const joiner = await startServer(1, [
      ...liars.map(({ server }) => ({ host: server.host, port: server.port, pubkey: server.keyText })),
      home,
    ])
    await joiner.waitFor('linked', event => event.server_id === home.id, { timeoutMs: 30_000 })
    for (const { name, server } of liars) {
      t.ok(
        server.heard.some(frame => frame.type === 'SERVER_HELLO_JOIN'),
        `asked the one whose welcome ${name}`,
      )
      t.notOk(joiner.events.some(event => event.event === 'linked' && event.server_id === server.id))
    }
    t.equal(trap.connections(), 0, 'nobody of such a welcome was dialled')
    await joiner.kill()
  },
)

t.test("9: a welcome of a pinned introducer cannot replace the joiner's own id or the key of an introducer that it has pinned", async t => {
  const trap = await startTrap()
  const server = await startStockServer({
    key: keyOf(3),
    intercept: (frame, socket) => {
      if (frame.type !== 'SERVER_HELLO_JOIN') return false
      const servers = [
        { server_id: frame.from, host: trap.host, port: trap.port, pubkey: keyOf(9).text },
        { server_id: server.id, host: trap.host, port: trap.port, pubkey: keyOf(10).text },
      ]
      socket.send(server.signed('SERVER_WELCOME', frame.from, { assigned_id: frame.from, servers, clients: [] }))
      return true
    },
  })
  t.teardown(() => server.close())
  const joiner = await startServer(4, [server])
  await server.waitFor('SERVER_HELLO_JOIN')
  await server.waitFor('SERVER_ANNOUNCE', { what: 'the joiner announces itself to the introducer it has pinned' })
  t.equal(trap.connections(), 0)
  await joiner.kill()
})

t.test('11: a welcome with many servers that do not exist is dialled within a budget, and the server goes on', async t => {
  const trap = await startTrap()
  const server = await startStockServer({
    key: keyOf(5),
    intercept: (frame, socket) => {
      if (frame.type !== 'SERVER_HELLO_JOIN') return false
      const servers = Array.from({ length: 70 }, () => ({
        server_id: newId(),
        host: trap.host,
        port: trap.port,
        pubkey: inventedPublicKey(keyOf(5)),
      }))
      socket.send(
        server.signed('SERVER_WELCOME', frame.from, {
          assigned_id: frame.from,
          servers: [{ server_id: server.id, host: server.host, port: server.port, pubkey: server.keyText }, ...servers],
          clients: [],
        }),
      )
      return true
    },
  })
  t.teardown(() => server.close())
  const joiner = await startServer(6, [server], { limits: { newServersPerHour: 5 } })
  await joiner.waitFor('linked', event => event.server_id === server.id, { timeoutMs: 15_000 })
  const log = await rig.run(['log', 'ls', '--json', '--data', joiner.data])
  const facts = log.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string; stream: string })
  const streams = (type: string) => new Set(facts.filter(fact => fact.type === type).map(fact => fact.stream))
  t.ok(streams('server.pinned').size <= 6, `${String(streams('server.pinned').size)} pinned of 70`)
  t.ok(streams('link.dialled').size <= 6, `${String(streams('link.dialled').size)} dialled of 70`)
  await joiner.kill()
})

t.test('10: a hello cannot make the server dial itself, a private network, or anyone who has not proved their key', async t => {
  const trap = await startTrap()
  const victim = await startServer(7)
  const hello = (type: string, n: number, payload: object): string =>
    signedText(keyOf(n), {
      type,
      from: newId(),
      to: `${victim.host}:${String(victim.port)}`,
      payload: { pubkey: keyOf(n).text, ...payload },
    })
  const addresses = [
    { host: victim.host, port: victim.port },
    { host: 'localhost', port: victim.port },
    { host: '10.0.0.1', port: 22 },
    { host: '192.168.1.1', port: 80 },
    { host: '169.254.169.254', port: 80 },
    { host: '0.0.0.0', port: victim.port },
    { host: '::ffff:10.0.0.1', port: 80 },
    { host: 'metadata.internal', port: 80 },
  ]
  let n = 2
  for (const address of addresses) {
    for (const type of ['SERVER_HELLO_JOIN']) {
      const socket = await openFrameSocket(victim.url)
      socket.send(hello(type, n, address))
      n = n === 11 ? 2 : n + 1
      await Promise.race([socket.refusal(), socket.waitFor('SERVER_WELCOME').catch(() => undefined)])
      await socket.close()
    }
  }
  // an announcement that nobody vouched for, and a join whose signature is not its key's
  const announced = await openFrameSocket(victim.url)
  announced.send(hello('SERVER_ANNOUNCE', 10, trap))
  await announced.refusal()
  const forged = await openFrameSocket(victim.url)
  forged.send(
    signedText(keyOf(9), {
      type: 'SERVER_HELLO_JOIN',
      from: newId(),
      to: `${victim.host}:${String(victim.port)}`,
      payload: { host: trap.host, port: trap.port, pubkey: inventedPublicKey(keyOf(9)) },
    }),
  )
  await forged.refusal()
  t.notOk(forged.heard.some(frame => frame.type === 'SERVER_WELCOME'))

  const honest = await startStockServer({ key: keyOf(11) })
  t.teardown(() => honest.close())
  const { welcome, socket } = await honest.join(victim.url)
  t.equal(welcome.type, 'SERVER_WELCOME', welcome.text)
  socket.send(honest.announcement())
  await victim.waitFor('linked', event => event.server_id === honest.id)
  const log = await rig.run(['log', 'ls', '--json', '--data', victim.data])
  const urls = log.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string; data: { url?: string } })
    .filter(fact => fact.type === 'link.dialled')
    .map(fact => fact.data.url)
  t.same(
    [...new Set(urls)].map(url => new URL(String(url)).port),
    [String(honest.port)],
    'only the honest one was ever dialled',
  )
  t.equal(trap.connections(), 0)
  await victim.kill()
})

t.test('11: joins by the hundred are refused without signatures costing everybody, and honest ones still come through', async t => {
  const victim = await startServer(8)
  const sockets = await Promise.all(Array.from({ length: 20 }, () => openFrameSocket(victim.url)))
  for (const socket of sockets) {
    for (let n = 0; n < 10 && !socket.isClosed(); n += 1) {
      socket.send({
        type: 'SERVER_HELLO_JOIN',
        from: newId(),
        to: `${victim.host}:${String(victim.port)}`,
        ts: Date.now(),
        payload: { host: '127.0.0.1', port: 1, pubkey: inventedPublicKey(keyOf(8)) },
        sig: randomBytes(512).toString('base64url'),
      })
    }
  }
  await Promise.all(sockets.map(socket => socket.closed))
  const honest = await startStockServer({ key: keyOf(9) })
  t.teardown(() => honest.close())
  const { welcome } = await honest.join(victim.url)
  t.equal(welcome.type, 'SERVER_WELCOME', welcome.text)
  t.same(
    (welcome.payload.servers as { server_id: string }[]).filter(server => ![victim.id, honest.id].includes(server.server_id)),
    [],
  )
  await victim.kill()
})

t.test('11: an introducer answers joins within a budget, and each key once', async t => {
  const victim = await startServer(10, undefined, { limits: { joins: { burst: 3, perSecond: 0.001 } } })
  const answers: string[] = []
  for (let n = 1; n < 8; n += 1) {
    const joiner = await startStockServer({ key: keyOf(n) })
    t.teardown(() => joiner.close())
    const { welcome } = await joiner.join(victim.url)
    answers.push(welcome.type)
  }
  t.same(answers, ['SERVER_WELCOME', 'SERVER_WELCOME', 'SERVER_WELCOME', 'ERROR', 'ERROR', 'ERROR', 'ERROR'])
  await victim.kill()
})

t.test('11: joins that nobody signed do not use up the turns of those who sign', async t => {
  const victim = await startServer(1, undefined, { limits: { joins: { burst: 5, perSecond: 0.001 } } })
  for (let n = 0; n < 20; n += 1) {
    const stranger = await openFrameSocket(victim.url)
    const payload = { host: '127.0.0.1', port: 1, pubkey: inventedPublicKey(keyOf(8)) }
    stranger.send({ type: 'SERVER_HELLO_JOIN', from: newId(), to: `${victim.host}:${String(victim.port)}`, ts: Date.now(), payload })
    await Promise.race([stranger.refusal(), stranger.waitFor('SERVER_WELCOME').catch(() => undefined)])
    stranger.webSocket.terminate()
  }
  const joiner = await startStockServer({ key: keyOf(9) })
  t.teardown(() => joiner.close())
  const { welcome } = await joiner.join(victim.url)
  t.equal(welcome.type, 'SERVER_WELCOME')
  await victim.kill()
})
