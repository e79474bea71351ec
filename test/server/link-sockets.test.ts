/** Which of several sockets carries a link: both ends choose the same, and none chooses one that is dead at the other end. */
import t from 'tap'
import type { ServerId } from '../../src/protocol/ids.ts'
import type { Connection } from '../../src/server/connection.ts'
import { chosenSocket, CROSSING_MS } from '../../src/server/link-sockets.ts'

const [a, b] = ['a', 'b'] as [ServerId, ServerId]
/** A socket as one end has it. */
const socket = (direction: Connection['direction'], linkedAt: number) => ({ direction, linkedAt }) as Connection

t.test('of two dials that crossed both ends keep the one that the smaller id made, whichever was linked first', async t => {
  for (const [first, second] of [
    [0, 900],
    [900, 0],
  ] as const) {
    const atA = [socket('dialled', first), socket('accepted', second)]
    const atB = [socket('accepted', first), socket('dialled', second)]
    t.equal(chosenSocket(a, b, atA), atA[0])
    t.equal(chosenSocket(b, a, atB), atB[0])
  }
})

t.test('whoever dials has no link that stands: what is much older is dead at the other end, whoever made it', async t => {
  const dead = socket('dialled', 0)
  const fresh = socket('accepted', CROSSING_MS + 1)
  t.equal(chosenSocket(a, b, [dead, fresh]), fresh)
})

t.test('of two that one end dialled the newer one is kept', async t => {
  const sockets = [socket('dialled', 0), socket('dialled', 5_000)]
  t.equal(chosenSocket(a, b, sockets), sockets[1])
})
