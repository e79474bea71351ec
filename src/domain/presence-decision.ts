/** What a verified presence frame changes here, if anything. */
import type { PublicKeyText } from '../protocol/ids.ts'
import { conflictKey, type Directory, type PinnedUser } from './directory.ts'
import type { PresenceFact } from './facts.ts'
import { compareSeq, isNews, newOriginOrder } from './presence-order.ts'

/** A presence frame whose signature was verified with the key of its origin. */
export interface PresenceCommand {
  readonly fact: Extract<PresenceFact, { readonly type: 'user.advertised' | 'user.removed' }>
  /** It came over the origin's own authenticated link. */
  readonly direct: boolean
  /** There is such a link, whether or not this came over it. */
  readonly originLinked: boolean
  /** The origin has just listed this very event as one that still counts: it is news although newer ones of others were heard. */
  readonly awaited?: boolean
  readonly limits: { readonly usersPerServer: number; readonly pins: number }
}

/** What a verified presence frame changes; an empty list ends a gossip round. `why` says what stood against it, for counters. */
export const decidePresence = (
  { fact, direct, originLinked, limits, awaited = false }: PresenceCommand,
  directory: Directory,
): { readonly facts: readonly PresenceFact[]; readonly why?: string } => {
  const nothing = (why: string) => ({ facts: [], why })
  if (fact.server === directory.self) return nothing('own')
  const order = directory.origins.get(fact.server) ?? newOriginOrder()
  if (fact.seq === undefined) {
    // without a sequence only the origin's own link says what is newest; a copy from elsewhere may be old
    if (order.sequenced) return nothing('unsequenced')
    if (!direct && originLinked) return nothing('relayed')
  }
  const claimed = directory.users.get(fact.user)?.claims.find(claim => claim.server === fact.server)
  const last = order.recent.get(fact.user)
  const listedAnew = awaited && claimed === undefined && fact.seq !== undefined && (last === undefined || compareSeq(fact.seq, last) >= 0)
  if (!listedAnew && !isNews(order, fact.user, fact.seq, fact.digest)) return nothing('known')
  if (fact.type === 'user.removed') {
    // a removal that overtook its advertisement is remembered, or the advertisement would bring the user back
    return claimed !== undefined || fact.seq !== undefined ? { facts: [fact] } : nothing('unknown_user')
  }
  const pinned = directory.pins.get(fact.user)
  const other = pinned === undefined ? undefined : otherKey(pinned, fact)
  if (other !== undefined) {
    if (directory.conflicts.has(conflictKey(fact.user, other))) return nothing('key_conflict')
    return { facts: [{ type: 'user.keyConflicted', user: fact.user, server: fact.server, pubkey: other }], why: 'key_conflict' }
  }
  if (claimed === undefined && (directory.usersOf.get(fact.server) ?? 0) >= limits.usersPerServer) return nothing('too_many_users')
  if (pinned === undefined && directory.pins.size >= limits.pins) return nothing('too_many_users')
  return { facts: [fact] }
}

/** A key of an advertisement that is not the pinned one: messages for this user must not be encrypted to somebody else. */
const otherKey = (
  pinned: PinnedUser,
  { pubkey, encPubkey }: Extract<PresenceFact, { readonly type: 'user.advertised' }>,
): PublicKeyText | undefined => {
  if (pubkey !== undefined && pubkey !== pinned.pubkey) return pubkey
  return encPubkey !== undefined && encPubkey !== (pinned.encPubkey ?? pinned.pubkey) ? encPubkey : undefined
}
