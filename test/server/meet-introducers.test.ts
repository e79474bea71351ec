/** Whoever joined through one introducer while another was away meets that one as well (SOCP §8.1). */
import t from 'tap'
import { createMesh } from './mesh.ts'

t.test('a server that joined through the second introducer is linked to the first when it is back', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(1)
  const second = await mesh.start(2, { introducers: [first] })
  const linked = (): boolean => mesh.view(first).machines[`link:${second.id}`]?.state === 'linked'
  await mesh.until(linked, 30_000, 'the introducers know each other')
  mesh.crash(first)
  const third = await mesh.start(3, { introducers: [first, second] })
  await mesh.until(() => mesh.view(third).machines[`link:${second.id}`]?.state === 'linked', 30_000, 'the third has joined')
  const back = await mesh.restart(first)
  await mesh.until(() => mesh.view(back).machines[`link:${third.id}`]?.state === 'linked', 120_000, 'they have met')
  t.equal(mesh.view(back).machines[`link:${third.id}`]?.state, 'linked')
  t.equal(mesh.view(third).machines[`link:${first.id}`]?.state, 'linked')
})
