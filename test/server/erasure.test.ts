/** Erasing a person takes what is theirs and nothing else, whatever their id is. */
import t from 'tap'
import { attachUser } from './user.ts'
import { createMesh, sameAsItsLog } from './mesh.ts'

t.test('people whose id is a part of other words are erased like anybody', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  for (const id of ['e', '1', 'node.started', 'epoch']) {
    const user = await attachUser(mesh, home, 4, { id })
    user.leave()
    await mesh.pass(1_000)
    t.match(await home.ask('purge', { user: id }), { known: true })
    t.equal(mesh.view(home).server_id, home.id, 'the node knows who it is')
  }
  const other = await attachUser(mesh, home, 5)
  t.match(mesh.view(home).directory, [{ user_id: other.id, local: 'attached', claims: [{ server_id: home.id }] }])
  await sameAsItsLog(t, mesh, home)
})
