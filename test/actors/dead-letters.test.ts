/** Dead letters are kept within a bound, counted for ever, and sent again once. */
import t from 'tap'
import { createDeadLetters } from '../../src/actors/dead-letters.ts'

const start = (accepts: boolean) => {
  const told: (readonly [string, unknown, number])[] = []
  const letters = createDeadLetters({
    capacity: 2,
    now: () => 1_000,
    tell: (...letter) => {
      told.push(letter)
      return accepts
    },
  })
  return { told, letters }
}

t.test('the oldest goes first, the counts stay', async t => {
  const { letters } = start(true)
  for (const message of ['a', 'b', 'c']) letters.add({ address: 'link:x', message, bytes: 1, reason: 'full' })
  letters.add({ address: 'link:y', message: 'd', bytes: 1, reason: 'crashed' })
  t.same(letters.list(), [
    { id: 3, at: 1_000, address: 'link:x', message: 'c', bytes: 1, reason: 'full' },
    { id: 4, at: 1_000, address: 'link:y', message: 'd', bytes: 1, reason: 'crashed' },
  ])
  t.same(letters.counts(), { full: 3, unknown: 0, stopped: 0, crashed: 1 })
})

t.test('a letter is sent again once', async t => {
  const { letters, told } = start(true)
  letters.add({ address: 'link:x', message: 'a', bytes: 7, reason: 'unknown' })
  t.equal(letters.replay(1), true)
  t.equal(letters.replay(1), false)
  t.same(told, [['link:x', 'a', 7]])
  t.same(letters.list(), [])
})

t.test('a letter that is refused again says so', async t => {
  const { letters } = start(false)
  letters.add({ address: 'link:x', message: 'a', bytes: 7, reason: 'unknown' })
  t.equal(letters.replay(1), false)
})
