/** One payload with one signature, however many recipients it has (SOCP §12: `sig` covers the payload only). */
import { canonicalOf } from '../protocol/canonical.ts'
import { encodeFrame } from '../protocol/envelope.ts'
import type { Base64Url } from '../protocol/ids.ts'
import type { Priority, SigningQueue } from '../crypto/signing-queue.ts'

export interface SignedEvent {
  /** Canonical JSON, exactly as it is signed and sent. */
  readonly payloadText: string
  /** Asked for at the first need and kept; never shared with another event, which would look like a replay. */
  signature(): Promise<Base64Url>
}

export interface EventEnvelope {
  /** A frame's type, or the name of an answer to an alias. */
  readonly type: string
  readonly from: string
  readonly to: string
  /** Unix milliseconds. */
  readonly ts: number
}

export const signedEvent = (signer: Pick<SigningQueue, 'sign'>, payload: unknown, priority: Priority): SignedEvent => {
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
export const frameText = (event: SignedEvent, envelope: EventEnvelope): Promise<string> => {
  const text = event.signature().then(sig => encodeFrame({ ...envelope, payloadText: event.payloadText, sig }))
  // whoever sends it hears of a failure; its socket may be gone by then, and one that nobody sends any more fails nobody
  text.catch(() => {})
  return text
}
