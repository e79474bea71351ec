/** What an attached client believes as far as its server's key goes. */
import { verifyPayload } from '../crypto/transport-signature.ts'
import type { Crypto } from '../ports/crypto.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import { type FrameType, ruleOf } from '../protocol/frames.ts'
import type { Attachment } from './handshake.ts'

/** What comes in the name of others: `createDispatch` believes no keys in it, and readers' receipts are verified with the reader's key. */
const GOSSIP: ReadonlySet<FrameType> = new Set<FrameType>([
  'RECEIPT',
  'USER_ADVERTISE',
  'USER_REMOVE',
  'PUBLIC_CHANNEL_ADD',
  'PUBLIC_CHANNEL_UPDATED',
  'PUBLIC_CHANNEL_KEY_SHARE',
])

/** A server that proved its key signs all that it says; what others say, which it passes on, is for the handler of the frame to judge. */
export const mayBeBelieved = async (crypto: Crypto, frame: AnyFrame, { server, key }: Attachment): Promise<boolean> => {
  if (key === undefined) return true
  if (frame.from !== server) return GOSSIP.has(frame.type)
  if (frame.sig === undefined) return ruleOf(frame.type).signature !== 'required'
  return await verifyPayload(crypto, key, frame.payloadText, frame.sig)
}

/** What is wrong with a message that is no text frame. */
export const malformedWords = {
  too_large: 'The server sent a message that is too large.',
  binary: 'The server sent a message that is not text.',
  invalid: 'The server sent a message that is not valid.',
} as const
