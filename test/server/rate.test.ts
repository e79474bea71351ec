/** Token buckets on virtual time. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createBucket } from '../../src/server/rate.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

t.test('a burst is there at once, and after it so many a second', async t => {
  const clock = createManualClock()
  const bucket = createBucket(clock, { burst: 3, perSecond: 2 })
  t.same(
    [1, 2, 3, 4].map(() => bucket.take()),
    [true, true, true, false],
  )
  clock.advance(499)
  t.notOk(bucket.take())
  clock.advance(1)
  t.ok(bucket.take())
  clock.advance(3_600_000)
  t.same(
    [1, 2, 3, 4].map(() => bucket.take()),
    [true, true, true, false],
    'never more than a burst',
  )
})

t.test('a clock that is set back or forward gives nothing', async t => {
  const clock = createManualClock()
  const bucket = createBucket(clock, { burst: 1, perSecond: 1 })
  t.ok(bucket.take())
  clock.jump(3_600_000)
  t.notOk(bucket.take())
  clock.jump(-7_200_000)
  t.notOk(bucket.take())
})

t.test('who borrows is told how long to wait, and then pays no more than the rate', async t => {
  const clock = createManualClock()
  const bucket = createBucket(clock, { burst: 1, perSecond: 4 })
  t.same([bucket.borrow(), bucket.borrow(), bucket.borrow()], [0, 250, 500])
  clock.advance(500)
  t.equal(bucket.borrow(), 250)
})

t.test('no pattern of asking gets more than burst and rate', async t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(500)), (burst, perSecond, waits) => {
      const clock = createManualClock()
      const bucket = createBucket(clock, { burst, perSecond })
      let taken = 0
      for (const wait of waits) {
        while (bucket.take()) taken += 1
        clock.advance(wait)
      }
      assert.ok(taken <= burst + (clock.monotonic() / 1_000) * perSecond + 1e-6)
    }),
  )
  t.pass()
})
