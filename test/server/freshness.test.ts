/** Which `ts` is taken and what counts as seen: order and duplicates of honest frames (SOCP §10). */
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Frame } from '../../src/protocol/envelope.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import type { FrameType } from '../../src/protocol/frames.ts'
import { configSchema } from '../../src/server/config.ts'
import { createSeen, requireFresh } from '../../src/server/freshness.ts'
import type { Node } from '../../src/server/node.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

const start = (limits: { readonly seen?: number } = {}) => {
  const clock = createManualClock()
  const node = { ports: { clock, crypto: nodeCrypto() }, config: configSchema.parse({ limits }) } as unknown as Node
  return { clock, node, seen: createSeen(node) }
}
const frame = (type: FrameType, payloadText: string, envelope: { from?: string; to?: string; ts?: number } = {}): Frame => ({
  type,
  from: 'a',
  to: 'b',
  ts: 1,
  payloadText,
  payload: {},
  sig: undefined,
  ...envelope,
})

t.test('a frame is taken from 10 minutes ago to 2 minutes ahead', async t => {
  const { clock, node } = start()
  const at = (ms: number, offset = 0): string => {
    try {
      requireFresh(node, frame('HEARTBEAT', '{}', { ts: clock.now() + ms }), offset)
      return 'taken'
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return `${error.code} ${error.reason}`
    }
  }
  t.same(
    [-600_000, 0, 120_000].map(ms => at(ms)),
    ['taken', 'taken', 'taken'],
  )
  t.same(
    [-600_001, 120_001].map(ms => at(ms)),
    ['TIMEOUT stale', 'TIMEOUT future'],
  )
  t.same([at(-3_600_000, 3_600_000), at(3_600_000, -3_600_000)], ['taken', 'taken'], 'by the clock of a peer that is an hour off')
  t.equal(at(0, 3_600_000), 'taken', 'by ours, which they have learnt since')
  t.equal(at(700_000, 700_000), 'TIMEOUT future', 'by neither')
})

t.test('a frame is new once for each origin', async t => {
  const { seen } = start()
  const one = frame('LIST_REQUEST', '{}')
  t.notOk(seen.has('a', one))
  t.ok(seen.enter('a', one))
  t.ok(seen.has('a', one))
  t.notOk(seen.enter('a', one))
  t.ok(seen.enter('b', one), 'another origin may say the same')
})

t.test('looking does not enter: a forged copy suppresses nothing', async t => {
  const { seen } = start()
  const one = frame('MSG_DIRECT', '{"ciphertext":"x"}')
  t.notOk(seen.has('a', one))
  t.notOk(seen.has('a', one))
  t.ok(seen.enter('a', one))
})

t.test('a payload that may come again is new under another ts, from or to', async t => {
  const { seen } = start()
  for (const envelope of [{}, { ts: 2 }, { to: 'c' }, { from: 'd' }]) t.ok(seen.enter('a', frame('HEARTBEAT', '{}', envelope)))
})

t.test('encrypted content is known by its payload alone, whatever is changed around it', async t => {
  for (const type of ['MSG_DIRECT', 'MSG_PUBLIC_CHANNEL', 'FILE_CHUNK', 'SERVER_DELIVER'] as const) {
    const { seen } = start()
    t.ok(seen.enter('a', frame(type, '{"ciphertext":"x"}')))
    for (const envelope of [{ ts: 2 }, { to: 'c' }, { from: 'd' }]) {
      t.ok(seen.has('a', frame(type, '{"ciphertext":"x"}', envelope)), `${type} ${JSON.stringify(envelope)}`)
      t.notOk(seen.enter('a', frame(type, '{"ciphertext":"x"}', envelope)))
    }
    for (const other of ['MSG_DIRECT', 'MSG_PUBLIC_CHANNEL', 'FILE_CHUNK', 'SERVER_DELIVER'] as const)
      t.ok(seen.has('a', frame(other, '{"ciphertext":"x"}')), `${type} again as ${other}`)
    t.ok(seen.enter('a', frame(type, '{"ciphertext":"y"}')))
  }
})

t.test('so many are remembered of each origin, and no origin crowds out another', async t => {
  const { seen } = start({ seen: 100 })
  const heartbeat = (n: number): Frame => frame('HEARTBEAT', '{}', { ts: n })
  t.ok(seen.enter('quiet', heartbeat(0)))
  for (let n = 0; n < 1_000; n += 1) seen.enter('loud', heartbeat(n))
  t.ok(seen.has('quiet', heartbeat(0)))
  t.same(
    [899, 900, 999].map(n => seen.has('loud', heartbeat(n))),
    [false, true, true],
  )
})

t.test('an origin that is gone is forgotten', async t => {
  const { seen } = start()
  seen.enter('a', frame('HEARTBEAT', '{}'))
  seen.forget('a')
  t.notOk(seen.has('a', frame('HEARTBEAT', '{}')))
})

t.test('a message that asks for a receipt may come again, also to another server than the first time, but at no other time', async t => {
  const { seen } = start()
  const asking = (envelope: { to?: string; ts?: number } = {}): Frame => ({
    ...frame('SERVER_DELIVER', '{"receipt":true}', envelope),
    payload: { inner_type: 'MSG_DIRECT', receipt: true },
  })
  t.ok(seen.enter('a', asking()))
  t.ok(seen.enter('a', asking()))
  t.notOk(seen.has('a', asking({ to: 'c' })), 'its reader has moved, and their servers passed it on')
  t.ok(seen.enter('a', asking({ to: 'c' })))
  t.ok(seen.has('a', asking({ ts: 2 })), 'its time is part of its name')
})

t.test('nothing but a message to one person may come again, whatever it says of itself', async t => {
  const { seen } = start()
  const others: readonly [FrameType, object, string?][] = [
    ['PUBLIC_CHANNEL_ADD', {}],
    ['USER_ADVERTISE', {}],
    ['FILE_CHUNK', {}],
    ['SERVER_DELIVER', { inner_type: 'FILE_CHUNK' }],
    ['MSG_PUBLIC_CHANNEL', {}, 'public'],
    ['MSG_PUBLIC_CHANNEL', {}, '*'],
  ]
  for (const [type, payload, to = 'b'] of others) {
    const asking = { ...frame(type, JSON.stringify([type, payload, to]), { to }), payload: { ...payload, receipt: true } }
    t.ok(seen.enter('a', asking), type)
    t.notOk(seen.enter('a', asking), type)
  }
})
