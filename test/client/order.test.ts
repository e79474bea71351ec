/** The count of one sender's messages to one reader: what each waits for, whatever failed before it. */
import fc from 'fast-check'
import t from 'tap'
import { count, type Counted, isDue, nextOrder, type Order, show, type Shown, uncount, wasShown } from '../../src/client/order.ts'

const written = (times: number): { counted: Counted; readonly orders: readonly Order[] } => {
  let counted: Counted | undefined
  const orders: Order[] = []
  for (let nth = 0; nth < times; nth += 1) {
    const order = nextOrder(counted, 1_000)
    orders.push(order)
    counted = count(counted, order)
  }
  return { counted: counted as Counted, orders }
}

t.test('the next message waits for the last one that has not failed, in whatever order the others failed', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.infiniteStream(fc.nat()), (times, draws) => {
      const { orders, counted } = written(times)
      const failing = [...orders].filter(() => (draws.next().value as number) % 2 === 0)
      failing.sort(() => ((draws.next().value as number) % 3) - 1)
      const after = failing.reduce(uncount, counted)
      const left = orders.filter(order => !failing.includes(order)).map(([, number]) => number)
      return nextOrder(after, 2_000)[2] === (left.at(-1) ?? 0)
    }),
  )
})

t.test('what failed before a message that then fails too is not waited for', async t => {
  const { orders, counted } = written(3)
  const [first, second, third] = orders as [Order, Order, Order]
  const between = [first, second].reduce(uncount, counted)
  t.equal(nextOrder(between, 2_000)[2], 3)
  t.equal(nextOrder(uncount(between, third), 2_000)[2], 0)
  const fourth = nextOrder(between, 2_000)
  const later = uncount(count(between, fourth), fourth)
  t.equal(nextOrder(later, 2_000)[2], 3, 'also when a later one was counted meanwhile')
  t.equal(nextOrder(uncount(later, third), 2_000)[2], 0)
})

t.test('a message is due when the one before it was shown, and one that was passed over is not taken for shown', async t => {
  const [first, second, third] = written(3).orders as [Order, Order, Order]
  const shown: Shown = show(undefined, first, 1)
  t.ok(isDue(shown, second))
  t.notOk(isDue(shown, third))
  const over = show(shown, third, 3)
  t.notOk(wasShown(over, second, 2))
  t.ok(wasShown(show(over, second, 2), second, 2))
  t.ok(isDue(over, nextOrder({ stream: 1_000, number: 3, previous: 3, failed: [] }, 4)))
})
