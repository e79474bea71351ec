/** How sure a node is of where people are, as its log alone tells it: now, and at any moment before. */
import t, { type Test } from 'tap'
import { createTraveller, type Past, stateOf, travel } from '../../src/server/time-travel.ts'
import { differencesBetween } from '../../src/server/time-travel-changes.ts'
import { createMesh, type Mesh, type MeshNode, startPair } from './mesh.ts'
import { attachUser, userId } from './user.ts'

const pastOf = async (mesh: Mesh, node: MeshNode): Promise<Past> => {
  const facts = await mesh.facts(node)
  return {
    read: async function* (from: number) {
      yield* facts.filter(({ seq }) => seq >= from)
    },
    head: () => facts.length,
  }
}

/** What is said of user `n` by the fold of now, and by a replay up to here; they must agree. */
const said = async (t: Test, mesh: Mesh, node: MeshNode, n: number): Promise<string | undefined> => {
  const now = mesh.view(node).directory.find(({ user_id }) => user_id === userId(n))?.claims[0]?.presence
  const traveller = createTraveller(await pastOf(mesh, node))
  await travel(await pastOf(mesh, node), traveller, undefined)
  const then = stateOf(traveller).directory[userId(n)]
  t.equal(then?.claims[0]?.presence, now)
  return now
}

t.test('a claim is online while its server is linked, suspect when that is lost, then lapsed', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  await attachUser(mesh, second, 3)
  await mesh.pass(1_000)
  t.equal(await said(t, mesh, first, 3), 'online')
  const before = (await mesh.facts(first)).length
  mesh.crash(second)
  await mesh.pass(1_000)
  t.equal(await said(t, mesh, first, 3), 'suspect')
  const { changes } = await differencesBetween(await pastOf(mesh, first), { seq: before }, undefined)
  t.match(
    changes.filter(({ part }) => part === 'standings'),
    [{ key: second.id, before: null, after: { doubt: 'suspect' } }],
    'what changed is one thing, however many people it is about',
  )
  await mesh.pass(40_000)
  t.equal(await said(t, mesh, first, 3), 'lapsed')
})

t.test('after a restart everybody is recovered, until they or their server say otherwise', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const here = await attachUser(mesh, first, 3)
  await attachUser(mesh, second, 4)
  await mesh.pass(1_000)
  here.drop()
  await mesh.pass(1_000)
  t.equal(await said(t, mesh, first, 3), 'away')
  await attachUser(mesh, first, 3)
  t.equal(await said(t, mesh, first, 3), 'online')
  mesh.crash(first)
  second.host.deaf = true
  const again = await mesh.restart(first)
  t.equal(await said(t, mesh, again, 3), 'recovered')
  t.equal(await said(t, mesh, again, 4), 'recovered')
  second.host.deaf = false
  await mesh.until(() => mesh.view(again).machines[`link:${second.id}`]?.state === 'linked', 60_000, 'linked')
  await mesh.pass(2_000)
  t.equal(await said(t, mesh, again, 4), 'online')
})
