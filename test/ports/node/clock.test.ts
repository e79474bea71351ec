/** The real clock keeps what the port promises: order, no early timers, cancelling, long delays. */
import t from 'tap'
import { nodeClock } from '../../../src/ports/node/clock.ts'

t.test('a timer never runs before its monotonic time', async t => {
  const clock = nodeClock()
  for (const ms of [0, 1, 5, 20]) {
    const begin = clock.monotonic()
    await new Promise<void>(resolve => clock.after(ms, resolve))
    t.ok(clock.monotonic() - begin >= ms, `${String(ms)} ms`)
  }
})

t.test('a cancelled timer does not run, and cancelling twice does no harm', async t => {
  const clock = nodeClock()
  let ran = false
  const cancel = clock.after(1, () => (ran = true))
  cancel()
  cancel()
  await new Promise<void>(resolve => clock.after(10, resolve))
  t.equal(ran, false)
})

t.test('a delay longer than the system takes does not run at once', async t => {
  const clock = nodeClock()
  let ran = false
  const cancel = clock.after(2 ** 40, () => (ran = true))
  await new Promise<void>(resolve => clock.after(10, resolve))
  t.equal(ran, false)
  cancel()
})

t.test('the end of the tick comes after promises and before timers that are armed in it', async t => {
  const clock = nodeClock()
  const order: string[] = []
  await new Promise<void>(resolve => {
    clock.endOfTick(() => {
      clock.after(0, resolve)
      clock.endOfTick(() => order.push('next tick'))
      order.push('end of tick')
    })
    void Promise.resolve().then(() => order.push('promise'))
  })
  t.same(order.slice(0, 2), ['promise', 'end of tick'])
})

t.test('now is Unix time', t => {
  t.ok(Math.abs(nodeClock().now() - Date.now()) < 1_000)
  t.end()
})
