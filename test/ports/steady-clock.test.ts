/** A clock that was set once: durations move it, and nothing else. */
import t from 'tap'
import { steadyClock } from '../../src/ports/steady-clock.ts'

t.test('a jump of the machine’s clock changes nothing until the next start', async t => {
  let wall = 1_000_000
  let elapsed = 5
  const machine = { now: () => wall, monotonic: () => elapsed, after: () => () => {}, endOfTick: () => {} }
  const clock = steadyClock(machine)
  t.equal(clock.now(), 1_000_000)
  wall += 3_600_000
  elapsed += 250.7
  t.equal(clock.now(), 1_000_250, 'whole milliseconds, and only those that went by')
  t.equal(steadyClock(machine).now(), 4_600_000, 'a new start takes the new time')
})
