/** Who left while two nodes were apart: the removal is told again when the link is back. */
import t from 'tap'
import { createMesh, linked, startPair } from './mesh.ts'
import { attachUser } from './user.ts'

t.test('after a partition a node knows who has left meanwhile', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const user = await attachUser(mesh, second, 4)
  await mesh.quiet()
  first.host.deaf = true
  await mesh.pass(60_000)
  user.leave()
  await mesh.pass(1_000)
  first.host.deaf = false
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, second, first), 70_000, 'linked again')
  await mesh.pass(600_000)
  t.same(mesh.view(second).directory, [])
  t.same(mesh.view(first).directory, [], 'and not listed as online ten minutes later')
})

t.test('after a clean restart of a node its peers do not list those who were there before', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  await attachUser(mesh, second, 4)
  await mesh.quiet()
  const stopped = second.running.stop('SIGTERM')
  await mesh.pass(1_000)
  await stopped
  const again = await mesh.restart(second)
  await mesh.until(() => linked(mesh, first, again) && linked(mesh, again, first), 15_000, 'linked again')
  await mesh.pass(600_000)
  t.same(mesh.view(again).directory, [])
  t.same(mesh.view(first).directory, [])
})
