/** How the chunks of a received file become a whole, and where that ends (attacks 35). */
import fc from 'fast-check'
import t from 'tap'
import { createReassembly, reassemblyLimits, TransferRefused } from '../../src/client/transfers/reassembly.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString()

t.test('chunks in any order within the window make the file, whether they count from 0 or from 1', async t => {
  const arrivals = fc
    .record({ count: fc.integer({ min: 1, max: 100 }), base: fc.constantFrom(0, 1), length: fc.integer({ min: 1, max: 9 }) })
    .chain(({ count, base, length }) => {
      const chunks = Array.from({ length: count }, (_, index) => ({ index: index + base, body: String(index).padStart(length, '.') }))
      return fc.record({
        chunks: fc.constant(chunks),
        order: fc.shuffledSubarray(chunks, { minLength: count }),
        again: fc.subarray(chunks),
      })
    })
  fc.assert(
    fc.property(arrivals, ({ chunks, order, again }) => {
      const whole = chunks.map(({ body }) => body).join('')
      const reassembly = createReassembly(whole.length)
      const pieces = [...order.slice(0, -1), ...again.filter(chunk => chunk !== order.at(-1)), ...order.slice(-1)].flatMap(
        ({ index, body }) => reassembly.accept(index, bytes(body)),
      )
      pieces.push(...reassembly.ended())
      return text(pieces) === whole && reassembly.complete
    }),
  )
  t.pass('100 shuffles with doubles')
})

t.test('more bytes than were offered end the transfer, also while they wait', async t => {
  t.throws(() => createReassembly(3).accept(0, bytes('four')), TransferRefused)
  const reassembly = createReassembly(5)
  reassembly.accept(1, bytes('abc'))
  t.throws(() => reassembly.accept(2, bytes('def')), TransferRefused)
})

t.test('an index that is negative, no integer or far ahead ends the transfer', async t => {
  for (const index of [-1, 0.5, Number.NaN, 2 ** 53, reassemblyLimits.maxAhead + 1])
    t.throws(() => createReassembly(10).accept(index, bytes('x')), TransferRefused, String(index))
})

t.test('no more than the window waits in memory', async t => {
  const size = 100_000_000
  const reassembly = createReassembly(size)
  const chunk = new Uint8Array(50_000)
  let taken = 0
  t.throws(() => {
    for (let index = 2; ; index++) {
      reassembly.accept(index, chunk)
      taken += chunk.length
    }
  }, TransferRefused)
  t.ok(taken <= reassemblyLimits.maxWaitingBytes)
})

t.test('doubles and what came before are ignored, and an empty file is complete at once', async t => {
  const reassembly = createReassembly(4)
  t.equal(text(reassembly.accept(0, bytes('ab'))), 'ab')
  t.same(reassembly.accept(0, bytes('zz')), [])
  t.equal(reassembly.complete, false)
  t.equal(text(reassembly.accept(1, bytes('cd'))), 'cd')
  t.equal(reassembly.complete, true)
  t.equal(createReassembly(0).complete, true)
})
