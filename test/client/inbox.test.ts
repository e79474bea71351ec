/** The queue before the client's frames: order, back-pressure, and no memory of what was handled. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createInbox } from '../../src/client/inbox.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const socket = { pause: () => {}, resume: () => {} }

t.test('a stream that never lets it run empty does not pile up behind it', async t => {
  const textOf = (n: number): string => Buffer.alloc(65_536, String(n % 10)).toString('latin1')
  const count = 3_000
  const order: number[] = []
  let pushed = 0
  const next = (): void => {
    if (pushed >= count) return
    pushed += 1
    inbox.push(textOf(pushed - 1))
  }
  let held = 0
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const inbox = createInbox(socket, async text => {
    next()
    order.push(Number(text[0]))
    await Promise.resolve()
    if (order.length === count - 100) {
      collect()
      held = process.memoryUsage().heapUsed
    }
    if (order.length === count) resolve(undefined)
  })
  collect()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < 20; n += 1) next()
  await over
  const grown = (held - before) / 1_048_576
  t.ok(grown < 50, `holds ${grown.toFixed(0)} MB of the ${(count * 65_536) / 1_048_576} MB that went through`)
  t.ok(order.every((digit, n) => digit === n % 10))
})

t.test('it stops reading when much waits, and reads again when little does', async t => {
  const calls: string[] = []
  const waiting: (() => void)[] = []
  const inbox = createInbox(
    { pause: () => calls.push('pause'), resume: () => calls.push('resume') },
    () => new Promise(resolve => waiting.push(resolve)),
  )
  for (let n = 0; n < 70; n += 1) inbox.push(String(n))
  t.same(calls, ['pause'])
  for (let n = 0; n < 70; n += 1) {
    waiting[n]?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  t.same(calls, ['pause', 'resume'])
  t.notOk(inbox.busy)
})
