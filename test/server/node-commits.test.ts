/** Facts before effects in a whole node: nothing that follows from a fact leaves before its commit, and nothing after a refusal. */
import t from 'tap'
import { parseFrame } from '../../src/protocol/envelope.ts'
import { createMesh, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, connectUser } from './user.ts'

const sentBy = (mesh: Mesh, node: MeshNode, since: number): readonly string[] =>
  mesh.network.wire
    .slice(since)
    .filter(({ from }) => from === node.name)
    .map(({ text }) => parseFrame(text).type)

t.test('an attachment is acknowledged and advertised only after its commit', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const witness = await attachUser(mesh, first, 3)
  first.hold = true
  const since = mesh.network.wire.length
  const user = await connectUser(mesh, first, 4)
  await mesh.pass(4_000)
  t.match(mesh.view(first).machines[`session:${user.id}`], { state: 'attached' }, 'decided in memory')
  t.same(sentBy(mesh, first, since).toSorted(), ['CHALLENGE', 'PROOF'], 'only what asks for and gives the proof')
  first.release()
  await mesh.quiet()
  t.same(sentBy(mesh, first, since).slice(2).toSorted(), ['ACK', 'USER_ADVERTISE', 'USER_ADVERTISE'])
  t.ok(user.attached())
  t.ok(witness.heard.some(({ type, payload }) => type === 'USER_ADVERTISE' && payload['user_id'] === user.id))
  t.ok(mesh.view(second).directory.some(({ user_id }) => user_id === user.id))
  await sameAsItsLog(t, mesh, first)
})

t.test('what is told at one commit is not what only a later one makes safe', async t => {
  const mesh = createMesh(t)
  const [first] = await startPair(mesh)
  first.hold = true
  await connectUser(mesh, first, 4)
  await mesh.pass(1_000)
  // the same person once more, before the first attachment is safe
  await connectUser(mesh, first, 4)
  await mesh.pass(1_000)
  const since = mesh.network.wire.length
  const [, latest] = mesh.view(first).directory[0]?.claims[0]?.seq ?? []
  t.equal(latest, 2)
  first.releaseOne()
  await mesh.quiet()
  t.notOk(sentBy(mesh, first, since).includes('USER_ADVERTISE'), 'the live state says more than the log')
  first.release()
  await mesh.quiet()
  t.ok(sentBy(mesh, first, since).includes('USER_ADVERTISE'))
})

t.test('a removal leaves only after its commit', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 4)
  await mesh.quiet()
  first.hold = true
  const since = mesh.network.wire.length
  user.leave()
  await mesh.pass(2_000)
  t.same(sentBy(mesh, first, since), [])
  t.equal(mesh.view(second).directory.length, 1)
  first.release()
  await mesh.quiet()
  t.same(sentBy(mesh, first, since), ['USER_REMOVE'])
  t.same(mesh.view(second).directory, [])
})

t.test('gossip is applied at once and passed on only after its commit', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const witness = await attachUser(mesh, first, 3)
  first.hold = true
  const since = mesh.network.wire.length
  const user = await attachUser(mesh, second, 4)
  await mesh.pass(1_000)
  t.ok(mesh.view(first).directory.some(({ user_id }) => user_id === user.id))
  t.same(sentBy(mesh, first, since), [])
  t.notOk(witness.heard.some(({ payload }) => payload['user_id'] === user.id))
  first.release()
  await mesh.quiet()
  t.ok(witness.heard.some(({ payload }) => payload['user_id'] === user.id))
})

t.test('a node whose commit is refused says so once and sends nothing more', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 3)
  await mesh.quiet()
  first.failNext = true
  const since = mesh.network.wire.length
  const late = await connectUser(mesh, first, 4)
  await mesh.pass(120_000)
  t.match(first.fatals, [{ name: 'LogRefused' }])
  t.notOk(late.attached())
  t.same(
    sentBy(mesh, first, since).filter(type => !['CHALLENGE', 'PROOF'].includes(type)),
    [],
    'no acknowledgement, no gossip, no heartbeat',
  )
  const after = mesh.network.wire.length
  await user.send('MSG_DIRECT', user.id, { ciphertext: 'QUJD', sender_pub: first.pubkey, content_sig: 'QUJD' })
  const stranger = await connectUser(mesh, first, 5).catch((error: unknown) => error)
  await mesh.pass(60_000)
  t.same(sentBy(mesh, first, after), [], 'nor an answer to anybody')
  t.ok(stranger)
  t.equal(first.fatals.length, 1)
  t.notOk(linked(mesh, second, first), 'its peer has noticed')
})

t.test('what was not committed when a node crashed has never happened', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  first.hold = true
  const user = await connectUser(mesh, first, 4)
  await mesh.pass(1_000)
  t.match(mesh.view(first).directory, [{ user_id: user.id, local: 'attached' }])
  mesh.crash(first)
  const again = await mesh.restart(first)
  t.same(mesh.view(again).directory, [])
  t.same(mesh.view(second).directory, [], 'and nobody has heard of it')
  await sameAsItsLog(t, mesh, again)
})

t.test('a newcomer is vouched for only after the commit of their link', async t => {
  const mesh = createMesh(t)
  const [first] = await startPair(mesh)
  const since = mesh.network.wire.length
  first.hold = true
  const third = await mesh.start(2, { introducers: [first] })
  await mesh.pass(5_000)
  t.ok(linked(mesh, first, third), 'decided in memory')
  t.notOk(sentBy(mesh, first, since).includes('SERVER_VOUCH'))
  first.release()
  await mesh.quiet()
  t.ok(sentBy(mesh, first, since).includes('SERVER_VOUCH'))
})
