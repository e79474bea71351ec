/** What an operator decides about servers and people: recorded, carried out at once, and kept over a restart. */
import t from 'tap'
import type { PeerView, UserView } from '../../src/server/operator.ts'
import { testKey } from '../helpers/test-keys.ts'
import { createMesh, idOf, linked, type Mesh, type MeshNode, sameAsItsLog, startPair } from './mesh.ts'
import { attachUser, connectUser, userId } from './user.ts'

const peersOf = async (node: MeshNode): Promise<readonly PeerView[]> => (await node.ask('peers.list')) as readonly PeerView[]
const peerOf = async (node: MeshNode, other: MeshNode) => (await peersOf(node)).find(({ server_id }) => server_id === other.id)
const listed = (mesh: Mesh, node: MeshNode): readonly string[] => mesh.view(node).directory.map(({ user_id }) => user_id)

t.test('a ban cuts the link, forgets the users, refuses the server by id and key, and outlives a restart', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ben = await attachUser(mesh, second, 4)
  await mesh.until(() => listed(mesh, first).includes(ben.id), 2_000, 'the user is known')
  t.match(
    await first.ask('peers.ban', { server: second.id.slice(-12), why: 'no' }).catch(String),
    /No server .* is known here/,
    'an end is no beginning',
  )
  t.match(await first.ask('peers.ban', { server: second.id, why: 'floods us' }), {
    server_id: second.id,
    state: 'banned',
    banned: 'floods us',
  })
  await mesh.until(() => !linked(mesh, first, second), 2_000, 'cut')
  t.same(listed(mesh, first), [])
  await mesh.pass(60_000)
  t.notOk(linked(mesh, first, second) || linked(mesh, second, first), 'neither side gets through')
  t.ok((first.running.counters()['refused banned'] ?? 0) > 0)
  t.match(await first.ask('peers.ban', { server: second.id }).catch(String), /banned already/)

  mesh.crash(first)
  const again = await mesh.restart(first)
  await mesh.pass(30_000)
  t.notOk(linked(mesh, again, second))
  t.match(await peerOf(again, second), { state: 'banned', banned: 'floods us', pubkey: second.pubkey })
  await sameAsItsLog(t, mesh, again)

  await again.ask('peers.unban', { server: second.id })
  await mesh.until(() => linked(mesh, again, second) && linked(mesh, second, again), 70_000, 'linked again')
  await mesh.until(() => listed(mesh, again).includes(ben.id), 2_000, 'its users are known again')
  t.match(await again.ask('peers.unban', { server: second.id }).catch(String), /is not banned/)
  await sameAsItsLog(t, mesh, again)
})

t.test('a banned server comes back under no other id with its key, nor through an introducer, nor is its word passed on', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const second = await mesh.start(1, { introducers: [first] })
  const third = await mesh.start(2, { introducers: [first] })
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, first, third) && linked(mesh, second, third), 10_000, 'all linked')
  await first.ask('peers.ban', { server: third.id })
  const cleo = await attachUser(mesh, third, 5)
  await mesh.until(() => listed(mesh, second).includes(cleo.id), 5_000, 'the others hear of its user')
  await mesh.pass(5_000)
  t.notOk(listed(mesh, first).includes(cleo.id), 'a relayed word counts no more than its own')
  t.match(await second.ask('peers.ban', { server: first.id.slice(0, 8) }).catch(String), /may be .* or .*: give more/)
  t.match(await first.ask('peers.ban', { server: first.id }).catch(String), /this server itself/)
})

t.test('a server with a new key stays out until the operator trusts that key', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ben = await attachUser(mesh, second, 4)
  await mesh.until(() => listed(mesh, first).includes(ben.id), 2_000, 'the user is known')
  mesh.crash(second)
  await mesh.pass(50_000)
  // the same id with another key, as after the loss of its data
  const renewed = await mesh.start(7, { id: second.id, port: second.port, introducers: [first] })
  await mesh.until(() => first.complaints.some(line => line.includes('another key')), 20_000, 'it is noticed')
  t.notOk(linked(mesh, first, renewed))
  const key = (await testKey(7)).publicText
  t.match(await peerOf(first, second), { pubkey: second.pubkey, offers: key })
  t.match(await first.ask('peers.trust', { server: second.id, pubkey: 'nonsense' }).catch(String), /no key that can be pinned/)
  t.match(await first.ask('peers.trust', { server: second.id, pubkey: key }), { pubkey: key, offers: null })
  await mesh.until(() => linked(mesh, first, renewed), 70_000, 'linked under the new key')
  t.notOk(listed(mesh, first).includes(ben.id), 'what was said under the old key is forgotten')
  const dan = await attachUser(mesh, renewed, 6)
  await mesh.until(() => listed(mesh, first).includes(dan.id), 5_000, 'its events are counted anew')
  t.match(await first.ask('peers.trust', { server: second.id, pubkey: key }).catch(String), /pinned for .* already/)
  await sameAsItsLog(t, mesh, first)
})

t.test('the key of a server that has yet to come is pinned with its address', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const { publicText } = await testKey(1)
  t.match(await first.ask('peers.trust', { server: idOf(1), pubkey: publicText }).catch(String), /give its whole id and --address/)
  t.match(await first.ask('peers.trust', { server: idOf(1), pubkey: publicText, address: 'nowhere' }).catch(String), /HOST:PORT/)
  await first.ask('peers.trust', { server: idOf(1), pubkey: publicText, address: '127.0.0.1:9001' })
  const second = await mesh.start(1, {
    config: { servers: [{ server_id: first.id, host: '127.0.0.1', port: 9_000, pubkey: first.pubkey }] },
  })
  await mesh.until(() => linked(mesh, first, second), 10_000, 'linked without any introducer')
})

t.test('an id that a stranger named first is released, and pinned to the key that the operator gives', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0)
  const stranger = await attachUser(mesh, first, 3, { id: 'ann' })
  const rightful = await connectUser(mesh, first, 4, { id: 'ann' })
  await mesh.pass(6_000)
  t.notOk(rightful.attached(), 'the first claim counts')
  t.match(await first.ask('users.unpin', { user: 'nobody' }).catch(String), /No key is pinned/)
  const { publicText } = await testKey(4)
  t.match(await first.ask('users.unpin', { user: 'ann', pubkey: publicText }), { user_id: 'ann', pubkey: publicText, state: 'away' })
  await mesh.quiet()
  t.match(stranger.ended, [{ reason: 'unpinned' }], 'whoever held it is cut off')
  const back = await connectUser(mesh, first, 3, { id: 'ann' })
  await mesh.pass(6_000)
  t.notOk(back.attached(), 'and cannot take it again')
  await attachUser(mesh, first, 4, { id: 'ann' })
  const [ann] = (await first.ask('users.list')) as readonly UserView[]
  t.match(ann, { user_id: 'ann', state: 'attached', pubkey: publicText, proven: true, conflicts: [] })
  await first.ask('users.unpin', { user: 'ann' })
  t.same(await first.ask('users.list'), [])
  await sameAsItsLog(t, mesh, first)
})

t.test('an id that is released is free for whom the server of another was refused with it', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  mesh.crash(second)
  const ann = await attachUser(mesh, first, 3, { id: userId(9) })
  ann.leave()
  await mesh.pass(1_000)
  const back = await mesh.restart(second)
  await mesh.until(() => linked(mesh, first, back) && linked(mesh, back, first), 70_000, 'linked')
  const other = await attachUser(mesh, back, 4, { id: userId(9) })
  await mesh.until(() => (first.running.counters()['presence key_conflict'] ?? 0) > 0, 5_000, 'the other key is refused')
  const [view] = (await first.ask('users.list')) as readonly UserView[]
  t.match(view, { state: 'away', conflicts: [(await testKey(4)).publicText] })
  await first.ask('users.unpin', { user: userId(9) })
  other.drop()
  await attachUser(mesh, back, 4, { id: userId(9) })
  await mesh.until(() => listed(mesh, first).includes(userId(9)), 5_000, 'the next announcement counts')
  t.match(await first.ask('users.list'), [{ state: 'elsewhere', conflicts: [] }])
  await sameAsItsLog(t, mesh, first)
})

t.test(
  'users of a server that fell silent are suspect, then away, and counted no more; those of one that is back are listed again',
  async t => {
    const mesh = createMesh(t)
    const [first, second] = await startPair(mesh)
    const ann = await attachUser(mesh, second, 3)
    await mesh.until(() => listed(mesh, first).includes(ann.id), 2_000, 'the user is known')
    const view = async (): Promise<UserView | undefined> => ((await first.ask('users.list')) as readonly UserView[])[0]
    t.match(await view(), { state: 'elsewhere', server_id: second.id })
    mesh.crash(second)
    await mesh.until(() => !linked(mesh, first, second), 20_000, 'the link is lost')
    t.match(await view(), { state: 'suspect', server_id: second.id })
    t.equal(first.running.gauges()['users online'], 1)
    await mesh.pass(40_000)
    t.match(await view(), { state: 'away', server_id: null })
    t.equal(first.running.gauges()['users online'], 0)
    const back = await mesh.restart(second)
    await mesh.until(() => linked(mesh, first, back) && linked(mesh, back, first), 70_000, 'linked again')
    await attachUser(mesh, back, 3, { id: ann.id })
    await mesh.until(() => first.running.gauges()['users online'] === 1, 5_000, 'listed again')
    t.match(await view(), { state: 'elsewhere', server_id: second.id })
  },
)
