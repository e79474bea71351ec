/** The times that a client gives its frames: they only grow, and go by the server's clock once that is known. */
import t from 'tap'
import type { ClientFact } from '../../src/client/facts.ts'
import { createClientState } from '../../src/client/state.ts'
import { createWire } from '../../src/client/wire.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { testKey } from '../helpers/test-keys.ts'

const start = async (lastTs = 0, attachedAt = 0) => {
  const { state, evolve } = createClientState()
  evolve({ type: 'message.sent', id: 'm', to: 'public', ts: lastTs, kind: 'public' })
  evolve({ type: 'client.attaching', at: attachedAt })
  const journal = {
    state,
    record: (_stream: string, fact: ClientFact) => {
      evolve(fact)
    },
    flushed: () => Promise.resolve(),
  }
  const clock = createManualClock()
  const crypto = nodeCrypto()
  const privateKey = await (await testKey(1)).privateKey(crypto)
  return { clock, state, wire: createWire({ ports: { clock, crypto }, userId: 'u' as UserId, privateKey, journal }) }
}

t.test('every time is later than the one before, also after a restart', async t => {
  const { clock, wire } = await start()
  const [first, second] = [wire.nextTs(), wire.nextTs()]
  t.equal(first, clock.now())
  t.equal(second, first + 1)
  const later = await start(clock.now() + 60_000)
  t.equal(later.wire.nextTs(), clock.now() + 60_001)
})

t.test('a clock that is an hour ahead is corrected at once, whatever it has given before', async t => {
  const { clock, wire } = await start()
  const server = clock.now() - 3_600_000
  wire.nextTs()
  wire.learnTime(server)
  t.equal(wire.nextTs(), server + 1)
  clock.advance(1_000)
  t.equal(wire.nextTs(), server + 1_000)
})

t.test('a few seconds of difference are the way, and change nothing', async t => {
  const { clock, wire } = await start()
  wire.learnTime(clock.now() - 4_000)
  t.equal(wire.nextTs(), clock.now())
})

t.test('each attachment is later than all before it, though the clock was set back and the program started again', async t => {
  const { clock, wire, state } = await start()
  const ahead = await wire.nextAttachment()
  // the server's clock is behind, and from then on frames go by it
  wire.learnTime(clock.now() - 3_600_000)
  const second = await wire.nextAttachment()
  t.ok(second > ahead)
  t.ok(wire.nextTs() < ahead, 'but not frames')
  t.equal(state.attachedAt, second)
  clock.jump(-3_600_000)
  const later = await start(0, second)
  t.ok((await later.wire.nextAttachment()) > second)
})
