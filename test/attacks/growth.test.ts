/** Attacks on tables that never shrink: whoever fills them keeps everybody else out. */
import t from 'tap'
import { admitStock, createIntruder } from '../helpers/intruder.ts'
import { createMesh, idOf } from '../server/mesh.ts'
import { attachUser } from '../server/user.ts'

t.test('users whom a member invents and takes back do not use up the places of people who attach here', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0, { config: { limits: { pins: 40 } } })
  const { server, link } = await admitStock(mesh, home, 2, idOf(2), 9_500)
  for (let n = 0; n < 60; n += 1) {
    const about = { user_id: `invented-${n}`, server_id: server.id }
    link.send(await server.signed('USER_ADVERTISE', '*', { ...about, meta: { pubkey: server.pubkey } }))
    link.send(await server.signed('USER_REMOVE', '*', { ...about, n }))
  }
  await mesh.pass(1_000)
  const ann = await attachUser(mesh, home, 5)
  t.ok(ann.attached())
})

t.test('people who attach from one address in turn are held to a rate, whatever they call themselves', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0, { config: { limits: { attaches: { burst: 5, perSecond: 1 } } } })
  const churner = await createIntruder(mesh, 6, 'churner')
  let refused = 0
  for (let n = 0; n < 20; n += 1) {
    const socket = await churner.dial(home)
    socket.send(
      churner.unsigned('USER_HELLO', '*', { client: 'x', pubkey: churner.pubkey, meta: {} }).replaceAll('churner', `churner-${n}`),
    )
    await mesh.quiet()
    refused += Number(socket.heard.some(({ type, payload }) => type === 'ERROR' && payload['code'] === 'TIMEOUT'))
    socket.drop()
  }
  t.equal(refused, 15)
  await mesh.pass(10_000)
  const again = await churner.dial(home)
  again.send(churner.unsigned('USER_HELLO', '*', { client: 'x', pubkey: churner.pubkey, meta: {} }))
  t.ok(await again.hear('ACK'), 'after a while they come in again')
})
