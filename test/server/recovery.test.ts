/** A node that comes back: from a snapshot, from a base, from facts that cannot all be folded, and from having forgotten somebody. */
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address } from '../../src/protocol/ids.ts'
import { FOLD_VERSION, type FoldedState } from '../../src/server/replay.ts'
import { createMesh, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, connectUser, userId } from './user.ts'

const stop = async (mesh: Mesh, node: MeshNode): Promise<void> => {
  const stopped = node.running.stop('test')
  await mesh.pass(1_000)
  await stopped
}

/** Writes facts behind the back of a stopped node, as an older program might have recorded them. */
const recordBehind = (node: MeshNode, ...facts: readonly (readonly [Address, unknown])[]): void => {
  for (const [stream, fact] of facts) {
    const version = (node.disk.versions.get(stream) ?? 0) + 1
    node.disk.versions.set(stream, version)
    const at = node.disk.rows.at(-1)?.at ?? 0
    node.disk.rows.push({ stream, at, type: (fact as Fact).type, data: JSON.stringify(fact), version, epoch: node.disk.epoch })
  }
}

/** Everything that a disk in memory holds, as text; but the names of streams, which only a real one erases. */
const contentOf = (node: MeshNode): string =>
  JSON.stringify([node.disk.rows.map(({ data }) => data), node.disk.snapshots, node.disk.base, [...node.disk.versions]])

t.test('after a clean stop the next start reads nothing but the newest snapshot', async t => {
  const mesh = createMesh(t)
  const [first] = await startPair(mesh)
  const user = await attachUser(mesh, first, 3)
  await mesh.quiet()
  const before = mesh.view(first)
  await stop(mesh, first)
  t.equal(first.disk.snapshots[0]?.seq, first.disk.rows.length, 'a snapshot of the last fact')
  t.equal(first.disk.checkpoints.at(-1)?.seq, first.disk.rows.length, 'and a checkpoint')
  const facts = first.disk.rows.map(row => row.data)
  for (const row of first.disk.rows) row.data = 'not to be read'
  const again = await mesh.restart(first)
  t.same(again.complaints, [])
  first.disk.rows.forEach((row, index) => {
    row.data = facts[index] ?? row.data
  })
  t.same(mesh.view(again).pins, before.pins)
  t.notOk(
    mesh.view(again).directory.some(({ user_id }) => user_id === user.id),
    'the stop had ended the session',
  )
  await sameAsItsLog(t, mesh, again)
})

t.test('a snapshot is made after so many facts, and a crash comes back from it and the tail', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { snapshotFacts: 5 } } })
  const user = await attachUser(mesh, node, 3)
  await mesh.pass(6_000)
  t.equal(node.disk.snapshots.length, 0, 'not before it is due')
  user.drop()
  await mesh.quiet()
  await attachUser(mesh, node, 3)
  await attachUser(mesh, node, 4)
  await mesh.pass(6_000)
  const { seq } = node.disk.snapshots[0] ?? { seq: 0 }
  t.equal(seq, node.disk.rows.length)
  await attachUser(mesh, node, 5)
  await mesh.quiet()
  const before = mesh.view(node)
  mesh.crash(node)
  const again = await mesh.restart(node)
  t.same(
    mesh.view(again).directory.map(({ user_id, local }) => [user_id, local]),
    before.directory.map(({ user_id }) => [user_id, 'detached']),
  )
  t.same(mesh.view(again).pins, before.pins)
  await sameAsItsLog(t, mesh, again)
})

t.test('a snapshot that cannot be used is ignored with a sentence, and made anew', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  await attachUser(mesh, node, 3)
  await stop(mesh, node)
  const [newest] = node.disk.snapshots
  if (newest === undefined) throw new Error('there is no snapshot')
  for (const damaged of [
    { ...newest, foldVersion: 'older' },
    { ...newest, state: newest.state.slice(0, -10) },
    { ...newest, state: '{}' },
    { ...newest, state: JSON.stringify({ ...(JSON.parse(newest.state) as FoldedState), machines: { 'nobody:x': {} } }) },
  ]) {
    node.disk.snapshots = [damaged]
    const again = await mesh.restart(node)
    t.equal(again.complaints.filter(line => line.startsWith('a snapshot was passed over ')).length, 1, again.complaints.join())
    await sameAsItsLog(t, mesh, again)
    await stop(mesh, again)
    t.equal(node.disk.snapshots[0]?.foldVersion, FOLD_VERSION)
    t.equal(node.disk.snapshots[0]?.seq, node.disk.rows.length)
  }
})

t.test('a checkpoint is signed on an interval, if facts came', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { timing: { checkpointMs: 10_000 } } })
  await mesh.pass(11_000)
  t.equal(node.disk.checkpoints.length, 1)
  await mesh.pass(21_000)
  t.equal(node.disk.checkpoints.length, 1, 'nothing came')
  await attachUser(mesh, node, 3)
  await mesh.pass(11_000)
  t.equal(node.disk.checkpoints.length, 2)
  t.match(node.disk.checkpoints[1], { seq: node.disk.rows.length, stateHash: /^[0-9a-f]{64}$/, sig: /^[\w-]{683}$/ })
})

t.test('a fact that breaks the fold sets its stream aside: the node serves all others, and that user may not attach', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 3)
  await attachUser(mesh, first, 4)
  await mesh.quiet()
  mesh.crash(first)
  first.disk.snapshots = []
  const broken = { type: 'session.attached', user: user.id, pubkey: 'x', meta: {}, caps: [], proven: true, seq: null }
  recordBehind(first, [`session:${user.id}`, broken], ['node', { type: 'node.stopped', why: 'test' }])
  const seq = first.disk.rows.length - 1

  const again = await mesh.restart(first)
  t.match(again.events, [
    { event: 'degraded', why: new RegExp(`^session:${user.id} is set aside from fact ${seq} on: `) },
    { event: 'ready' },
  ])
  const decisions = async (node: MeshNode) => (await mesh.facts(node)).filter(({ fact }) => fact.type === 'stream.setAside')
  t.match(await decisions(again), [{ stream: 'node', fact: { stream: `session:${user.id}`, seq } }])
  await mesh.until(() => linked(mesh, again, second), 10_000, 'it serves')
  const other = await attachUser(mesh, again, 4)
  t.ok(other.attached())
  const refused = await connectUser(mesh, again, 3)
  await mesh.pass(2_000)
  t.notOk(refused.attached())
  t.match(
    refused.heard.filter(({ type }) => type === 'ERROR'),
    [{ payload: { code: 'TIMEOUT' } }],
  )
  await mesh.pass(40_000)
  t.same(again.fatals, [], 'the grace time of a session that is set aside is nobody’s')
  t.match(await again.ask('dead.list'), [{ stream: `session:${user.id}`, seq, foldable: false }])
  await t.rejects(again.ask('dead.retry', { stream: `session:${user.id}` }), { message: /still cannot be folded, at fact/ })

  mesh.crash(again)
  const third = await mesh.restart(again)
  t.equal((await decisions(third)).length, 1, 'decided once')
  await stop(mesh, third)
  const fourth = await mesh.restart(third)
  t.match(await fourth.ask('dead.list'), [{ stream: `session:${user.id}`, foldable: false }], 'a snapshot remembers it')
  t.match(fourth.events[0], { event: 'degraded' })

  await mesh.until(() => linked(mesh, fourth, second), 10_000, 'linked')
  const since = mesh.network.wire.length
  await fourth.ask('dead.drop', { stream: `session:${user.id}` })
  await mesh.quiet()
  t.same(await fourth.ask('dead.list'), [])
  t.ok(
    mesh.network.wire.slice(since).some(({ text }) => text.includes('USER_REMOVE') && text.includes(user.id)),
    'the others are told',
  )
  t.notOk(mesh.view(second).directory.some(({ user_id }) => user_id === user.id))
  const returned = await attachUser(mesh, fourth, 3)
  t.ok(returned.attached())
  await sameAsItsLog(t, mesh, fourth)
  mesh.crash(fourth)
  const fifth = await mesh.restart(fourth)
  t.match(mesh.view(fifth).machines[`session:${user.id}`], { state: 'detached' }, 'what came after the drop counts')
  t.notOk(fifth.events.some(({ event }) => event === 'degraded'))
  await sameAsItsLog(t, mesh, fifth)
})

t.test('a link that is set aside is not dialled and its server not let in; a retry that can be folded brings it back', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  mesh.crash(first)
  const stream: Address = `link:${second.id}`
  recordBehind(first, ['node', { type: 'stream.setAside', stream, seq: 3, why: 'an older program could not' }])
  const again = await mesh.restart(first)
  t.match(again.events[0], { event: 'degraded' })
  await mesh.pass(40_000)
  t.notOk(linked(mesh, again, second))
  t.notOk(linked(mesh, second, again))
  t.match(await again.ask('dead.list'), [{ stream, seq: 3, foldable: true }])
  t.match(await again.ask('machines'), [{ address: stream, state: 'resting', set_aside: true }, {}].slice(0, 1))
  await t.rejects(again.ask('compact', { keep: 0 }), { message: /1 stream is set aside/ })
  await again.ask('dead.retry', { stream })
  await mesh.until(() => linked(mesh, again, second) && linked(mesh, second, again), 200_000, 'linked again')
  t.same(await again.ask('dead.list'), [])
  await sameAsItsLog(t, mesh, again)
})

t.test('compaction leaves the state as it is and the sequences going on, and the next start begins at the base', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 3)
  await attachUser(mesh, second, 4)
  await mesh.quiet()
  const before = mesh.view(first)
  const head = await first.log.head()
  t.same(await first.ask('compact', { keep: 4 }), { dropped: head - 4, base: head - 4 })
  t.same(mesh.view(first), before)
  await sameAsItsLog(t, mesh, first)
  t.same(await first.ask('compact', { keep: 4 }), { dropped: 0, base: head - 4 })
  t.same(await first.ask('compact', { keep: 0 }), { dropped: 4, base: head })
  t.equal(first.disk.rows.length, 0)
  await sameAsItsLog(t, mesh, first)
  user.leave()
  await mesh.quiet()
  t.equal(await first.log.head(), head + 1)
  mesh.crash(first)
  const again = await mesh.restart(first)
  t.same(again.complaints, [])
  await mesh.until(() => linked(mesh, again, second), 10_000, 'linked')
  t.notOk(mesh.view(again).directory.some(({ user_id }) => user_id === user.id))
  await sameAsItsLog(t, mesh, again)
})

t.test('a purge forgets an attached user everywhere here, and they may come back as somebody new', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 3, { name: 'Rumpelstiltskin' })
  const stays = await attachUser(mesh, first, 4)
  await first.ask('snapshot')
  await first.ask('compact', { keep: 3 })
  t.match(contentOf(first), user.id)
  const rows = (await first.ask('purge', { user: user.id })) as { readonly rows: number }
  await mesh.quiet()
  t.ok(rows.rows > 0)
  for (const secret of [user.id, 'Rumpelstiltskin']) t.notOk(contentOf(first).includes(secret), secret)
  t.match(user.ended, [{ code: 1000, reason: 'erased' }])
  t.equal(mesh.view(first).pins.users[user.id], undefined)
  t.notOk(
    mesh.view(second).directory.some(({ user_id }) => user_id === user.id),
    'the others were told that they left',
  )
  t.ok(stays.ended.length === 0 && mesh.view(first).directory.some(({ user_id }) => user_id === stays.id))
  await sameAsItsLog(t, mesh, first)
  const returned = await attachUser(mesh, first, 3, { name: 'somebody' })
  await mesh.quiet()
  t.ok(returned.attached())
  t.ok(
    mesh.view(second).directory.some(({ user_id }) => user_id === user.id),
    'their presence counts after what was erased',
  )
  mesh.crash(first)
  const again = await mesh.restart(first)
  t.match(mesh.view(again).machines[`session:${user.id}`], { state: 'detached' })
  t.same(again.complaints, [])
  await sameAsItsLog(t, mesh, again)
})

t.test('a purge of nobody erases nothing, and while facts keep coming the state stays the fold over the log', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const remote = await attachUser(mesh, second, 4)
  await mesh.quiet()
  const { seq } = mesh.view(first)
  t.same(await first.ask('purge', { user: userId(9) }), { known: false, rows: 0, wiped: true })
  t.equal(mesh.view(first).seq, seq, 'and records nothing')
  const busy = await attachUser(mesh, first, 5)
  const purged = first.ask('purge', { user: remote.id })
  busy.drop()
  await attachUser(mesh, first, 6)
  t.match(await purged, { known: true })
  await mesh.quiet()
  t.match(await first.ask('purge', { user: remote.id }), { known: false }, 'they were purged before')
  t.equal(mesh.view(first).pins.users[remote.id], undefined)
  await sameAsItsLog(t, mesh, first)
})

t.test('an unknown command and parameters that cannot be used are sentences', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  await t.rejects(node.ask('nonsense' as 'machines'), { message: /knows no command nonsense; it knows machines, / })
  await t.rejects(node.ask('compact', { keep: -1 }), { message: /^The parameters cannot be used, at keep: / })
  await t.rejects(node.ask('dead.drop', { stream: 'link:x' }), { message: /No stream link:x is set aside/ })
})
