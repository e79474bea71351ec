/** Presence that heals: how sure a server is of another one's users, and how both come to agree again. */
import t from 'tap'
import { parseFrame } from '../../src/protocol/envelope.ts'
import { admitStock, createIntruder } from '../helpers/intruder.ts'
import { createMesh, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, listFor, type MeshUser } from './user.ts'

const knows = { caps: ['proof', 'ack', 'presence'], timed: true } as const
const sentSince = (mesh: Mesh, node: MeshNode, other: MeshNode, since: number, type: string): number =>
  mesh.network.wire.slice(since).filter(({ from, to, text }) => from === node.name && to === other.name && parseFrame(text).type === type)
    .length
const told = (user: MeshUser, server: MeshNode): readonly unknown[] =>
  user.heard
    .filter(({ type, payload }) => type === 'PRESENCE_CHANGED' && payload['server_id'] === server.id)
    .map(({ payload }) => payload['presence'])
const relinked = (mesh: Mesh, a: MeshNode, b: MeshNode) =>
  mesh.until(() => linked(mesh, a, b) && linked(mesh, b, a), 10_000, 'linked again')

t.test('users of a lost server are suspect at once, gone after 30 s, and back without being sent again', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const seer = await attachUser(mesh, first, 3, knows)
  const plain = await attachUser(mesh, first, 4)
  const away = await attachUser(mesh, second, 5, knows)
  await mesh.until(() => seer.heard.some(({ payload }) => payload['user_id'] === away.id), 5_000, 'they know each other')
  t.equal((await listFor(mesh, seer))[away.id], 'online at 1')

  second.host.deaf = true
  await mesh.until(() => !linked(mesh, first, second), 15_000, 'the silence is noticed')
  await mesh.quiet()
  t.same(told(seer, second), ['suspect'])
  t.equal((await listFor(mesh, seer))[away.id], 'suspect at 1')
  t.equal((await listFor(mesh, plain))[away.id], 'away at 1', 'for programs that know no more')
  await mesh.pass(29_000)
  t.equal((await listFor(mesh, seer))[away.id], 'suspect at 1')
  await mesh.pass(1_500)
  t.equal((await listFor(mesh, seer))[away.id], undefined)
  t.same(told(seer, second), ['suspect', 'lapsed'])

  const since = mesh.network.wire.length
  second.host.deaf = false
  await relinked(mesh, first, second)
  await mesh.pass(2_000)
  t.equal((await listFor(mesh, seer))[away.id], 'online at 1')
  t.same(told(seer, second), ['suspect', 'lapsed', 'online'])
  t.equal(sentSince(mesh, second, first, since, 'USER_ADVERTISE'), 0, 'nothing had changed, and nothing was sent again')
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('after a partition exactly what differs is exchanged', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const seer = await attachUser(mesh, first, 3, knows)
  const [stays, leaves] = [await attachUser(mesh, second, 4, knows), await attachUser(mesh, second, 5, knows)]
  await mesh.pass(1_000)
  first.host.deaf = true
  await mesh.until(() => !linked(mesh, second, first), 15_000, 'the silence is noticed')
  leaves.leave()
  const comes = await attachUser(mesh, second, 6, knows)
  await mesh.pass(20_000)
  const since = mesh.network.wire.length
  first.host.deaf = false
  await relinked(mesh, first, second)
  await mesh.pass(2_000)
  // what is deaf in memory is the host: its users hear again too
  const list = await listFor(mesh, await attachUser(mesh, first, 3, knows))
  t.match(list, { [stays.id]: 'online at 1', [comes.id]: 'online at 1' })
  t.equal(list[leaves.id], undefined)
  t.equal(sentSince(mesh, second, first, since, 'USER_ADVERTISE'), 1)
  t.ok(seer)
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('who came while their server was lapsed is told of when it is back, not before', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const seer = await attachUser(mesh, first, 3, knows)
  const stays = await attachUser(mesh, second, 4, knows)
  await mesh.pass(1_000)
  second.host.deaf = true
  await mesh.until(() => told(seer, second).at(-1) === 'lapsed', 50_000, 'it is lapsed')
  // before any redial, so that what differs is exchanged at the link
  second.host.deaf = false
  const comes = await attachUser(mesh, second, 5, knows)
  await relinked(mesh, first, second)
  await mesh.pass(2_000)
  const lines = seer.heard.filter(
    ({ type, payload }) => type === 'PRESENCE_CHANGED' || (type === 'USER_ADVERTISE' && payload['user_id'] === comes.id),
  )
  t.match(lines.slice(-2), [{ type: 'PRESENCE_CHANGED', payload: { presence: 'online' } }, { type: 'USER_ADVERTISE' }])
  t.match(await listFor(mesh, seer), { [stays.id]: 'online at 1', [comes.id]: 'online at 1' })
})

t.test('who leaves here, and is still claimed by a server that is silent, is told of as suspect', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const seer = await attachUser(mesh, first, 3, knows)
  await attachUser(mesh, second, 4, knows)
  await mesh.pass(1_000)
  second.host.deaf = true
  await mesh.until(() => told(seer, second).at(-1) === 'suspect', 20_000, 'the silence is noticed')
  const moved = await attachUser(mesh, first, 4, knows)
  await mesh.pass(1_000)
  t.equal((await listFor(mesh, seer))[moved.id], 'online at 0')
  moved.leave()
  await mesh.pass(1_000)
  t.equal((await listFor(mesh, seer))[moved.id], 'suspect at 1')
  const last = seer.heard.findLast(({ type, payload }) => type === 'USER_ADVERTISE' && payload['user_id'] === moved.id)
  t.match(last?.payload, { server_id: second.id, meta: { extras: { presence: 'suspect' } } })
})

t.test('after a restart a server lists whom its log knows as recovered, until they are confirmed', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  await attachUser(mesh, first, 3, knows)
  const away = await attachUser(mesh, second, 4, knows)
  await mesh.pass(1_000)
  mesh.crash(first)
  second.host.deaf = true
  const again = await mesh.restart(first)
  const seer = await attachUser(mesh, again, 5, knows)
  const list = await listFor(mesh, seer)
  t.match(list, { [away.id]: 'recovered at 1', '10000000-0000-4000-8000-000000000003': 'recovered at 0' })
  second.host.deaf = false
  await relinked(mesh, again, second)
  await mesh.pass(2_000)
  t.equal((await listFor(mesh, seer))[away.id], 'online at 1')
  await mesh.pass(30_000)
  t.same(Object.keys(await listFor(mesh, seer)).sort(), [away.id, seer.id], 'who did not return within the grace time is gone')
  await sameAsItsLog(t, mesh, again)
})

t.test('a user who proves themselves at a second server wins over a half-dead session at the first', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const seer = await attachUser(mesh, first, 3, knows)
  const dead = await attachUser(mesh, first, 4, knows)
  dead.host.deaf = true
  await mesh.pass(2_000)
  const alive = await attachUser(mesh, second, 4, knows)
  await mesh.pass(1_000)
  t.equal((await listFor(mesh, seer))[alive.id], 'online at 1')
  t.equal((await listFor(mesh, alive))[alive.id], 'online at 1')
  t.match(
    mesh.view(first).directory.find(({ user_id }) => user_id === alive.id),
    { local: undefined, claims: [{ server_id: second.id }] },
  )
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('two live sessions that a partition let happen end as one, the same everywhere, and whose session ended is told', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const third = await mesh.start(2, { introducers: [first] })
  await mesh.until(() => linked(mesh, third, second) && linked(mesh, third, first), 10_000, 'all are linked')
  const seer = await attachUser(mesh, third, 3, knows)
  first.host.deaf = true
  await mesh.pass(60_000)
  first.host.deaf = false
  // before any redial: attached at both, the links still down
  const older = await attachUser(mesh, first, 4, knows)
  await mesh.pass(250)
  const newer = await attachUser(mesh, second, 4, knows)
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, first, third), 10_000, 'healed')
  await mesh.pass(2_000)
  for (const node of [first, second, third])
    t.match(mesh.view(node).directory.find(({ user_id }) => user_id === newer.id)?.claims, [{ server_id: second.id }], node.name)
  t.match(older.heard.find(({ type }) => type === 'ERROR')?.payload, { code: 'NAME_IN_USE', detail: /attached at the server/ })
  t.match(older.ended, [{ code: 1000 }])
  t.same(newer.ended, [])
  t.notOk(
    newer.heard.some(({ type }) => type === 'ERROR'),
    'nobody is alarmed by where they were themselves before',
  )
  t.equal((await listFor(mesh, seer))[newer.id], 'online at 1')
})

t.test('a server that was admitted cannot take a user with words of its own, nor with an older signature', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, second, 4, knows)
  const advertised = await user.send('LIST_REQUEST', '*', {}).then(async () => {
    await mesh.quiet()
    return mesh.network.wire.map(({ text }) => parseFrame(text)).findLast(frame => frame.type === 'USER_ADVERTISE')
  })
  const meta = advertised?.payload['meta'] as { extras: { attached: object } }
  t.ok(meta.extras.attached)
  const evil = '00000000-0000-4000-8000-000000000000'
  const { server, link } = await admitStock(mesh, first, 6, evil.replace(/0$/, '8'), 9_008)
  link.send(
    await server.signed('USER_ADVERTISE', '*', {
      user_id: user.id,
      server_id: server.id,
      meta: { ...meta, extras: { ...meta.extras, seq: [9, 1], attached: undefined, since: 1 } },
    }),
  )
  // the signature says to whom
  link.send(
    await server.signed('USER_ADVERTISE', '*', {
      user_id: user.id,
      server_id: server.id,
      meta: { ...meta, extras: { ...meta.extras, seq: [9, 2] } },
    }),
  )
  await mesh.pass(1_000)
  const seer = await attachUser(mesh, first, 3, knows)
  t.equal((await listFor(mesh, seer))[user.id], 'online at 1')
  t.ok(Number(first.running.counters()['refused bad_attachment']) >= 1)
  t.same(user.ended, [])
})

t.test('a whole server of users who do not return after a restart is removed with a handful of frames', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const seer = await attachUser(mesh, first, 3, knows)
  for (let n = 0; n < 12; n += 1) await attachUser(mesh, second, 4, { id: `user-${n}`, caps: ['proof', 'ack', 'presence'] })
  await mesh.pass(1_000)
  t.equal(Object.keys(await listFor(mesh, seer)).length, 13)
  mesh.crash(second)
  const again = await mesh.restart(second)
  await relinked(mesh, first, again)
  await mesh.pass(20_000)
  const since = mesh.network.wire.length
  await mesh.pass(15_000)
  t.same(Object.keys(await listFor(mesh, seer)), [seer.id])
  t.equal(sentSince(mesh, again, first, since, 'USER_REMOVE'), 0)
  t.ok(sentSince(mesh, again, first, since, 'PRESENCE_TELL') <= 4)
  t.equal(seer.heard.filter(({ payload }) => Array.isArray(payload['gone'])).length, 1, 'its users hear of it in one frame')
  for (const node of [first, again]) await sameAsItsLog(t, mesh, node)
})

t.test('a peer that invents differences without end is given up, at the price of some questions', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const liar = await createIntruder(mesh, 6, '00000000-0000-4000-8000-000000000006')
  const address = { host: '127.0.0.1', port: 9_006, pubkey: liar.pubkey, caps: ['presence-digest'] }
  const answers: Readonly<Record<string, (payload: Readonly<Record<string, unknown>>) => Promise<string>>> = {
    SERVER_ANNOUNCE: () => liar.signed('SERVER_ANNOUNCE', '*', address),
    PRESENCE_ASK: ({ nonce, prefixes = [''] }) =>
      liar.signed('PRESENCE_TELL', '*', {
        nonce,
        seq: [1, 1],
        nodes: (prefixes as string[]).map(prefix => ({ prefix, digests: Array.from({ length: 16 }, () => 'lie') })),
      }),
  }
  await liar.listen(9_006, (frame, socket) => {
    void answers[frame.type]?.(frame.payload).then(text => {
      socket.send(text)
    })
  })
  const joining = await liar.dial(first)
  joining.send(await liar.signed('SERVER_HELLO_JOIN', '127.0.0.1:9000', address))
  await joining.hear('SERVER_WELCOME')
  const hello = await liar.dial(first)
  hello.send(await liar.signed('SERVER_ANNOUNCE', '*', address))
  await mesh.until(() => first.running.counters()['refused endless_digest'] === 1, 60_000, 'it is given up')
  await mesh.pass(30_000)
  const asked = mesh.network.wire.filter(({ from, text }) => from === first.name && parseFrame(text).type === 'PRESENCE_ASK').length
  t.ok(asked < 300, `${asked} questions`)
  t.equal(first.running.counters()['refused endless_digest'], 1)
})

t.test('a server restored from an old backup is believed at once: its presence goes by the time', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const backup = structuredClone(second.disk)
  for (let n = 0; n < 3; n += 1) {
    mesh.crash(n === 0 ? second : (lives.at(-1) as MeshNode))
    lives.push(await mesh.restart(second))
    await mesh.pass(2_000)
  }
  const last = lives.at(-1) as MeshNode
  await attachUser(mesh, last, 4, knows)
  await mesh.pass(1_000)
  mesh.crash(last)
  Object.assign(second.disk, { ...backup, rows: backup.rows })
  second.disk.epoch = backup.epoch
  const restored = await mesh.restart(second)
  await relinked(mesh, first, restored)
  const user = await attachUser(mesh, restored, 5, knows)
  await mesh.pass(1_000)
  const seer = await attachUser(mesh, first, 3, knows)
  t.same(Object.keys(await listFor(mesh, seer)).sort(), [seer.id, user.id])
})
const lives: MeshNode[] = []
