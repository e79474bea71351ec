/** Long lists are cut into parts that fit into a frame. */
import fc from 'fast-check'
import t from 'tap'
import { inParts } from '../../src/server/parts.ts'

t.test('every entry is in one part, in order, and no part is too long or too large', async t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30_000 })), fc.integer({ min: 1, max: 20 }), (sizes, most) => {
      const parts = inParts(sizes, most, size => size)
      const bytes = (part: readonly number[]): number => part.reduce((sum, size) => sum + size, 0)
      return (
        parts.flat().join() === sizes.join() &&
        parts.every(part => part.length <= most && bytes(part) <= 65_536) &&
        (sizes.length === 0) === (parts[0]?.length === 0)
      )
    }),
  )
  t.same(
    inParts([], 5, () => 1),
    [[]],
    'of nothing there is one part',
  )
})
