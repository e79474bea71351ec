/** Time that a test moves. */
import t from 'tap'
import { virtualClock } from '../../src/testing/virtual-clock.ts'

t.test('time stands still until it is moved, and timers run at their own times, in order', async t => {
  const clock = virtualClock({ start: 1_000 })
  const ran: (readonly [string, number])[] = []
  const note = (name: string) => () => {
    ran.push([name, clock.now()])
  }
  clock.after(20, note('second'))
  clock.after(10, () => {
    note('first')()
    clock.after(5, note('armed by the first'))
  })
  clock.after(20, note('third'))
  const cancel = clock.after(12, note('cancelled'))
  cancel()
  clock.after(31, note('later'))
  t.equal(clock.timers, 4)
  await clock.advance(30)
  t.same(ran, [
    ['first', 1_010],
    ['armed by the first', 1_015],
    ['second', 1_020],
    ['third', 1_020],
  ])
  t.equal(clock.now(), 1_030)
  t.equal(clock.monotonic(), 30)
  t.equal(clock.timers, 1)
})

t.test('what a timer asks for at the end of the tick has run when the time has passed', async t => {
  const clock = virtualClock()
  let ended = false
  clock.after(5, () => {
    clock.endOfTick(() => {
      ended = true
    })
  })
  await clock.advance(5)
  t.ok(ended)
})
