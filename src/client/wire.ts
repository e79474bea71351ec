/** Makes this client's frames: canonical payload, signature by the queue, envelope around it, and a `ts` that only grows. */
import { createSigningQueue, type Priority } from '../crypto/signing-queue.ts'
import type { PrivateKey } from '../ports/crypto.ts'
import type { Ports } from '../ports/ports.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import { encodeFrame } from '../protocol/envelope.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Journal } from './journal.ts'

export interface OutgoingFrame {
  readonly type: FrameType
  /** A user_id, a server_id, or `*`. */
  readonly to: string
  /** Unix milliseconds; `nextTs()` unless a content signature was made over another. */
  readonly ts?: number
  readonly payload: Readonly<Record<string, unknown>>
}

export interface Wire {
  /** Signs and encodes; rejects with `ProtocolError TIMEOUT` when too much waits to be signed. */
  signed(frame: OutgoingFrame, priority: Priority): Promise<string>
  /** Encodes what travels without a signature. */
  unsigned(frame: OutgoingFrame): string
  /** Unix milliseconds by the server's clock, and more than any that was given before, also after a restart. */
  nextTs(): number
  /** When we attach now, as we say it ourselves: later than ever before, by our own log, whatever became of the clock. Resolves when it is recorded. */
  nextAttachment(): Promise<number>
  /** What the server's clock said just now. */
  learnTime(serverTs: number): void
}

/** Below this a difference is the way, not the clock. */
const believedSkewMs = 5_000

export const createWire = (options: {
  readonly ports: Pick<Ports, 'clock' | 'crypto'>
  readonly userId: UserId
  readonly privateKey: PrivateKey
  readonly journal: Pick<Journal, 'state' | 'record' | 'flushed'>
}): Wire => {
  const { ports, userId, privateKey, journal } = options
  const queue = createSigningQueue({ crypto: ports.crypto, privateKey, inFlight: 2, maxQueued: 1_024 })
  let lastTs = journal.state.lastTs
  let skew = 0
  const nextTs = (): number => {
    lastTs = Math.max(ports.clock.now() + skew, lastTs + 1)
    return lastTs
  }
  return {
    nextTs,
    nextAttachment: async () => {
      const at = Math.max(nextTs(), journal.state.attachedAt + 1)
      journal.record('node', { type: 'client.attaching', at })
      await journal.flushed()
      return at
    },
    learnTime: serverTs => {
      const difference = serverTs - ports.clock.now()
      skew = Math.abs(difference) > believedSkewMs ? difference : 0
      // what was given by a clock that ran ahead, as the hello's, would hold back every ts until that time has come
      if (lastTs - serverTs > believedSkewMs) lastTs = serverTs
    },
    unsigned: ({ type, to, ts = nextTs(), payload }) => encodeFrame({ type, from: userId, to, ts, payloadText: canonicalOf(payload) }),
    signed: async ({ type, to, ts, payload }, priority) => {
      const payloadText = canonicalOf(payload)
      const sig = await queue.sign(payloadText, priority)
      return encodeFrame({ type, from: userId, to, ts: ts ?? nextTs(), payloadText, sig })
    },
  }
}
