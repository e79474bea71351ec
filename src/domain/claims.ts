/** Which of several servers' claims to one user counts: one order, which every server computes alike from what the claims say. */
import type { ServerId } from '../protocol/ids.ts'
import type { UserMeta } from '../protocol/meta.ts'
import type { AttachmentProof, PresenceSeq } from './facts.ts'

/** One server's word that a user is attached to it. */
export interface Claim {
  readonly server: ServerId
  readonly seq: PresenceSeq | undefined
  readonly meta: UserMeta
  readonly caps: readonly string[]
  /** When the user attached, Unix milliseconds as that server says; no v1.3 server does. */
  readonly since?: number
  /** The same as the user themselves signed it. */
  readonly attachedAt?: number
  /** That signature; of users who are attached here, to be shown to others. */
  readonly proof?: AttachmentProof
}

/**
 * Negative when `a` counts rather than `b`; 0 only between two claims of v1.3 servers, of which the one that was heard first counts.
 * What the user signed decides, the latest first: nobody else can make that. Among claims without it, a server that is there comes
 * before one that is not (`isLive`), then the older claim, for nobody moves somebody else's user (§8.2), then the smaller server id.
 */
export const compareClaims = (a: Claim, b: Claim, isLive: (claim: Claim) => boolean): number => {
  const signed = (b.attachedAt ?? -1) - (a.attachedAt ?? -1)
  if (signed !== 0) return signed
  if (a.attachedAt === undefined) {
    const live = Number(isLive(b)) - Number(isLive(a))
    if (live !== 0) return live
  }
  if (a.since !== b.since) return (a.since ?? Infinity) - (b.since ?? Infinity)
  if (a.since === undefined && a.attachedAt === undefined) return 0
  return a.server < b.server ? -1 : a.server > b.server ? 1 : 0
}
