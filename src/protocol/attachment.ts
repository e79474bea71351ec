/** A user's proof towards their server, as any other server can check it: it says to whom, and when by the user's own count. */
import { canonicalOf } from './canonical.ts'

export interface AttachmentClaim {
  readonly user: string
  readonly server: string
  readonly nonce: string
  /** Unix milliseconds of the user's, growing with each attachment. */
  readonly at: number
}

/** The payload of the PROOF that the user signed. */
export const attachmentText = ({ user, server, nonce, at }: AttachmentClaim): string =>
  canonicalOf({ at, nonce, prover: user, role: 'user', verifier: server })
