/** A mailbox keeps order and its bounds, and says when whoever fills it should wait. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createMailbox } from '../../src/actors/mailbox.ts'

t.test('it takes no more messages than its bound', async t => {
  const mailbox = createMailbox<number>({ messages: 2 })
  t.same(
    [1, 2, 3].map(n => mailbox.offer(n, 0)),
    [true, true, false],
  )
  t.equal(mailbox.take()?.message, 1)
  t.ok(mailbox.offer(4, 0))
  t.same(
    mailbox.clear().map(({ message }) => message),
    [2, 4],
  )
  t.equal(mailbox.take(), undefined)
})

t.test('it takes no more bytes than its bound', async t => {
  const mailbox = createMailbox<number>({ messages: 100, bytes: 10 })
  t.same([mailbox.offer(1, 6), mailbox.offer(2, 5), mailbox.offer(3, 4)], [true, false, true])
  t.equal(mailbox.take()?.bytes, 6)
  t.ok(mailbox.offer(4, 6))
})

t.test('it asks once to wait at three quarters, and once to go on at a quarter', async t => {
  const said: string[] = []
  const mailbox = createMailbox<number>({ messages: 8, high: () => said.push('high'), low: () => said.push('low') })
  for (let n = 0; n < 5; n += 1) mailbox.offer(n, 0)
  t.same(said, [])
  mailbox.offer(5, 0)
  mailbox.offer(6, 0)
  t.same(said, ['high'])
  for (let n = 0; n < 4; n += 1) {
    mailbox.take()
    mailbox.ease()
  }
  t.same(said, ['high'])
  mailbox.take()
  mailbox.ease()
  mailbox.ease()
  t.same(said, ['high', 'low'])
  t.equal(mailbox.size(), 2)
})

t.test('bytes raise the watermark too', async t => {
  const said: string[] = []
  const mailbox = createMailbox<number>({ messages: 100, bytes: 100, high: () => said.push('high'), low: () => said.push('low') })
  mailbox.offer(1, 50)
  mailbox.offer(2, 25)
  t.same(said, ['high'])
  mailbox.take()
  mailbox.ease()
  t.same(said, ['high', 'low'])
})

t.test('a long queue keeps its order while it is filled and emptied', async t => {
  const mailbox = createMailbox<number>({ messages: 1_000, bytes: 1_000 })
  const taken: (number | undefined)[] = []
  for (let n = 0; n < 900; n += 1) mailbox.offer(n, 1)
  for (let n = 900; n < 3_000; n += 1) {
    taken.push(mailbox.take()?.message)
    mailbox.offer(n, 1)
  }
  for (let n = 0; n < 900; n += 1) taken.push(mailbox.take()?.message)
  t.same(taken, [...Array(3_000).keys()])
})

t.test('what is cleared makes room', async t => {
  const mailbox = createMailbox<number>({ messages: 2, bytes: 10 })
  mailbox.offer(1, 10)
  mailbox.clear()
  t.ok(mailbox.offer(2, 10))
})

t.test('a mailbox of one message works', async t => {
  const said: string[] = []
  const mailbox = createMailbox<number>({ messages: 1, high: () => said.push('high'), low: () => said.push('low') })
  t.same([mailbox.offer(1, 0), mailbox.offer(2, 0)], [true, false])
  mailbox.take()
  mailbox.ease()
  t.same(said, ['high', 'low'])
})

t.test('whatever is offered and taken, order is kept and the bounds hold', async t => {
  const step = fc.oneof({ weight: 3, arbitrary: fc.nat(40) }, { weight: 2, arbitrary: fc.constant(undefined) })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 1_500 }),
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 40, max: 4_000 }),
      (steps, messages, bytes) => {
        const mailbox = createMailbox<number>({ messages, bytes })
        const model: { readonly message: number; readonly bytes: number }[] = []
        let sent = 0
        for (const size of steps) {
          if (size === undefined) assert.deepEqual(mailbox.take(), model.shift())
          else {
            sent += 1
            const fits = model.length < messages && model.reduce((sum, entry) => sum + entry.bytes, size) <= bytes
            assert.equal(mailbox.offer(sent, size), fits)
            if (fits) model.push({ message: sent, bytes: size })
          }
          assert.equal(mailbox.size(), model.length)
        }
        assert.deepEqual(mailbox.clear(), model)
        assert.equal(mailbox.size(), 0)
      },
    ),
    { numRuns: 60 },
  )
  t.pass('for 60 runs')
})
