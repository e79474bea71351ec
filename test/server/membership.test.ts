/** A mesh whose members come, go, lie and return: introducers that are gone or lie, impostors, absence, and keys with two ids. */
import t from 'tap'
import { admitStock, createIntruder } from '../helpers/intruder.ts'
import { createMesh, idOf, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'

const factsOf = async (mesh: Mesh, node: MeshNode, type: string) => (await mesh.facts(node)).filter(({ fact }) => fact.type === type)
const listing = (node: Pick<MeshNode, 'id' | 'port' | 'pubkey'>) => ({
  server_id: node.id,
  host: '127.0.0.1',
  port: node.port,
  pubkey: node.pubkey,
})
const memberOf = (mesh: Mesh, node: MeshNode, id: string) => mesh.view(node).pins.servers[id]

t.test('nodes that know each other link again when every introducer is gone', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const third = await mesh.start(2, { introducers: [first] })
  await mesh.until(() => linked(mesh, third, second) && linked(mesh, second, third), 10_000, 'all are linked')
  for (const node of [first, second, third]) mesh.crash(node)
  const [again, other] = [await mesh.restart(second), await mesh.restart(third)]
  const took = await mesh.until(() => linked(mesh, again, other) && linked(mesh, other, again), 10_000, 'linked by their logs')
  t.ok(took <= 5_000)
  await mesh.pass(120_000)
  const asked = (await factsOf(mesh, other, 'bootstrap.asked')).length
  t.ok(asked > 20, 'and the introducer is asked for ever', { asked })
  for (const node of [again, other]) await sameAsItsLog(t, mesh, node)
})

t.test('introducers are asked in order, and a node that lost all finds one that is back', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const third = await mesh.start(2, { introducers: [{ ...second, port: 9_009 }, first] })
  await mesh.until(() => linked(mesh, third, first) && linked(mesh, third, second), 10_000, 'linked')
  t.match(
    (await factsOf(mesh, third, 'bootstrap.asked')).map(({ fact }) => fact),
    [{ introducer: '127.0.0.1:9009' }, { introducer: '127.0.0.1:9000' }],
  )
  mesh.crash(first)
  mesh.crash(second)
  await mesh.pass(60_000)
  const anew = await mesh.start(0)
  await mesh.until(() => linked(mesh, third, anew), 90_000, 'one that has forgotten everybody')
})

t.test('any member can introduce a newcomer to those that pinned it', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const second = await mesh.start(1, { introducers: [first] })
  const third = await mesh.start(2, { introducers: [first, second] })
  await mesh.until(() => linked(mesh, third, second), 10_000, 'three are linked')
  mesh.crash(first)
  const fourth = await mesh.start(3, { introducers: [first, second] })
  await mesh.until(() => linked(mesh, fourth, second) && linked(mesh, fourth, third), 30_000, 'the second one introduces')
  t.ok(linked(mesh, third, fourth))
})

t.test('what an introducer lies about other members is found out, and moves nobody', async t => {
  const mesh = createMesh(t)
  const honest = await mesh.start(0)
  const other = await mesh.start(2, { introducers: [honest] })
  await mesh.until(() => linked(mesh, honest, other), 10_000, 'two members have met')
  const liar = await createIntruder(mesh, 6, idOf(6))
  const key = (n: number) => import('../helpers/test-keys.ts').then(({ testKey }) => testKey(n))
  const stolen = (await key(5)).publicText
  await liar.listen(9_006, (frame, socket) => {
    if (frame.type !== 'SERVER_HELLO_JOIN') return
    const servers = [
      { ...listing(honest), port: 1 },
      { ...listing(other), pubkey: stolen, port: 9_006 },
      { server_id: idOf(7), host: '127.0.0.1', port: 9_006, pubkey: liar.pubkey },
      { server_id: idOf(8), host: '127.0.0.1', port: 9_001, pubkey: frame.payload['pubkey'] },
    ]
    void liar
      .signed('SERVER_WELCOME', frame.from, { assigned_id: frame.from, servers, nonce: frame.payload['nonce'], for: frame.from })
      .then(text => {
        socket.send(text)
      })
  })
  const joinerKey = (await key(1)).publicText
  mesh.crash(honest)
  const again = await mesh.restart(honest, {
    config: { servers: [{ ...listing(honest), server_id: idOf(1), port: 9_001, pubkey: joinerKey }] },
  })
  const joiner = await mesh.start(1, {
    config: { servers: [listing(honest)], bootstrap_servers: [{ host: '127.0.0.1', port: 9_006, pubkey: liar.pubkey }] },
  })
  await mesh.until(() => linked(mesh, joiner, again), 10_000, 'linked with the honest member')
  await mesh.pass(1_000)
  t.match(memberOf(mesh, joiner, honest.id), { port: honest.port }, 'an introducer moves nobody')
  t.equal(memberOf(mesh, joiner, other.id), undefined, 'a key that a member contradicts is forgotten')
  t.equal(memberOf(mesh, joiner, idOf(7)), undefined, 'one key is one server')
  t.equal(memberOf(mesh, joiner, idOf(8)), undefined, 'and ours is nobody else’s')
  t.ok(
    joiner.events.some(event => event.event === 'degraded' && event.why.includes(other.id)),
    'and the operator hears of it',
  )
  await sameAsItsLog(t, mesh, joiner)
})

t.test('an impostor at a member’s address is rested, and the member itself is let in', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  mesh.crash(second)
  const impostor = await createIntruder(mesh, 6, second.id)
  await impostor.listen(9_001, (frame, socket) => {
    if (frame.type !== 'SERVER_ANNOUNCE') return
    void impostor
      .signed('SERVER_ANNOUNCE', frame.from, { host: '127.0.0.1', port: 9_001, pubkey: impostor.pubkey, caps: ['proof'] })
      .then(text => {
        socket.send(text)
      })
  })
  await mesh.pass(30_000)
  const before = (await factsOf(mesh, first, 'link.wronged')).length
  t.equal(before, 3)
  await mesh.pass(240_000)
  const more = (await factsOf(mesh, first, 'link.wronged')).length - before
  t.ok(more >= 3 && more <= 5, 'once a minute', { more })
  const home = await mesh.start(1, { config: { port: 9_011 }, introducers: [first] })
  await mesh.until(() => linked(mesh, first, home) && linked(mesh, home, first), 10_000, 'it is proven, wherever it is')
  t.match(memberOf(mesh, first, second.id), { port: 9_011 }, 'and says itself where it is now')
  await sameAsItsLog(t, mesh, first)
})

t.test('a peer that comes back by itself after long is redialled as if it had never failed', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  mesh.crash(second)
  await mesh.pass(700_000)
  const again = await mesh.restart(second)
  await mesh.until(() => linked(mesh, first, again), 5_000, 'it dials')
  t.equal((await factsOf(mesh, first, 'link.greeted')).length, 1)
  await mesh.pass(2_000)
  mesh.crash(again)
  await mesh.quiet()
  const link = mesh.view(first).machines[`link:${second.id}`]
  t.ok(Number(link?.context['redialAt']) - mesh.clock.now() <= 1_000, 'the patience of before is forgotten')
})

t.test('a member that was linked once and is gone for longer than the operator allows is forgotten, restarts or not', async t => {
  const mesh = createMesh(t)
  const config = { timing: { absentMs: 1_200_000 } }
  const [first, second] = await startPair(mesh, config)
  mesh.crash(second)
  await mesh.pass(700_000)
  mesh.crash(first)
  const again = await mesh.restart(first)
  await mesh.pass(400_000)
  t.ok(memberOf(mesh, again, second.id))
  await mesh.pass(200_000)
  t.equal(memberOf(mesh, again, second.id), undefined)
  t.equal(mesh.view(again).machines[`link:${second.id}`], undefined)
  await sameAsItsLog(t, mesh, again)
})

t.test('a key has one id: another takes its place when the first is not there, and only then', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const { server, link } = await admitStock(mesh, first, 6, idOf(6), 9_006)
  const twin = await createIntruder(mesh, 6, idOf(7))
  const knock = async () => {
    const joining = await twin.dial(first)
    joining.send(await twin.signed('SERVER_HELLO_JOIN', '127.0.0.1:9000', { host: '127.0.0.1', port: 9_006, pubkey: twin.pubkey }))
    await joining.hear('SERVER_WELCOME')
    const socket = await twin.dial(first)
    socket.send(await twin.signed('SERVER_ANNOUNCE', '*', { host: '127.0.0.1', port: 9_006, pubkey: twin.pubkey }))
    await mesh.pass(1_000)
  }
  await knock()
  t.equal(memberOf(mesh, first, twin.id), undefined)
  t.ok(Number(first.running.counters()['refused members_key_held']) === 1)
  link.drop()
  await mesh.until(() => mesh.view(first).machines[`link:${server.id}`]?.state !== 'linked', 5_000, 'it is gone')
  await knock()
  t.ok(memberOf(mesh, first, twin.id))
  t.equal(memberOf(mesh, first, server.id), undefined)
})
