/** Two programs with one key: the later one has the person, the earlier one says so and fights no more; a program alone hears nothing of the kind. */
import t, { type Test } from 'tap'
import { memoryNetwork } from './memory-network.ts'
import { attachedClient } from './rig.ts'
import { scriptedServer } from './scripted-server.ts'
import { createMesh, linked, type Mesh, type MeshNode, startPair } from '../server/mesh.ts'
import { attachUser } from '../server/user.ts'
import { type MeshClient, meshClient } from './mesh-client.ts'

/** What the person was told of other programs. */
const told = ({ events }: MeshClient): readonly string[] =>
  events.flatMap(event => {
    if (event.event === 'notice') return [event.code]
    if (event.event === 'error') return [`${event.code} ${event.detail}`]
    return event.event === 'offline' && event.final === true ? ['offline for good'] : []
  })
const attachments = (mesh: Mesh, ...clients: readonly MeshClient[]): number =>
  mesh.network.wire.filter(({ from, text }) => clients.some(({ host }) => host.name === from) && text.includes('"USER_HELLO"')).length

const replaces = async (t: Test, mesh: Mesh, [one, two]: readonly [MeshNode, MeshNode]): Promise<void> => {
  const seer = await meshClient(t, mesh, two, 5, { moves: false })
  const first = await meshClient(t, mesh, one, 4)
  await mesh.pass(1_000)
  void first.client.tell(seer.id, 'hello', { ref: '0' })
  await mesh.until(() => first.statuses('0').includes('delivered'), 5_000, 'they know each other')
  const second = await meshClient(t, mesh, two, 4)
  await mesh.until(() => !first.client.attached, 5_000, 'the first is offline')
  const before = attachments(mesh, first, second)
  void first.client.tell(seer.id, 'typed in the first', { ref: 'a' })
  await mesh.pass(120_000)
  t.notOk(first.client.attached)
  t.ok(second.client.attached)
  t.equal(attachments(mesh, first, second), before, 'nobody throws the other out again')
  t.same(told(first), ['offline for good'])
  t.match(
    first.events.find(({ event }) => event === 'offline'),
    { why: /Another program with your key is attached at the server/ },
  )
  t.same(first.statuses('a'), ['sent'], 'what was typed is kept')
  void seer.client.tell(second.id, 'to whoever is there', { ref: 'b' })
  await mesh.until(() => seer.statuses('b').includes('delivered'), 10_000, 'delivered')
  t.same([first.shown(), second.shown()], [[], ['to whoever is there']])
  t.ok(first.client.resume())
  await mesh.until(() => first.client.attached && !second.client.attached, 10_000, 'a person has chosen the first')
  t.same(told(second).at(-1), 'offline for good')
  await mesh.until(() => first.statuses('a').includes('delivered'), 40_000, 'and what was typed there is delivered')
  await mesh.pass(60_000)
  t.ok(first.client.attached && !second.client.attached)
  t.notOk(first.client.resume(), 'who is attached stays so')
}

t.test('two programs at one server', async t => {
  const mesh = createMesh(t)
  const node = await mesh.start(0)
  await replaces(t, mesh, [node, node])
})

t.test('two programs at two servers', async t => {
  const mesh = createMesh(t)
  await replaces(t, mesh, await startPair(mesh))
})

t.test('a program that moves, comes back, loses its connection and its server is never told that it may be somebody else', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 4)
  await mesh.pass(3_000)
  // its server falls silent, and is back with its old word while she is attached at the other
  first.host.deaf = true
  await mesh.until(() => second.fold.state.directory.users.get(ann.id)?.local === 'attached', 40_000, 'attached at the second')
  first.host.deaf = false
  await mesh.pass(20_000)
  // the other way round, with a restart
  mesh.crash(second)
  await mesh.until(() => first.fold.state.directory.users.get(ann.id)?.local === 'attached', 40_000, 'attached at the first')
  const back = await mesh.restart(second)
  await mesh.until(() => linked(mesh, first, back), 20_000, 'linked')
  await mesh.pass(70_000)
  // her program is killed, and attaches at the other before anybody misses the first
  ann.crash()
  const again = await meshClient(t, mesh, back, 4, { disk: ann.disk })
  await mesh.pass(70_000)
  const told70 = [...told(ann), ...told(again)].filter(text => !text.startsWith('UNREACHABLE'))
  t.same(told70, [])
  t.ok(again.client.attached)
})

t.test('a program hears that its key was used by another one, at its own server and at another', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  await attachUser(mesh, first, 4, { timed: true })
  await mesh.pass(1_000)
  const ann = await meshClient(t, mesh, first, 4)
  await mesh.pass(5_000)
  t.same(told(ann), ['ALSO_ATTACHED'])
  await attachUser(mesh, second, 6, { timed: true })
  await mesh.pass(1_000)
  const cat = await meshClient(t, mesh, first, 6)
  await mesh.pass(5_000)
  t.same(told(cat), ['ALSO_ATTACHED'])
  t.match(
    cat.events.find(({ event }) => event === 'notice'),
    { detail: new RegExp(`at the server ${second.id}`) },
  )
})

t.test('a notice about another attachment, as one that is sent again, ends none', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const ann = await attachedClient(t, { network, url: server.url, name: 'ann', key: 1 })
  const notice = (at: number): void => {
    server.send(ann.id, 'SERVER_NOTICE', { code: 'REPLACED', server_id: server.id, at })
  }
  const { at } = server.heard.find(({ type }) => type === 'PROOF')?.payload as { at: number }
  notice(at - 1)
  server.send(ann.id, 'SERVER_NOTICE', { code: 'OVERLOADED', detail: 'busy' })
  await ann.waitFor('notice')
  t.ok(ann.attached)
  notice(at)
  t.match(await ann.waitFor('offline'), { final: true })
})
