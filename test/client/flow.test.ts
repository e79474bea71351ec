/** The small parts that keep order and bounds: lanes, inbox, outbox, stalls, listing, backoff, roster. */
import fc from 'fast-check'
import t from 'tap'
import { reconnect, reconnectMs } from '../../src/client/backoff.ts'
import type { ClientEvent } from '../../src/client/events.ts'
import { createInbox } from '../../src/client/inbox.ts'
import { createLanes } from '../../src/client/lanes.ts'
import { createListing, listMs } from '../../src/client/listing.ts'
import { ackMs, createOutbox } from '../../src/client/outbox.ts'
import { createRoster, type Sighting } from '../../src/client/roster.ts'
import { createStalls } from '../../src/client/transfers/stalls.ts'
import { stallMs } from '../../src/machines/client-transfer.ts'
import type { ServerId, UserId } from '../../src/protocol/ids.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

t.test('jobs of one lane run in order whatever they take, and a failed one holds up nobody', async t => {
  const jobs = fc.array(fc.record({ lanes: fc.subarray(['a', 'b', 'c'], { minLength: 1 }), turns: fc.nat(5), fails: fc.boolean() }), {
    maxLength: 20,
  })
  await fc.assert(
    fc.asyncProperty(jobs, async planned => {
      const lanes = createLanes()
      const done: number[] = []
      const results = planned.map(({ lanes: mine, turns, fails }, n) =>
        lanes.run(mine, async () => {
          for (let turn = 0; turn < turns; turn++) await Promise.resolve()
          done.push(n)
          if (fails) throw new Error('it failed')
        }),
      )
      await Promise.allSettled(results)
      await lanes.below(0)
      const inOrder = ['a', 'b', 'c'].every(lane => {
        const mine = done.filter(n => planned[n]?.lanes.includes(lane))
        return mine.every((n, at) => at === 0 || n > (mine[at - 1] ?? -1))
      })
      return inOrder && done.length === planned.length && lanes.size === 0
    }),
  )
  t.pass('100 plans')
})

t.test('an inbox handles one at a time and stops the socket while it is behind', async t => {
  const calls: string[] = []
  const seen: string[] = []
  const gate = Promise.withResolvers<undefined>()
  const done = Promise.withResolvers<undefined>()
  const socket = { pause: () => calls.push('pause'), resume: () => calls.push('resume') }
  const inbox = createInbox(socket, async text => {
    await gate.promise
    seen.push(text)
    if (text === '99') done.resolve(undefined)
  })
  for (let n = 0; n < 100; n++) inbox.push(String(n))
  t.same(calls, ['pause'])
  t.equal(inbox.busy, true)
  gate.resolve(undefined)
  await done.promise
  t.same(
    seen,
    Array.from({ length: 100 }, (_, n) => String(n)),
  )
  t.same(calls, ['pause', 'resume'])
})

t.test('an answer is awaited for ten seconds from the last byte on, longer only while frames are being handled', async t => {
  const clock = createManualClock()
  let busy = true
  const outbox = createOutbox({ clock, busy: () => busy })
  const slow = outbox.expect('slow')
  clock.advance(ackMs * 10)
  slow.startTimer()
  clock.advance(ackMs + 5_000)
  busy = false
  clock.advance(1_000)
  await t.rejects(slow.settled, { name: 'NotSent', message: /within 16 s/ })
  const taken = outbox.expect('taken')
  outbox.taken('taken')
  await taken.settled
  const refused = outbox.expect('refused')
  t.equal(outbox.refused('refused', 'no'), true)
  await t.rejects(refused.settled, { message: 'no' })
  t.equal(outbox.refused('unknown', 'no'), false)
  const lost = outbox.expect('lost')
  outbox.lost('gone')
  await t.rejects(lost.settled, { message: 'gone' })
  t.equal(clock.timers(), 0)
})

t.test('a transfer that stands still for a minute fails, one that moves does not', async t => {
  const clock = createManualClock()
  const failed: string[] = []
  const orphans: string[] = []
  const stalls = createStalls({ clock, orphaned: id => orphans.push(id) })
  let moved = 0
  stalls.add('x', { progressAt: () => moved, fail: why => failed.push(why), abandoned: why => failed.push(`abandoned: ${why}`) })
  const effect = (name: string, params: object = {}) => {
    stalls.perform({ address: 'transfer:x', effect: name, params: params as Record<string, unknown>, at: 0 })
  }
  effect('armStall')
  clock.advance(stallMs - 1)
  moved = clock.monotonic()
  clock.advance(stallMs - 1)
  t.same(failed, [])
  clock.advance(1)
  t.same(failed, ['It stalled for 60 s.'])
  effect('abandonTransfer', { why: 'stalled' })
  t.same(failed.at(-1), 'abandoned: stalled')
  effect('abandonTransfer', { why: 'again' })
  t.same(orphans, ['x'])
  effect('armStall')
  effect('disarmStall')
  t.equal(clock.timers(), 0)
})

const sighting = (id: string, server = 's'): Sighting => ({ id: id as UserId, name: id, server: server as ServerId, presence: 'online' })

t.test('a list replaces what was known, but not what changed while it was made', async t => {
  const clock = createManualClock()
  const events: ClientEvent[] = []
  const roster = createRoster(event => events.push(event))
  let asked = 0
  const listing = createListing({ clock, roster, request: () => asked++, attached: () => true })
  roster.seen(sighting('old'))
  roster.seen(sighting('leaving'))
  const first = listing.refresh()
  t.equal(listing.refresh(), first, 'one request at a time')
  roster.seen(sighting('new'))
  roster.removed('leaving' as UserId, 's' as ServerId)
  listing.part({ users: [{ user_id: 'leaving' as UserId, presence: 'online' }], more: true })
  listing.part({ users: [{ user_id: 'listed' as UserId, display_name: 'L', presence: 'away' }], more: false })
  t.equal(await first, true)
  t.same([...roster.members.keys()].sort(), ['listed', 'new'])
  t.equal(asked, 1)
  t.match(events.at(-1), { event: 'presence', name: 'L', state: 'away' })
  t.equal(roster.nameOf('old' as UserId), 'old', 'names of those who left are still known')
  const unanswered = listing.refresh()
  clock.advance(listMs)
  t.equal(await unanswered, false)
  t.same([...roster.members.keys()].sort(), ['listed', 'new'], 'no answer changes nothing')
})

t.test('who left one server while the list was made may be listed at another', async t => {
  const roster = createRoster(() => {})
  roster.seen(sighting('ann', 'old'))
  roster.listBegins()
  roster.removed('ann' as UserId, 'old' as ServerId)
  roster.listEnds([sighting('ann', 'new')])
  t.equal(roster.members.get('ann' as UserId)?.server, 'new')
  roster.listBegins()
  roster.removed('ann' as UserId, 'new' as ServerId)
  roster.listEnds([sighting('ann', 'new')])
  t.equal(roster.members.size, 0, 'but not at the one that they left')
})

t.test('a list that comes when nobody waits for it any more is taken all the same', async t => {
  const clock = createManualClock()
  const roster = createRoster(() => {})
  let asked = 0
  const listing = createListing({ clock, roster, request: () => asked++, attached: () => true })
  const slow = listing.refresh()
  clock.advance(listMs)
  t.equal(await slow, false)
  listing.part({ users: [{ user_id: 'ann' as UserId, presence: 'online' }], more: false })
  t.same([...roster.members.keys()], ['ann'])
  void listing.refresh()
  clock.advance(listMs)
  void listing.refresh()
  t.equal(asked, 3, 'a late one keeps nobody from asking again')
  listing.lost()
  listing.part({ users: [], more: false })
  t.same([...roster.members.keys()], ['ann'], 'of a connection that is gone nothing is taken')
})

t.test('what is handled when the connection is gone asks for no list, and keeps the next connection from none', async t => {
  let asked = 0
  let attached = false
  const listing = createListing({
    clock: createManualClock(),
    roster: createRoster(() => {}),
    request: () => asked++,
    attached: () => attached,
  })
  t.equal(await listing.refresh(), false)
  attached = true
  void listing.refresh()
  t.equal(asked, 1)
})

t.test('a removal by a server that the user is not at means nothing', async t => {
  const roster = createRoster(() => {})
  roster.seen(sighting('ann', 'there'))
  roster.removed('ann' as UserId, 'here' as ServerId)
  t.equal(roster.members.size, 1)
})

t.test('waits before dialling again double, are capped and spread', async t => {
  t.equal(reconnectMs(1, 0.999), 500)
  t.equal(reconnectMs(1, 0), 250)
  t.equal(reconnectMs(3, 0.999), 1_999)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, fraction) => {
      const ms = reconnectMs(failures, fraction)
      return ms >= reconnect.firstMs / 2 && ms <= reconnect.capMs
    }),
  )
})
