/** One payload with one signature, however many recipients it has (SOCP §12: `sig` covers the payload only). */
import { canonicalOf } from '../protocol/canonical.ts'
import { encodeFrame } from '../protocol/envelope.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { Base64Url } from '../protocol/ids.ts'
import type { Priority, SigningQueue } from '../crypto/signing-queue.ts'

export interface SignedEvent {
  /** Canonical JSON, exactly as it is signed and sent. */
  readonly payloadText: string
  /** Asked for at the first need and kept; never shared with another event, which would look like a replay. */
  signature(): Promise<Base64Url>
}

export interface EventEnvelope {
  readonly type: FrameType
  readonly from: string
  readonly to: string
  /** Unix milliseconds. */
  readonly ts: number
}

export const signedEvent = (signer: SigningQueue, payload: unknown, priority: Priority): SignedEvent => {
  const payloadText = canonicalOf(payload)
  let signature: Promise<Base64Url> | undefined
  const sign = async (): Promise<Base64Url> => {
    try {
      return await signer.sign(payloadText, priority)
    } catch (error) {
      // this machine was too busy; whoever asks later may find it idle
      signature = undefined
      throw error
    }
  }
  return { payloadText, signature: () => (signature ??= sign()) }
}

/** The event's text for one recipient. Rejects with `ProtocolError TIMEOUT` when this node cannot sign that much. */
export const frameText = async (event: SignedEvent, envelope: EventEnvelope): Promise<string> =>
  encodeFrame({ ...envelope, payloadText: event.payloadText, sig: await event.signature() })
