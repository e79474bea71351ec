/** Attacks by more work than this machine can sign: what fails then is told to whoever waits for it, and ends nothing. */
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createSigningQueue } from '../../src/crypto/signing-queue.ts'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import { frameText, signedEvent } from '../../src/server/signed-event.ts'

const envelope = { type: 'HEARTBEAT', from: 'a', to: 'b', ts: 1 } as const

t.test('a frame that cannot be signed, for a socket that has gone meanwhile, is nobody’s unhandled rejection', async t => {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => {
    unhandled.push(error)
  }
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const never = { sign: () => new Promise(() => {}) } as unknown as Crypto
  const signer = createSigningQueue({ crypto: never, privateKey: {} as PrivateKey, inFlight: 1, maxQueued: 1 })
  const sent = [1, 2, 3, 4].map(n => frameText(signedEvent(signer, { n }, 'message'), envelope))
  await turn()
  await turn()
  t.same(unhandled, [])
  t.match(await sent[3]?.catch(String), /cannot sign that much/, 'whoever waits for it still hears')
})
