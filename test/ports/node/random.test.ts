/** The real generator answers what the port promises. */
import t from 'tap'
import { nodeRandom } from '../../../src/ports/node/random.ts'
import { isUuidV4 } from '../../../src/protocol/ids.ts'

t.test('bytes are as many as asked for and not the same twice', t => {
  const random = nodeRandom()
  t.equal(random.bytes(0).length, 0)
  t.equal(random.bytes(100_000).length, 100_000)
  t.notSame(random.bytes(32), random.bytes(32))
  t.end()
})

t.test('a uuid has the only form that we make', t => {
  t.ok(isUuidV4(nodeRandom().uuid()))
  t.end()
})

t.test('a fraction lies in [0, 1)', t => {
  const fraction = nodeRandom().fraction()
  t.ok(fraction >= 0 && fraction < 1)
  t.end()
})
