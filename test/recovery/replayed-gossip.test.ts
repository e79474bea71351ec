/** Gossip recorded before a restart and sent again after it, as it was or with another time, recipient or type, changes nothing. */
import { join } from 'node:path'
import t from 'tap'
import { newOriginOrder, RECENT_SEQUENCES, remember, REMEMBERED_DIGESTS } from '../../src/domain/presence-order.ts'
import { callControl } from '../../src/ports/node/control-socket.ts'
import type { Base64Url, UserId } from '../../src/protocol/ids.ts'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { newId } from '../helpers/frame-client.ts'
import type { WireFrame } from '../helpers/frame-client.ts'
import { processes, type ServerProcess, writeIdentity } from '../helpers/processes.ts'
import { readLog } from '../helpers/recovery-survivor.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { startStockServer } from '../helpers/stock-server.ts'

const rig = processes(t)
const [serverKey, oursKey, stockyKey, seerKey] = await Promise.all([0, 1, 2, 3].map(stockKey))
if (!serverKey || !oursKey || !stockyKey || !seerKey) throw new Error('no keys')
const data = rig.place('server')
writeIdentity(data, '00000000-0000-4000-8000-000000000001', serverKey)

// one orders its presence by sequences, as ours do; one is stock v1.3 and has nothing but signatures
const ours = await startStockServer({ key: oursKey })
const stocky = await startStockServer({ key: stockyKey })
t.teardown(() => Promise.all([ours.close(), stocky.close()]))
const peers = [ours, stocky]
let counter = 0
const nextSeq = (): readonly [number, number] => {
  counter += 1
  return [1, counter]
}

type Peer = typeof ours
const advertise = (peer: Peer, user: string): string => {
  const extras = peer === ours ? { extras: { seq: nextSeq() } } : {}
  return peer.signed('USER_ADVERTISE', '*', {
    user_id: user,
    server_id: peer.id,
    meta: { pubkey: seerKey.text, display_name: 'ghost', ...extras },
  })
}
const remove = (peer: Peer, user: string): string =>
  peer.signed('USER_REMOVE', '*', { user_id: user, server_id: peer.id, ...(peer === ours ? { seq: nextSeq() } : {}) })

let server: ServerProcess = await rig.serve({ data })
for (const peer of peers) {
  const { socket } = await peer.join(server.url)
  socket.send(peer.announcement())
  await server.waitFor('linked', event => event.server_id === peer.id)
}

/** Everything is sent over the peer's own link, which is believed most, and over the other's. */
const tell = (text: string): void => {
  for (const peer of peers) peer.accepted.at(-1)?.send(text)
}
const watch = async () => {
  const seer = await attachFrameUser({ url: server.url, key: seerKey, name: 'seer' })
  const heard = (type: string, user: string) => seer.socket.waitFor(frame => frame.type === type && frame.payload.user_id === user)
  return { seer, heard }
}
/** What both links sent before has been handled when a newcomer that they tell of is there. */
const settled = async (heard: Awaited<ReturnType<typeof watch>>['heard']): Promise<void> => {
  for (const peer of peers) {
    const user = newId()
    peer.accepted.at(-1)?.send(advertise(peer, user))
    await heard('USER_ADVERTISE', user)
    peer.accepted.at(-1)?.send(remove(peer, user))
    await heard('USER_REMOVE', user)
  }
}
const restarts: readonly (readonly [how: string, stop: () => Promise<unknown>])[] = [
  ['kill -9: from the facts', () => server.kill()],
  ['a clean stop: from a snapshot', () => server.stop()],
  [
    'compaction and kill -9: from a base',
    async () => {
      await callControl(join(data, 'control.sock'), 'compact', { keep: 0 })
      await server.kill()
    },
  ],
]

for (const [how, stop] of restarts) {
  t.test(`after ${how}`, async t => {
    const before = await watch()
    const ghosts: string[] = []
    const there: string[] = []
    const recorded: string[] = []
    for (const peer of peers) {
      const socket = (): Peer['accepted'][number] | undefined => peer.accepted.at(-1)
      const [ghost, stays] = [newId(), newId()]
      const [came, left, stayed] = [advertise(peer, ghost), remove(peer, ghost), advertise(peer, stays)]
      ghosts.push(ghost)
      there.push(stays)
      recorded.push(came, left, stayed)
      // on their own word, over whatever link the node keeps to them
      for (const [text, type, user] of [
        [came, 'USER_ADVERTISE', ghost],
        [left, 'USER_REMOVE', ghost],
        [stayed, 'USER_ADVERTISE', stays],
      ] as const) {
        if (socket() === undefined) throw new Error('no link')
        socket()?.send(text)
        await before.heard(type, user)
      }
    }
    before.seer.send('CTRL_CLOSE', server.id, {})
    await before.seer.socket.closed
    await stop()
    server = await rig.serve({ data, port: server.port })
    for (const peer of peers) await server.waitFor('linked', event => event.server_id === peer.id, { timeoutMs: 30_000 })

    const { seer, heard } = await watch()
    await settled(heard)
    const mark = seer.socket.mark()
    const { verdict } = await readLog(data)
    for (const text of recorded) {
      const frame = JSON.parse(text) as WireFrame
      const other = frame.type === 'USER_ADVERTISE' ? 'USER_REMOVE' : 'USER_ADVERTISE'
      tell(text)
      for (const changed of [{ ts: Date.now() }, { to: server.id }, { type: other }, { type: other, ts: Date.now() }])
        tell(JSON.stringify({ ...frame, ...changed }))
    }
    for (const peer of peers) t.notOk(peer.accepted.at(-1)?.isClosed(), 'the links are still there to tell')
    await settled(heard)

    const { facts } = await readLog(data)
    const about = facts.filter(fact => fact.seq > verdict.seq && [...ghosts, ...there].some(user => fact.stream === `user:${user}`))
    t.same(about, [], 'no fact came of it')
    const told = seer.socket.heard.slice(mark).filter(frame => [...ghosts, ...there].includes(String(frame.payload.user_id)))
    t.same(told, [], 'nobody heard of it')
    const listed = (await seer.list()).map(entry => entry.user_id)
    for (const ghost of ghosts) t.notOk(listed.includes(ghost), 'who had left is not back')
    for (const user of there) t.ok(listed.includes(user), 'who was there is still there')
    seer.send('CTRL_CLOSE', server.id, {})
    await seer.socket.closed
  })
}

t.test('the memory of what was applied is bounded for each origin, and the newest is what it keeps', t => {
  const order = newOriginOrder()
  for (let n = 0; n < 3 * REMEMBERED_DIGESTS; n += 1) {
    remember(order, `user ${String(n)}` as UserId, undefined, `digest ${String(n)}` as Base64Url)
    remember(order, `user ${String(n)}` as UserId, [1, n], `other ${String(n)}` as Base64Url)
  }
  t.equal(order.digests.size, REMEMBERED_DIGESTS)
  t.ok(order.digests.has(`digest ${String(3 * REMEMBERED_DIGESTS - 1)}` as Base64Url))
  t.ok(order.recent.size <= 2 * RECENT_SEQUENCES, `${String(order.recent.size)} sequences`)
  t.ok(order.recent.has(`user ${String(3 * REMEMBERED_DIGESTS - 1)}` as UserId))
  t.end()
})
