/** Answers to refused frames: constants that cost no signature, within a budget, and never an answer to an answer. */
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { createSigningQueue } from '../../src/crypto/signing-queue.ts'
import { verifyPayload } from '../../src/crypto/transport-signature.ts'
import { parseFrame } from '../../src/protocol/envelope.ts'
import { type ErrorCode, errorCodes, ProtocolError } from '../../src/protocol/errors.ts'
import type { Connection } from '../../src/server/connection.ts'
import type { Node } from '../../src/server/node.ts'
import { createBucket } from '../../src/server/rate.ts'
import { createRefusals } from '../../src/server/refusals.ts'
import { countedCrypto } from '../helpers/counted-crypto.ts'
import { createManualClock } from '../helpers/manual-clock.ts'
import { testKey } from '../helpers/test-keys.ts'

const start = async (budget = { burst: 20, perSecond: 1 }) => {
  const clock = createManualClock()
  const crypto = countedCrypto(nodeCrypto())
  const privateKey = await (await testKey(0)).privateKey(crypto)
  const counts: string[] = []
  const held: (() => void)[] = []
  let ts = 0
  const node = {
    self: { id: 'server' },
    signer: createSigningQueue({ crypto, privateKey, inFlight: 2, maxQueued: 100 }),
    runtime: { release: (run: () => void) => held.push(run) },
    nextTs: () => (ts += 1),
    count: (what: string, why: string) => counts.push(`${what} ${why}`),
    log: () => {},
  } as unknown as Node
  const refusals = createRefusals(node)
  await refusals.prepare()
  const sent: { lane: string; text: string | Promise<string> }[] = []
  const closed: string[] = []
  const connection = {
    id: 1,
    peer: { id: 'peer' },
    refusals: createBucket(clock, budget),
    channel: { send: (lane: string, text: string | Promise<string>) => sent.push({ lane, text }) },
    close: (code: number, why: string) => closed.push(`${code} ${why}`),
  } as unknown as Connection
  const release = (): void => {
    for (const run of held.splice(0)) run()
  }
  const texts = (): Promise<string[]> => Promise.all(sent.map(({ text }) => Promise.resolve(text)))
  return { clock, crypto, privateKey, counts, refusals, connection, sent, closed, release, texts }
}

t.test('every code is answered with its constant, signed once at the start', async t => {
  const { crypto, privateKey, refusals, connection, release, texts } = await start()
  t.equal(crypto.signed(), 6)
  const codes = Object.keys(errorCodes) as ErrorCode[]
  for (const code of codes) refusals.refuse(connection, new ProtocolError(code, 'why', 'a detail that names the frame'))
  release()
  t.equal(crypto.signed(), 6, 'garbage costs no signature')
  const frames = (await texts()).map(parseFrame)
  for (const [n, code] of codes.entries()) {
    const frame = frames[n]
    t.match(frame, { type: 'ERROR', from: 'server', to: 'peer', payload: { code, detail: errorCodes[code] } })
    t.ok(await verifyPayload(crypto, privateKey.publicKey, frame?.payloadText ?? '', frame?.sig ?? ''), code)
  }
  t.same(
    frames.map(({ ts }) => ts),
    [1, 2, 3, 4, 5, 6],
  )
})

t.test('an answer waits for what was recorded before it', async t => {
  const { refusals, connection, sent, release } = await start()
  refusals.refuse(connection, new ProtocolError('INVALID_SIG', 'why'))
  t.same(sent, [])
  release()
  t.equal(sent.length, 1)
})

t.test('an answer is never answered, but counted', async t => {
  const { counts, refusals, connection, sent, closed, release } = await start()
  for (const type of ['ERROR', 'ACK', 'CTRL_CLOSE']) refusals.refuse(connection, new ProtocolError('INVALID_SIG', 'why'), type)
  release()
  t.same([sent, closed], [[], []])
  t.same(counts, ['refused why', 'refused why', 'refused why'])
})

t.test('beyond its budget a connection is closed, and within it time gives more', async t => {
  const { clock, refusals, connection, sent, closed, release } = await start({ burst: 2, perSecond: 1 })
  const refuse = (): void => {
    refusals.refuse(connection, new ProtocolError('UNKNOWN_TYPE', 'why'), 'NONSENSE')
    release()
  }
  refuse()
  refuse()
  clock.advance(1_000)
  refuse()
  t.same([sent.length, closed], [3, []])
  refuse()
  t.same([sent.length, closed], [3, ['1008 too many refused frames']])
})

t.test('a stranger is answered as *', async t => {
  const { refusals, connection, release, texts } = await start()
  connection.peer = undefined
  refusals.refuse(connection, new ProtocolError('UNKNOWN_TYPE', 'why'))
  release()
  t.equal(parseFrame((await texts())[0] ?? '').to, '*')
})

t.test('what is not a protocol error is a bug, and goes on', async t => {
  const { refusals, connection } = await start()
  t.throws(() => {
    refusals.refuse(connection, new TypeError('a bug'))
  }, TypeError)
})

t.test('an authenticated sender hears which frame it was, for a signature of its own', async t => {
  const { crypto, refusals, connection, release, texts } = await start()
  refusals.tell(connection, 'alice', 'USER_NOT_FOUND', 'bob is not online.', 'ref')
  release()
  const [text = ''] = await texts()
  t.match(parseFrame(text), {
    type: 'ERROR',
    to: 'alice',
    payload: { code: 'USER_NOT_FOUND', detail: 'bob is not online.', msg_ref: 'ref' },
  })
  t.equal(crypto.signed(), 7)
})
