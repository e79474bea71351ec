/** How long is waited before trying again. */
import fc from 'fast-check'
import t from 'tap'
import { backoff, backoffMs } from '../../src/machines/backoff.ts'

t.test('it starts at a quarter of a second, never shrinks, and stays under its caps', async t => {
  t.equal(backoffMs(1, 0), backoff.firstMs)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 0, max: 10_000_000 }), (failures, failingMs) => {
      const wait = backoffMs(failures, failingMs)
      return wait >= backoff.firstMs && wait <= backoff.patientMs && backoffMs(failures + 1, failingMs) >= wait
    }),
  )
  t.equal(backoffMs(5_000, backoff.patientAfterMs - 1), backoff.capMs)
  t.equal(backoffMs(1, backoff.patientAfterMs), backoff.patientMs)
})
