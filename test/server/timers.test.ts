/** Named timers on virtual time. */
import t from 'tap'
import { createTimers } from '../../src/server/timers.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

const start = () => {
  const clock = createManualClock()
  const ran: string[] = []
  const note = (what: string) => (): void => {
    ran.push(`${what} at ${clock.monotonic()}`)
  }
  return { clock, ran, note, timers: createTimers(clock) }
}

t.test('arming a name again replaces it', async t => {
  const { clock, ran, note, timers } = start()
  timers.arm('a', 100, note('first'))
  timers.arm('a', 200, note('second'))
  timers.arm('b', 150, note('other'))
  clock.advance(1_000)
  t.same(ran, ['other at 150', 'second at 200'])
  t.equal(clock.timers(), 0)
})

t.test('a cancelled timer does not run, and cancelling nothing is nothing', async t => {
  const { clock, ran, note, timers } = start()
  timers.arm('a', 100, note('a'))
  timers.cancel('a')
  timers.cancel('never armed')
  clock.advance(1_000)
  t.same(ran, [])
})

t.test('a timer may arm its own name again', async t => {
  const { clock, ran, note, timers } = start()
  timers.arm('a', 100, () => {
    note('a')()
    timers.arm('a', 100, note('again'))
  })
  clock.advance(1_000)
  t.same(ran, ['a at 100', 'again at 200'])
})

t.test('a deadline that has passed runs at once', async t => {
  const { clock, ran, note, timers } = start()
  timers.arm('a', -5_000, note('late'))
  clock.advance(0)
  t.same(ran, ['late at 0'])
})

t.test('rounds come at equal distances, also after one that threw', async t => {
  const { clock, ran, note, timers } = start()
  timers.every(100, () => {
    note('round')()
    if (ran.length === 1) throw new Error('a bug')
  })
  t.throws(() => {
    clock.advance(100)
  }, /a bug/)
  clock.advance(200)
  t.same(ran, ['round at 100', 'round at 200', 'round at 300'])
})

t.test('all of them end together', async t => {
  const { clock, ran, note, timers } = start()
  timers.arm('a', 100, note('a'))
  timers.every(50, note('every'))
  timers.every(70, note('another'))
  timers.cancelAll()
  clock.advance(1_000)
  t.same(ran, [])
  t.equal(clock.timers(), 0)
})
