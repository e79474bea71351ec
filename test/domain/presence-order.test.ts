/** The order of one origin's presence events: whatever order and however often they come, the newest counts, in bounded memory. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { PresenceSeq } from '../../src/domain/facts.ts'
import { compareSeq, isNews, newOriginOrder, RECENT_SEQUENCES, REMEMBERED_DIGESTS, remember } from '../../src/domain/presence-order.ts'
import type { Base64Url, UserId } from '../../src/protocol/ids.ts'
import { advertised, given, type GivenDirectory, removed, s1 } from './directory-specification.ts'

const nobody = '' as Base64Url
const user = (n: number): UserId => `u${n}` as UserId

const anySeq: fc.Arbitrary<PresenceSeq> = fc.tuple(fc.nat(3), fc.nat(5))

interface Event {
  readonly user: UserId
  readonly here: boolean
  readonly seq: PresenceSeq
}

/** What an origin says over some lives: each event with a sequence of its own, in order. */
const anyLife: fc.Arbitrary<readonly Event[]> = fc
  .array(fc.record({ user: fc.nat(5).map(user), here: fc.boolean(), restart: fc.boolean() }), { maxLength: 30 })
  .map(said => {
    let seq: PresenceSeq = [1, 0]
    return said.map(({ user: of, here, restart }) => {
      seq = restart ? [seq[0] + 1, 1] : [seq[0], seq[1] + 1]
      return { user: of, here, seq }
    })
  })

const say = ({ user: of, here, seq }: Event) => (here ? advertised(of, s1, { seq }) : removed(of, s1, { seq }))
const hear = (node: GivenDirectory, events: readonly Event[]): GivenDirectory => {
  for (const event of events) node.take(say(event))
  return node
}
const shown = ({ directory }: GivenDirectory) => [...directory.users.values()].sort((a, b) => (a.id < b.id ? -1 : 1))

t.test('sequences are ordered by epoch, then by counter', async t => {
  fc.assert(
    fc.property(anySeq, anySeq, anySeq, (a, b, c) => {
      assert.equal(Math.sign(compareSeq(a, b)), -Math.sign(compareSeq(b, a)) + 0)
      assert.equal(compareSeq(a, b) === 0, a[0] === b[0] && a[1] === b[1])
      if (compareSeq(a, b) <= 0 && compareSeq(b, c) <= 0) assert.ok(compareSeq(a, c) <= 0)
    }),
  )
  t.ok(compareSeq([2, 0], [1, 9_999]) > 0)
})

t.test('events that come in any order end in the directory that they would have made in order', async t => {
  const shuffled = anyLife.chain(life => fc.tuple(fc.constant(life), fc.shuffledSubarray([...life], { minLength: life.length })))
  fc.assert(
    fc.property(shuffled, ([life, mixed]) => {
      assert.deepEqual(shown(hear(given(), mixed)), shown(hear(given(), life)))
    }),
  )
  t.pass()
})

t.test('events that come again, in any number and order, change nothing', async t => {
  const repeated = anyLife.chain(life => fc.tuple(fc.constant(life), fc.array(fc.constantFrom(...life, undefined), { maxLength: 30 })))
  fc.assert(
    fc.property(repeated, ([life, again]) => {
      const node = hear(given(), life)
      const before = structuredClone(node.directory)
      for (const event of again) if (event !== undefined) assert.equal(node.take(say(event)), false)
      assert.deepEqual(node.directory, before)
    }),
  )
  t.pass()
})

t.test('an event may be lost, and what follows it counts all the same', async t => {
  const some = anyLife.chain(life => fc.tuple(fc.constant(life), fc.subarray([...life])))
  fc.assert(
    fc.property(some, ([life, came]) => {
      const node = hear(given(), came)
      // what was lost comes late
      assert.deepEqual(shown(hear(node, life)), shown(hear(given(), life)))
    }),
  )
  t.pass()
})

t.test('a list that is sent again in ascending order is news from its first to its last entry, however long it is', async t => {
  fc.assert(
    fc.property(fc.nat(3 * RECENT_SEQUENCES), fc.nat(RECENT_SEQUENCES), fc.nat(3 * RECENT_SEQUENCES), (listed, live, at) => {
      const order = newOriginOrder()
      const take = (n: number): boolean => {
        const news = isNews(order, user(n), [1, n], nobody)
        if (news) remember(order, user(n), [1, n], nobody)
        return news
      }
      for (let n = 1; n <= listed; n += 1) {
        // meanwhile newer events come over other links
        if (n === at) for (let newer = 1; newer <= live; newer += 1) assert.ok(take(listed + newer))
        assert.ok(take(n), `entry ${n} of ${listed} with ${live} newer ones`)
      }
    }),
    { numRuns: 15 },
  )
  t.pass()
})

t.test('after summing up nothing that was applied is news again', async t => {
  const order = newOriginOrder()
  const total = 5 * RECENT_SEQUENCES
  for (let n = 1; n <= total; n += 1) remember(order, user(n), [1, n], nobody)
  for (let n = 1; n <= total; n += 1) if (isNews(order, user(n), [1, n], nobody)) t.fail(`event ${n} is news again`)
  t.ok(isNews(order, user(1), [1, total + 1], nobody))
  t.ok(compareSeq(order.floor, [1, 0]) > 0)
})

t.test('memory is bounded, in users and in signatures', async t => {
  const order = newOriginOrder()
  for (let n = 1; n <= 3 * RECENT_SEQUENCES; n += 1) {
    remember(order, user(n), [1, n], nobody)
    if (order.recent.size > 2 * RECENT_SEQUENCES) t.fail('too many users')
  }
  for (let n = 1; n <= REMEMBERED_DIGESTS + 10; n += 1) remember(order, user(1), undefined, `${n}` as Base64Url)
  t.equal(order.digests.size, REMEMBERED_DIGESTS)
  t.ok(isNews(order, user(1), undefined, '1' as Base64Url), 'the oldest was forgotten')
  t.notOk(isNews(order, user(1), undefined, '11' as Base64Url))
})

t.test('a signature without a sequence is no sign of sequences, and one with them is', async t => {
  const order = newOriginOrder()
  remember(order, user(1), undefined, 'a' as Base64Url)
  t.equal(order.sequenced, false)
  remember(order, user(1), [1, 1], 'b' as Base64Url)
  t.equal(order.sequenced, true)
})
