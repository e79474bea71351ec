/** The age of the oldest unread byte, from sizes alone. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createReaderPace } from '../../src/server/reader-pace.ts'

t.test('a reader that takes nothing ages, one that takes everything does not', async t => {
  const pace = createReaderPace()
  t.equal(pace.look(0, 0), 0)
  pace.added(100)
  t.equal(pace.look(100, 1_000), 0, 'seen for the first time')
  t.equal(pace.look(100, 5_000), 4_000)
  t.equal(pace.look(0, 6_000), 0)
})

t.test('a reader that keeps taking is never old, however much always waits for it', async t => {
  const pace = createReaderPace()
  let unread = 0
  for (let now = 0; now < 600_000; now += 1_000) {
    pace.added(50)
    unread = Math.min(1_000, unread + 50)
    // it takes as much as comes, always a thousand bytes behind
    t.ok(pace.look(unread, now) <= 20_000, 'no older than a thousand bytes at its speed')
  }
})

t.test('the age is that of a queue whose oldest byte is known, never more, and not much less', t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { maxLength: 100 }), steps => {
      const pace = createReaderPace()
      const queue: number[] = []
      for (const [second, [add, take]] of steps.entries()) {
        const now = second * 1_000
        for (let n = 0; n < add; n += 1) queue.push(now)
        pace.added(add)
        queue.splice(0, take)
        const age = pace.look(queue.length, now)
        assert.ok(age <= (queue.length === 0 ? 0 : now - (queue[0] ?? now)), `${age}`)
      }
    }),
  )
  t.pass()
  t.end()
})
