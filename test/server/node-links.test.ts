/** Peer links of whole nodes: silence, heartbeats, redials, crashes, and two that dial each other at once. */
import t from 'tap'
import { parseFrame } from '../../src/protocol/envelope.ts'
import type { OnTheWire } from '../helpers/memory-network.ts'
import { createMesh, idOf, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser } from './user.ts'

const factsOf = async (mesh: Mesh, node: MeshNode, type: string) => (await mesh.facts(node)).filter(({ fact }) => fact.type === type)
const typed = (type: string, from: MeshNode) => (sent: OnTheWire) => sent.from === from.name && parseFrame(sent.text).type === type
const failures = (mesh: Mesh, node: MeshNode, other: MeshNode) => mesh.view(node).machines[`link:${other.id}`]?.context['failures']

t.test('a heartbeat leaves every 15 s, each with a signature of its own, and keeps an idle link alive', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const since = mesh.network.wire.length
  const began = mesh.clock.now()
  await mesh.pass(300_000)
  const beats = mesh.network.wire.slice(since).filter(typed('HEARTBEAT', first))
  t.equal(beats.length, 20)
  const times = beats.map(({ at }) => at - began)
  t.ok(
    times.every((at, n) => n === 0 || at - (times[n - 1] ?? 0) === 15_000),
    'at equal distances',
    { times },
  )
  t.equal(new Set(beats.map(({ text }) => parseFrame(text).sig)).size, 20)
  t.ok(linked(mesh, first, second) && linked(mesh, second, first))
  t.same(await factsOf(mesh, first, 'link.silent'), [])
})

t.test('12 s without an answer to a ping rests the link, and it redials with backoff that grows to its cap', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  second.host.deaf = true
  const took = await mesh.until(() => !linked(mesh, first, second), 60_000, 'the silence is noticed')
  t.ok(took >= 7_000 && took <= 14_000, 'after 12 s', { took })
  const [silent, ...more] = await factsOf(mesh, first, 'link.silent')
  t.same(more, [])
  t.match(first.events.at(-1), { event: 'unlinked', server_id: second.id, why: 'silent' })
  await mesh.pass(120_000)
  const dialled = (await factsOf(mesh, first, 'link.dialled')).filter(({ at }) => at >= (silent?.at ?? 0)).map(({ at }) => at)
  const failed = (await factsOf(mesh, first, 'link.failed')).map(({ at }) => at)
  // a dial into silence takes dialMs = 5 s; what lies between a failure and the next dial is the backoff
  const waits = failed.map(at => (dialled.find(next => next >= at) ?? 0) - at).filter(wait => wait > 0)
  t.ok(waits.length >= 8, 'it keeps trying', { waits })
  t.ok(
    waits.every(wait => wait <= 5_000 * 1.25 + 500),
    'no wait over the cap and its jitter',
    { waits },
  )
  t.ok((waits.at(0) ?? 0) < 2_000 && (waits.at(-1) ?? 0) >= 5_000, 'the waits grow', { waits })
  second.host.deaf = false
  const back = await mesh.until(() => linked(mesh, first, second) && linked(mesh, second, first), 15_000, 'linked again')
  t.ok(back <= 7_000, 'within one wait', { back })
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('a link that is refused again and again is redialled once a minute after ten minutes', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  mesh.crash(second)
  await mesh.pass(900_000)
  const dialled = (await factsOf(mesh, first, 'link.dialled')).map(({ at }) => at)
  const waits = dialled.slice(1).map((at, n) => at - (dialled[n] ?? 0))
  t.ok((waits.at(-1) ?? 0) >= 60_000 && (waits.at(-1) ?? 0) <= 75_500, 'a minute and its jitter', { last: waits.at(-1) })
  t.ok(Number(failures(mesh, first, second)) > 50)
  await sameAsItsLog(t, mesh, first)
})

t.test('a node that crashed comes back in the next epoch, and its links rest and are linked within 5 s', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  await mesh.pass(20_000)
  mesh.crash(second)
  await mesh.pass(3_000)
  const again = await mesh.restart(second)
  const started = (await factsOf(mesh, again, 'node.started')).map(({ fact, epoch }) => ({ fact, epoch }))
  t.match(started, [
    { fact: { epoch: 1 }, epoch: 1 },
    { fact: { epoch: 2 }, epoch: 2 },
  ])
  const took = await mesh.until(() => linked(mesh, first, again) && linked(mesh, again, first), 5_000, 'linked again')
  t.ok(took <= 5_000)
  for (const node of [first, again]) await sameAsItsLog(t, mesh, node)
})

t.test('right after a restart every link rests with a redial armed, whatever it was before', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  mesh.crash(first)
  mesh.crash(second)
  const again = await mesh.restart(second)
  const link = mesh.view(again).machines[`link:${first.id}`]
  t.equal(link?.state, 'resting')
  t.ok(Number(link?.context['redialAt']) - mesh.clock.now() <= 1_000)
  await mesh.pass(2_000)
  t.ok(
    (await factsOf(mesh, again, 'link.dialled')).some(({ epoch }) => epoch === 2),
    'it dialled in its new life',
  )
})

t.test('two nodes that dial each other at once end with a link, and never with none', async t => {
  const mesh = createMesh(t)
  const keys = await Promise.all([0, 1].map(async n => (await import('../helpers/test-keys.ts')).testKey(n)))
  const listing = [0, 1].map(n => ({ server_id: idOf(n), host: '127.0.0.1', port: 9_000 + n, pubkey: keys[n]?.publicText ?? '' }))
  const nodes = await Promise.all(
    [0, 1].map(n => mesh.start(n, { config: { servers: listing.filter(({ server_id }) => server_id !== idOf(n)) } })),
  )
  const [first, second] = nodes as [MeshNode, MeshNode]
  const crossed = (await factsOf(mesh, first, 'link.dialled')).length > 0 && (await factsOf(mesh, second, 'link.dialled')).length > 0
  t.ok(crossed, 'both dialled')
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, second, first), 5_000, 'linked')
  await mesh.pass(60_000)
  t.ok(linked(mesh, first, second) && linked(mesh, second, first), 'and it stays so')
  t.same([...(await factsOf(mesh, first, 'link.closed')), ...(await factsOf(mesh, second, 'link.closed'))], [])
  const user = await attachUser(mesh, first, 3)
  await mesh.quiet()
  t.match(mesh.view(second).directory, [{ user_id: user.id }], 'and it carries frames')
  for (const node of nodes) await sameAsItsLog(t, mesh, node)
})

t.test('a peer that says nothing after TCP is given up, and the link is not taken for one', async t => {
  const mesh = createMesh(t)
  const mute = mesh.network.host('mute')
  await mute.listen({ host: '127.0.0.1', port: 9_001, maxBytes: 65_536, maxSockets: 10 }, () => ({
    message() {},
    malformed() {},
    closed() {},
  }))
  const { testKey } = await import('../helpers/test-keys.ts')
  const key = await testKey(1)
  const node = await mesh.start(0, {
    config: { servers: [{ server_id: idOf(1), host: '127.0.0.1', port: 9_001, pubkey: key.publicText }] },
  })
  await mesh.pass(120_000)
  // without a word it counts as a stock server after 2 s; 45 s of silence end that
  const [silent] = await factsOf(mesh, node, 'link.silent')
  const [linkedThen] = await factsOf(mesh, node, 'link.linked')
  const after = (silent?.at ?? 0) - (linkedThen?.at ?? 0)
  t.ok(after >= 45_000 && after <= 47_000, 'a server that does not ping is found after 45 s', { after })
  t.equal(node.fatals.length, 0)
  await sameAsItsLog(t, mesh, node)
})
