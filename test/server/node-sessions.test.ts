/** Users at whole nodes: grace, return, restart, and several hellos for one id. */
import t from 'tap'
import { createMesh, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, connectUser, type MeshUser, userId } from './user.ts'

const removalsOf = (witness: MeshUser, user: MeshUser) =>
  witness.heard.filter(({ type, payload }) => type === 'USER_REMOVE' && payload['user_id'] === user.id)
const localOf = (mesh: Mesh, node: MeshNode, user: MeshUser) => mesh.view(node).directory.find(({ user_id }) => user_id === user.id)?.local
const knows = (mesh: Mesh, node: MeshNode, user: MeshUser) => mesh.view(node).directory.some(({ user_id }) => user_id === user.id)
const factsAbout = async (mesh: Mesh, node: MeshNode, user: MeshUser) =>
  (await mesh.facts(node)).filter(({ stream }) => stream === `session:${user.id}`).map(({ fact }) => fact.type)

t.test('a user whose socket broke stays listed for 30 s and is then removed everywhere', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const witness = await attachUser(mesh, second, 3)
  const user = await attachUser(mesh, first, 4)
  await mesh.pass(1_000)
  user.drop()
  await mesh.quiet()
  const dropped = mesh.clock.now()
  t.equal(localOf(mesh, first, user), 'detached')
  await mesh.pass(29_750)
  t.ok(knows(mesh, first, user) && knows(mesh, second, user), 'still listed after 29.75 s')
  await mesh.pass(250)
  t.notOk(knows(mesh, first, user) || knows(mesh, second, user), 'gone after 30 s')
  const ended = (await mesh.facts(first)).find(({ fact }) => fact.type === 'session.ended')
  t.equal(ended?.at, dropped + 30_000)
  t.match(removalsOf(witness, user), [{ from: first.id, payload: { server_id: first.id } }])
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('a user who returns within the grace time keeps their place', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 4)
  user.drop()
  await mesh.pass(29_000)
  const back = await attachUser(mesh, first, 4)
  await mesh.pass(60_000)
  t.equal(localOf(mesh, first, back), 'attached')
  t.ok(knows(mesh, second, back))
  t.same(await factsAbout(mesh, first, user), ['session.attached', 'session.detached', 'session.attached'])
  t.same(
    mesh.network.wire.filter(({ text }) => text.includes('"USER_REMOVE"')),
    [],
  )
  for (const node of [first, second]) await sameAsItsLog(t, mesh, node)
})

t.test('a user who says goodbye is removed at once', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, first, 4)
  await mesh.quiet()
  t.ok(knows(mesh, second, user))
  user.leave()
  await mesh.quiet()
  t.notOk(knows(mesh, first, user) || knows(mesh, second, user))
  t.same(await factsAbout(mesh, first, user), ['session.attached', 'session.ended'])
})

t.test('after a crash the users are detached and listed, and are removed when the grace time is over', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const [gone, back] = [await attachUser(mesh, second, 3), await attachUser(mesh, second, 4)]
  await mesh.quiet()
  mesh.crash(second)
  await mesh.pass(60_000)
  t.ok(knows(mesh, first, gone) && knows(mesh, first, back), 'a peer does not remove them by itself')
  const again = await mesh.restart(second)
  const restarted = mesh.clock.now()
  t.same([localOf(mesh, again, gone), localOf(mesh, again, back)], ['detached', 'detached'])
  await mesh.pass(10_000)
  await attachUser(mesh, again, 4)
  await mesh.pass(19_750)
  t.ok(knows(mesh, again, gone))
  await mesh.pass(4_000)
  t.notOk(knows(mesh, again, gone) || knows(mesh, first, gone))
  t.ok(knows(mesh, again, back) && knows(mesh, first, back))
  const ended = (await mesh.facts(again)).find(({ fact }) => fact.type === 'session.ended')
  const after = (ended?.at ?? 0) - restarted
  t.ok(after >= 30_000 && after <= 33_250, '30 s after the restart, and a little', { after })
  for (const node of [first, again]) await sameAsItsLog(t, mesh, node)
})

t.test('servers that are restarted together remove who did not return one after the other, each all of its own at once', async t => {
  const mesh = createMesh(t)
  const nodes = await startPair(mesh)
  for (const [n, node] of nodes.entries()) for (const user of [3, 4]) await attachUser(mesh, node, user + 2 * n)
  await mesh.pass(1_000)
  for (const node of nodes) mesh.crash(node)
  const again: MeshNode[] = []
  for (const node of nodes) again.push(await mesh.restart(node))
  await mesh.pass(40_000)
  const ends = await Promise.all(
    again.map(async node => (await mesh.facts(node)).flatMap(({ at, fact }) => (fact.type === 'session.ended' ? [at] : []))),
  )
  for (const at of ends) t.ok(at.length === 2 && at[0] === at[1], 'in one tick')
  t.not(ends[0]?.[0], ends[1]?.[0])
})

t.test('of two proven hellos for one id the second takes over, and the first hears why', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const proved = Promise.withResolvers<undefined>()
  const both = await Promise.all([1, 2].map(() => connectUser(mesh, node, 3, { proveAfter: proved.promise })))
  await mesh.quiet()
  t.same(
    both.map(user => user.attached()),
    [false, false],
  )
  proved.resolve(undefined)
  await mesh.pass(1_000)
  t.same(
    both.map(user => user.attached()),
    [true, true],
  )
  const open = both.filter(user => user.ended.length === 0)
  t.equal(open.length, 1, 'one socket is left')
  t.match(both.find(user => user.ended.length > 0)?.ended, [{ code: 1000, reason: /program with your key has attached here/ }])
  t.equal(localOf(mesh, node, both[0] as MeshUser), 'attached')
  t.match(mesh.view(node).directory, [{ user_id: userId(3) }])
  await sameAsItsLog(t, mesh, node)
})

t.test('of hellos without proof for one id one is attached and the others are refused', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const all = await Promise.all([1, 2, 3].map(() => connectUser(mesh, node, 3, { proof: false })))
  await mesh.pass(1_000)
  t.equal(all.filter(user => user.attached()).length, 1)
  for (const user of all.filter(each => !each.attached())) t.match(user.heard, [{ type: 'ERROR', payload: { code: 'NAME_IN_USE' } }])
  await sameAsItsLog(t, mesh, node)
})

t.test('another key under a pinned id is refused, while its user is here and after they left', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  const user = await attachUser(mesh, node, 3)
  for (const presence of ['here', 'gone']) {
    const thief = await connectUser(mesh, node, 4, { id: user.id })
    await mesh.pass(500)
    t.notOk(thief.attached(), presence)
    t.match(thief.heard.at(-1), { type: 'ERROR', payload: { code: 'NAME_IN_USE' } })
    user.leave()
    await mesh.quiet()
  }
  t.same(mesh.view(node).directory, [])
})

t.test('of proven hellos for one id that come before one commit only the last keeps its socket', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  node.hold = true
  const all: MeshUser[] = []
  for (let n = 0; n < 4; n += 1) {
    all.push(await connectUser(mesh, node, 3))
    await mesh.pass(250)
  }
  node.release()
  await mesh.pass(20_000)
  t.same(
    all.map(({ ended }) => ended.length),
    [1, 1, 1, 0],
  )
  await sameAsItsLog(t, mesh, node)
})

t.test('a full server refuses newcomers, and a user within the grace time returns', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0, { config: { limits: { sessions: 1 } } })
  const user = await attachUser(mesh, node, 3)
  const newcomer = await connectUser(mesh, node, 4)
  await mesh.pass(1_000)
  t.match(newcomer.heard, [{ type: 'ERROR', payload: { code: 'TIMEOUT' } }])
  t.match(newcomer.ended, [{ code: 1002 }])
  user.drop()
  await mesh.pass(1_000)
  const back = await attachUser(mesh, node, 3)
  t.equal(localOf(mesh, node, back), 'attached')
})

t.test('who asks for a key by another name is answered in its form, also when nobody has that id', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const user = await attachUser(mesh, home, 4)
  await user.send('CTRL_GET_PUB', home.id, { user_id: user.id, req_id: 'known' })
  await user.send('CTRL_GET_PUB', home.id, { user_id: 'nobody', req_id: 'unknown' })
  await mesh.pass(1_000)
  t.match(
    user.heard.filter(({ type }) => type === 'CTRL_PUBKEY').map(({ payload }) => payload),
    [
      { ok: true, user_id: user.id, req_id: 'known' },
      { ok: false, error: 'USER_NOT_FOUND', req_id: 'unknown' },
    ],
  )
})
