/** Attacks through honest relays: what a third party sends must not cost two honest servers their link, nor its memory of what it saw. */
import t from 'tap'
import { admitStock } from '../helpers/intruder.ts'
import { attachUser, userId } from '../server/user.ts'
import { createMesh, idOf, linked, type Mesh, type MeshNode } from '../server/mesh.ts'

const counter = (node: MeshNode, name: string): number => node.running.counters()[name] ?? 0

/** `first` admits whoever asks; `second` takes nobody but `first`. */
const startGuarded = async (mesh: Mesh): Promise<readonly [MeshNode, MeshNode]> => {
  const first = await mesh.start(0)
  const listed = [{ server_id: first.id, host: '127.0.0.1', port: first.port, pubkey: first.pubkey }]
  const second = await mesh.start(1, { introducers: [first], config: { membership: 'listed', servers: listed } })
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, second, first), 5_000, 'the two are linked')
  return [first, second]
}

t.test('gossip of a server that only one of two knows does not end the link between the two', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startGuarded(mesh)
  const { server, link } = await admitStock(mesh, first, 2, idOf(2), 9_500)
  const before = second.events.length
  for (let n = 0; n < 60; n += 1) {
    const payload = { user_id: `guest-${n}`, server_id: server.id, meta: { pubkey: server.pubkey } }
    link.send(await server.signed('USER_ADVERTISE', '*', payload))
  }
  await mesh.pass(2_000)
  t.equal(mesh.view(first).directory.length, 60, 'the one that knows it took them all')
  t.equal(mesh.view(second).directory.length, 0, 'the other one none')
  t.ok(counter(second, 'refused unknown_origin') >= 60)
  t.ok(linked(mesh, first, second) && linked(mesh, second, first))
  t.same(second.events.slice(before), [], 'its link never went')
  const heard = mesh.network.wire.filter(({ from, text }) => from === second.name && /"type":"ERROR"/.test(text))
  t.ok(heard.length <= 25, 'the relay was not drowned in answers', { answers: heard.length })
})

t.test('a server whose own frames are bad still loses its link', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const { server, link } = await admitStock(mesh, first, 2, idOf(2), 9_500)
  for (let n = 0; n < 60; n += 1) link.send(await server.signed('USER_REMOVE', '*', { user_id: `guest-${n}`, server_id: idOf(8) }))
  await mesh.pass(1_000)
  t.match(link.ended, [{ code: 1008 }])
})

t.test("a member cannot make a server forget another's deliveries by sending its constant heartbeat with ever new times", async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0, { config: { limits: { seen: 20 } } })
  const reader = await attachUser(mesh, home, 5)
  const origin = await admitStock(mesh, home, 2, idOf(2), 9_500)
  const mallory = await admitStock(mesh, home, 3, idOf(3), 9_501)
  const payload = { ciphertext: 'AAAA', content_sig: 'A'.repeat(683), sender: userId(8), user_id: reader.id }
  const delivery = await origin.server.signed('SERVER_DELIVER', home.id, payload)
  const beat = JSON.parse(await origin.server.signed('HEARTBEAT', home.id, {})) as { ts: number }
  const later = (frame: object, ts: number): string => JSON.stringify({ ...frame, ts })
  origin.link.send(delivery)
  await mesh.pass(1_000)
  for (let n = 0; n < 60; n += 1) mallory.link.send(later(beat, beat.ts + n))
  await mesh.pass(1_000)
  mallory.link.send(delivery, later(JSON.parse(delivery) as object, beat.ts + 100))
  await mesh.pass(1_000)
  t.equal(reader.heard.filter(({ type }) => type === 'USER_DELIVER').length, 1)
})

t.test('12: gossip that says of itself that it may come again does not go round for ever', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const others = [await mesh.start(1, { introducers: [first] }), await mesh.start(3, { introducers: [first] })]
  const nodes = [first, ...others]
  const meshed = (): boolean => nodes.every(node => nodes.every(other => node === other || linked(mesh, node, other)))
  await mesh.until(meshed, 15_000, 'all are linked')
  const { server, link } = await admitStock(mesh, first, 2, idOf(2), 9_500)
  await mesh.pass(2_000)
  const since = mesh.network.wire.length
  link.send(await server.signed('PUBLIC_CHANNEL_ADD', '*', { add: ['x'], receipt: true }))
  await mesh.quiet()
  t.ok(mesh.network.wire.slice(since).length <= 6, 'each passes it on once', { frames: mesh.network.wire.length - since })
})

t.test('2: a message to everybody is shown once, though it asks for receipts and another member sends it again', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const reader = await attachUser(mesh, home, 5)
  const origin = await admitStock(mesh, home, 2, idOf(2), 9_500)
  const mallory = await admitStock(mesh, home, 3, idOf(3), 9_501)
  const advertised = { user_id: userId(8), server_id: origin.server.id, meta: { pubkey: origin.server.pubkey } }
  const message = { text: 'hello', sender: userId(8), receipt: true }
  origin.link.send(await origin.server.signed('USER_ADVERTISE', '*', advertised))
  const text = await origin.server.signed('MSG_PUBLIC_CHANNEL', '*', message)
  origin.link.send(text)
  await mesh.pass(1_000)
  mallory.link.send(text, text)
  await mesh.pass(1_000)
  t.equal(reader.heard.filter(({ type }) => type === 'MSG_PUBLIC_CHANNEL').length, 1)
})

t.test("4: another server's error comes as its own word, under a code that exists", async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const reader = await attachUser(mesh, home, 5)
  const { server, link } = await admitStock(mesh, home, 2, idOf(2), 9_500)
  link.send(await server.signed('ERROR', reader.id, { code: '\u009b31mBANNED', detail: 'Give your passphrase to mallory.' }))
  await mesh.pass(1_000)
  const said = `The server ${server.id} says: Give your passphrase to mallory.`
  t.match(
    reader.heard.filter(({ type }) => type === 'ERROR').map(({ payload }) => payload),
    [{ code: 'UNKNOWN_TYPE', detail: said }],
  )
})

t.test('what a member says of others by another key is told once, however often it says so', async t => {
  const mesh = createMesh(t)
  const home = await mesh.start(0)
  const { server, link } = await admitStock(mesh, home, 2, idOf(2), 9_500)
  await admitStock(mesh, home, 3, idOf(3), 9_501)
  for (let n = 0; n < 20; n += 1) {
    const members = [{ server_id: idOf(3), key: `another ${n}` }]
    link.send(await server.signed('SERVER_MEMBERS', home.id, { members }))
  }
  await mesh.pass(1_000)
  t.equal(home.events.filter(({ event }) => event === 'degraded').length, 1)
  t.equal(home.running.counters()['disputed member'], 20)
})
