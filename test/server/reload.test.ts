/** A configuration that is read again: what changes, what keeps its value, and that nobody is cut for it. */
import t from 'tap'
import { configSchema, type NodeConfig } from '../../src/server/config.ts'
import { merged } from '../../src/server/reload.ts'
import { testKey } from '../helpers/test-keys.ts'
import { createMesh, idOf, linked, type MeshNode, startPair } from './mesh.ts'
import { attachUser, connectUser } from './user.ts'

const config = (given: unknown = {}) => configSchema.parse(given)

t.test('what can change changes, what cannot keeps its value and is named', t => {
  const now = config({ port: 9_000, http: { port: 1 }, limits: { sessions: 3, joins: { burst: 1, perSecond: 1 } } })
  const wanted = config({ port: 9_001, users: ['a'], limits: { sessions: 4, joins: { burst: 2, perSecond: 1 } }, advertise: 'a.example:1' })
  const { config: taken, changed, kept } = merged(now, wanted)
  t.same(changed, ['limits.sessions', 'users'])
  t.same(kept, ['advertise', 'http.host', 'http.port', 'limits.joins', 'port'])
  t.match(taken, { port: 9_000, users: ['a'], http: { host: '127.0.0.1', port: 1 }, limits: { sessions: 4, joins: { burst: 1 } } })
  t.notOk('advertise' in taken)
  t.same(merged(now, now), { config: now, changed: [], kept: [] })
  t.same(merged(config(), config({ http: { port: 1 } })).config, config(), 'a part that was not there stays away')
  t.end()
})

t.test('a node takes another configuration without dropping a link or a user', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const reload = async (node: MeshNode, wanted: NodeConfig): Promise<unknown> => {
    const reloading = node.running.reload(wanted)
    await mesh.quiet()
    return reloading
  }
  const ann = await attachUser(mesh, first, 3)
  const { publicText } = await testKey(2)
  const wanted = {
    port: first.port,
    limits: { sessions: 1 },
    servers: [{ server_id: idOf(2), host: '127.0.0.1', port: 9_002, pubkey: publicText }],
  }
  t.same(await reload(first, config(wanted)), { changed: ['limits.sessions', 'servers'], kept: [] })
  const ben = await connectUser(mesh, first, 4)
  await mesh.pass(6_000)
  t.notOk(ben.attached(), 'the new limit counts')
  t.ok(linked(mesh, first, second) && ann.ended.length === 0)
  const third = await mesh.start(2, {
    config: { servers: [{ server_id: first.id, host: '127.0.0.1', port: first.port, pubkey: first.pubkey }] },
  })
  await mesh.until(() => linked(mesh, first, third), 10_000, 'a server that is listed now is linked')
  const complaints = first.complaints.length
  t.same(await reload(first, config({ ...wanted, port: 1 })), { changed: [], kept: ['port'] })
  t.match(first.complaints.slice(complaints), [/cannot change while the server runs.*port/])
})

t.test('an address with TLS is announced, vouched for, pinned and dialled as such; its end is noted from a proven member', async t => {
  const mesh = createMesh(t)
  const first = await mesh.start(0, { config: { advertise: 'wss://127.0.0.1:9000' } })
  const second = await mesh.start(1, { introducers: [first], config: { advertise: 'wss://127.0.0.1:9001' } })
  const third = await mesh.start(2, { introducers: [first] })
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, second, third) && linked(mesh, first, third), 10_000, 'all linked')
  const memberOf = (node: typeof first, other: typeof first) => node.fold.state.membership.servers.get(other.id)
  t.equal(memberOf(third, second)?.tls, true, 'a welcome and a voucher say so')
  t.equal(memberOf(first, second)?.tls, true, 'and the joiner itself')
  t.equal(memberOf(second, third)?.tls, undefined)
  const dialled = (await mesh.facts(third)).flatMap(({ fact }) =>
    fact.type === 'link.dialled' && fact.server === second.id ? [fact.url] : [],
  )
  t.ok(dialled.every(url => url === 'wss://127.0.0.1:9001'))
  mesh.crash(second)
  const plain = await mesh.restart(second, { introducers: [first] })
  await mesh.until(() => linked(mesh, plain, third) && memberOf(third, second)?.tls === undefined, 70_000, 'noted')
  const moved = (await mesh.facts(third)).flatMap(({ fact }) => (fact.type === 'server.moved' ? [[fact.server, fact.tls]] : []))
  t.same(
    moved,
    [
      [first.id, true],
      [second.id, undefined],
    ],
    'and that it is not with TLS where a list said otherwise',
  )
})
