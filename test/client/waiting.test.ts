/** Messages that wait in a mailbox: what became of them is told in the end, wherever their reader went, and how many copies are kept. */
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { clientLimits, createClientState } from '../../src/client/state.ts'
import type { Attachment } from '../../src/client/handshake.ts'
import type { Member } from '../../src/client/roster.ts'
import { createWaiting } from '../../src/client/waiting.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { waiting } from '../server/delivery-rig.ts'
import { idOf, linked, type Mesh } from '../server/mesh.ts'
import { userId } from '../server/user.ts'
import { annAndBen, type MeshClient, meshClient } from './mesh-client.ts'

const told = ({ events }: MeshClient): readonly string[] => events.flatMap(event => (event.event === 'sent' ? [event.status] : []))

const leave = async (mesh: Mesh, { client }: MeshClient): Promise<void> => {
  void client.close()
  await mesh.pass(1_000)
}

t.test(
  'a reader read at one server, was at another, and is away: their sender hears of it when the reader has been there once more',
  async t => {
    const { mesh, first, second, ann, ben } = await annAndBen(t)
    await leave(mesh, ben)
    void ann.client.tell(ben.id, 'one', { ref: 'a' })
    await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits at the second')
    await leave(mesh, ann)
    mesh.crash(first)
    const reader = await meshClient(t, mesh, second, 4, { disk: ben.disk })
    await mesh.until(() => reader.shown().length === 1, 5_000, 'it is read')
    await leave(mesh, reader)
    const back = await mesh.restart(first)
    await mesh.until(() => linked(mesh, back, second), 10_000, 'linked')
    const moved = await meshClient(t, mesh, back, 4, { disk: ben.disk })
    await leave(mesh, moved)
    // where he was last nothing is known of it: a copy waits there
    const writer = await meshClient(t, mesh, back, 3, { disk: ann.disk })
    await mesh.until(() => waiting(back, 4) === 1, 5_000, 'a copy waits')
    await mesh.pass(2_000)
    t.same(told(writer), [], 'it waits as it did')
    await leave(mesh, writer)
    const again = await meshClient(t, mesh, back, 4, { disk: ben.disk })
    await mesh.pass(5_000)
    t.same([...moved.shown(), ...again.shown()], [], 'what was shown is not shown again')
    await leave(mesh, again)
    const returned = await meshClient(t, mesh, back, 3, { disk: ann.disk })
    await mesh.until(() => told(returned).includes('delivered'), 5_000, 'she hears of it')
    t.equal(returned.disk.mail.size, 0)
    t.equal(waiting(back, 4), 0)
  },
)

t.test(
  'what waits at a server that does not come back reaches its reader elsewhere, although the two are never online together',
  async t => {
    const { mesh, first, second, ann, ben } = await annAndBen(t)
    await leave(mesh, ben)
    void ann.client.tell(ben.id, 'one', { ref: 'a' })
    await mesh.until(() => ann.statuses('a').includes('waiting'), 5_000, 'it waits at the second')
    await leave(mesh, ann)
    mesh.crash(second)
    const moved = await meshClient(t, mesh, first, 4, { disk: ben.disk })
    await leave(mesh, moved)
    const writer = await meshClient(t, mesh, first, 3, { disk: ann.disk })
    await mesh.until(() => waiting(first, 4) === 1, 5_000, 'a copy waits where he was last')
    await leave(mesh, writer)
    const reader = await meshClient(t, mesh, first, 4, { disk: ben.disk })
    await mesh.until(() => reader.shown().length === 1, 5_000, 'it is read')
    await leave(mesh, reader)
    const returned = await meshClient(t, mesh, first, 3, { disk: ann.disk })
    await mesh.until(() => told(returned).includes('delivered'), 5_000, 'she hears of it')
    t.equal(returned.disk.mail.size, 0)
  },
)

/** Copies alone; `said` is what the person was told of them, `sent` how many left. */
const copies = () => {
  const { state, evolve } = createClientState()
  const clock = createManualClock()
  const members = new Map<UserId, Member>()
  const sent: string[] = []
  const said: string[] = []
  const kept = new Set<string>()
  const keep = createWaiting({
    clock,
    journal: {
      state,
      record: (_stream, fact, mail = []) => {
        evolve(fact)
        for (const change of mail) if ('remove' in change) for (const id of change.remove.ids) kept.delete(id)
      },
      release: run => {
        run()
      },
      flushed: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    roster: { members },
    mail: {
      read: (_reader, ids) => Promise.resolve(ids.map(id => ({ recipient: userId(4), sender: '', id, content: id }))),
      size: () => Promise.resolve({ count: 0, bytes: 0 }),
    },
    attachment: () => ({ caps: ['receipts'] }) as unknown as Attachment,
    send: texts => {
      sent.push(...texts)
      return true
    },
    tell: (id, _to, status, why) => said.push(`${status} ${id} ${why ?? ''}`),
    refused: '',
    crashed: error => {
      throw error
    },
  })
  const begin = (id: string, bytes: number): void => {
    kept.add(id)
    evolve({ type: 'message.stored', id, to: userId(4), ts: 1, kind: 'direct', order: [1, 1, 0] })
    keep.makeRoom(bytes)
    evolve({ type: 'message.settled', id, to: userId(4), state: 'waiting', bytes })
  }
  /** The reader is seen at a server, for some time. */
  const seen = async (server: number, ms: number): Promise<void> => {
    members.set(userId(4), { id: userId(4), name: 'ben', server: idOf(server), presence: 'online', announced: undefined })
    for (let at = 0; at < ms; at += 500) {
      clock.advance(500)
      await turn()
    }
  }
  return { state, said, kept, begin, sent, seen, attached: keep.attached }
}

t.test('a copy that left for a server that was gone holds up none for the server to which its reader has moved since', async t => {
  const { begin, sent, seen, attached } = copies()
  begin('a', 1)
  attached()
  await seen(1, 3_000)
  t.same(sent, [], 'their servers pass it on by themselves')
  await seen(1, 60_000)
  t.same(sent, ['a'])
  await seen(2, 3_000)
  t.same(sent, ['a'], 'the same holds there')
  await seen(2, 60_000)
  t.same(sent, ['a', 'a'])
  await seen(2, 600_000)
  t.same(sent, ['a', 'a', 'a'], 'and every ten minutes')
})

t.test('so many copies are kept; the oldest gives way, and its writer hears that no more will be told of it', t => {
  const { state, said, kept, begin } = copies()
  for (let n = 0; n < clientLimits.maxWaiting; n += 1) begin(`m${n}`, 10)
  t.same(said, [])
  begin('another', 10)
  t.equal(said.length, 1)
  t.match(said[0], /^waiting m0 .*keeps no copy/)
  t.same([kept.size, kept.has('m0')], [clientLimits.maxWaiting, false])
  t.same([...kept], [...state.waiting.keys()], 'what is kept is what is known')
  t.end()
})

t.test('so many bytes of copies are kept: a large one makes as many give way as it needs', t => {
  const { state, said, kept, begin } = copies()
  const quarter = clientLimits.maxWaitingBytes / 4
  for (let n = 0; n < 4; n += 1) begin(`m${n}`, quarter)
  t.same(said, [])
  begin('large', quarter + 1)
  t.same([...kept], ['m2', 'm3', 'large'])
  t.equal(said.length, 2)
  t.same([...kept], [...state.waiting.keys()])
  t.end()
})
