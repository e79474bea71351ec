/** Attacks on tables that never shrink: whoever fills them keeps everybody else out. */
import t from 'tap'
import { admitStock, createIntruder } from '../helpers/intruder.ts'
import { createMesh, idOf, startPair } from '../server/mesh.ts'
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

t.test('a receipt says little: its server keeps it as it came', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const reader = await attachUser(mesh, home, 4)
  const sender = await attachUser(mesh, home, 5)
  const receipt = {
    sender: sender.id,
    recipient: reader.id,
    refs: Array.from({ length: 64 }, (_, n) => `${n}`.padEnd(64, 'x')),
    state: 'delivered',
  }
  await reader.send('RECEIPT', sender.id, receipt)
  await reader.send('RECEIPT', sender.id, { ...receipt, more: 'x'.repeat(8_192) })
  await mesh.pass(1_000)
  t.equal(sender.heard.filter(({ type }) => type === 'RECEIPT').length, 1)
  t.equal(home.running.counters()['refused too_large'], 1)
})

t.test('a server that others take for gone cannot fill them with what it says meanwhile', async t => {
  const mesh = createMesh(t)
  const [home, gone] = await startPair(mesh, { limits: { outgoingBytes: 1_000_000 } })
  const relay = await admitStock(mesh, home, 3, idOf(3), 9_501)
  mesh.crash(gone)
  const server = await createIntruder(mesh, 1, gone.id)
  await mesh.until(() => home.fold.state.directory.standings.get(gone.id)?.doubt === 'lapsed', 120_000, 'it has lapsed')
  for (let n = 0; n < 20; n += 1) {
    const payload = { user_id: `nobody-${n}`, server_id: server.id, seq: [1_900_000_000, n], more: 'x'.repeat(60_000) }
    relay.link.send(await server.signed('USER_REMOVE', '*', payload))
  }
  await mesh.pass(1_000)
  const withheld = home.running.gauges()['withheld'] ?? 0
  t.ok(withheld > 900_000 && withheld <= 1_000_000, 'up to a bound', { withheld })
})

t.test('files that one server brings leave room for those of others', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0, { config: { limits: { transfers: 40 } } })
  const reader = await attachUser(mesh, home, 5)
  const sender = await attachUser(mesh, home, 6)
  const { server, link } = await admitStock(mesh, home, 2, idOf(2), 9_500)
  const offer = { name: 'a', size: 1_000, mode: 'dm', inner_type: 'FILE_START', user_id: reader.id }
  for (let n = 0; n < 60; n += 1)
    link.send(await server.signed('SERVER_DELIVER', home.id, { ...offer, sender: `nobody-${n}`, file_id: `${n}` }))
  await mesh.pass(1_000)
  t.equal(reader.heard.filter(({ type }) => type === 'FILE_START').length, 10)
  await sender.send('FILE_START', reader.id, { file_id: 'f', name: 'a', size: 10, mode: 'dm' })
  await mesh.pass(1_000)
  t.equal(reader.heard.filter(({ type }) => type === 'FILE_START').length, 11)
})
