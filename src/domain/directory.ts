/** Who is where: users, the servers that claim them, and the one key that is pinned to each. */
import type { Address, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'
import type { UserMeta } from '../protocol/meta.ts'
import type { PresenceFact, PresenceSeq, SessionFact } from './facts.ts'
import { compareSeq, isNews, newOriginOrder, type OriginOrder, remember, takeBack } from './presence-order.ts'

/** One server's word that a user is attached to it. */
export interface Claim {
  readonly server: ServerId
  readonly seq: PresenceSeq | undefined
  readonly meta: UserMeta
  readonly caps: readonly string[]
}

/** A local user's session, as far as the directory cares. */
export type LocalState = 'attached' | 'detached'

export interface DirectoryUser {
  readonly id: UserId
  /** In order of arrival; a server that claims again keeps its place. */
  readonly claims: readonly Claim[]
  readonly local: LocalState | undefined
}

/** A key seen for a user; it stays when the user leaves, so that nobody else can take the id. */
export interface PinnedUser {
  readonly pubkey: PublicKeyText
  readonly encPubkey: PublicKeyText | undefined
  /** Answered our challenge once: from then on nobody attaches under this id without answering one. */
  readonly proven: boolean
}

export interface Directory {
  readonly self: ServerId | undefined
  /** Online users, here and elsewhere. */
  readonly users: ReadonlyMap<UserId, DirectoryUser>
  /** Those of them who are attached here. */
  readonly attached: ReadonlySet<UserId>
  readonly pins: ReadonlyMap<UserId, PinnedUser>
  readonly origins: ReadonlyMap<ServerId, OriginOrder>
  readonly usersOf: ReadonlyMap<ServerId, number>
  /** `user key` pairs whose conflict was recorded, so that each is an alarm once. */
  readonly conflicts: ReadonlySet<string>
  /** Names this node's last presence event. */
  readonly lastSeq: PresenceSeq
  /** Users who left here, with the sequence of their removal, oldest first: a peer that was away then still has to hear it. */
  readonly departed: ReadonlyMap<UserId, PresenceSeq>
}

interface DirectoryDraft {
  self: ServerId | undefined
  users: Map<UserId, DirectoryUser>
  attached: Set<UserId>
  pins: Map<UserId, PinnedUser>
  origins: Map<ServerId, OriginOrder>
  usersOf: Map<ServerId, number>
  conflicts: Set<string>
  lastSeq: PresenceSeq
  departed: Map<UserId, PresenceSeq>
}

/** Departures remembered; a peer that missed more is corrected when a delivery fails (§11). */
const MAX_DEPARTED = 1_024
/** Conflicts remembered; beyond it the oldest may alarm again. */
const MAX_CONFLICTS = 4_096

export const emptyDirectory = (): Directory => ({
  self: undefined,
  users: new Map(),
  attached: new Set(),
  pins: new Map(),
  origins: new Map(),
  usersOf: new Map(),
  conflicts: new Set(),
  lastSeq: [0, 0],
  departed: new Map(),
})

/** Whether a server is linked now: the word of one that is not may be out of date. */
export type IsLinked = (server: ServerId) => boolean

/**
 * The claim that counts: of an attached local user our own, else the oldest of a server that is linked, else our own, else the oldest.
 * A newer claim waits until the older one is taken back or its server is gone: nobody moves somebody else's user (§8.2).
 */
export const claimOf = (directory: Directory, entry: DirectoryUser, linked: IsLinked): Claim | undefined => {
  const own = entry.claims.find(claim => claim.server === directory.self)
  if (entry.local === 'attached' && own !== undefined) return own
  const others = entry.claims.filter(claim => claim !== own)
  return others.find(claim => linked(claim.server)) ?? own ?? others[0]
}

/** Where a user's messages go (§10): `local`, a server, or nowhere. */
export const homeOf = (directory: Directory, user: UserId, linked: IsLinked): ServerId | 'local' | undefined => {
  const entry = directory.users.get(user)
  const claim = entry === undefined ? undefined : claimOf(directory, entry, linked)
  if (claim === undefined) return undefined
  return claim.server === directory.self ? 'local' : claim.server
}

/** The sequence of this node's next presence event. */
export const nextSeq = (directory: Directory): PresenceSeq => [directory.lastSeq[0], directory.lastSeq[1] + 1]

/** A presence frame whose signature was verified with the key of its origin. */
export interface PresenceCommand {
  readonly fact: Extract<PresenceFact, { readonly type: 'user.advertised' | 'user.removed' }>
  /** It came over the origin's own authenticated link. */
  readonly direct: boolean
  /** There is such a link, whether or not this came over it. */
  readonly originLinked: boolean
  readonly limits: { readonly usersPerServer: number; readonly pins: number }
}

/** What a verified presence frame changes; an empty list ends a gossip round. `why` says what stood against it, for counters. */
export const decidePresence = (
  { fact, direct, originLinked, limits }: PresenceCommand,
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
  if (!isNews(order, fact.user, fact.seq, fact.digest)) return nothing('known')
  const claimed = directory.users.get(fact.user)?.claims.find(claim => claim.server === fact.server)
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

/** Folds a session or presence fact, in place. */
export const evolveDirectory = (directory: Directory, fact: SessionFact | PresenceFact): void => {
  const draft = directory as DirectoryDraft
  switch (fact.type) {
    case 'session.attached': {
      draft.lastSeq = laterSeq(draft.lastSeq, fact.seq)
      draft.departed.delete(fact.user)
      pinOwn(draft, fact)
      if (draft.self !== undefined)
        claim(draft, fact.user, { server: draft.self, seq: fact.seq, meta: fact.meta, caps: fact.caps }, 'attached')
      else setLocal(draft, fact.user, 'attached')
      return
    }
    case 'session.detached':
      setLocal(draft, fact.user, 'detached')
      return
    case 'session.ended':
      draft.lastSeq = laterSeq(draft.lastSeq, fact.seq)
      draft.departed.delete(fact.user)
      draft.departed.set(fact.user, fact.seq)
      if (draft.departed.size > MAX_DEPARTED) draft.departed.delete(draft.departed.keys().next().value as UserId)
      // nearly always the user is gone with the claim
      if (draft.self !== undefined) unclaim(draft, fact.user, draft.self)
      setLocal(draft, fact.user, undefined)
      return
    case 'user.advertised':
      remember(originOf(draft, fact.server), fact.user, fact.seq, fact.digest)
      if (fact.pubkey !== undefined && !draft.pins.has(fact.user))
        draft.pins.set(fact.user, { pubkey: fact.pubkey, encPubkey: fact.encPubkey, proven: false })
      claim(draft, fact.user, { server: fact.server, seq: fact.seq, meta: fact.meta, caps: fact.caps })
      return
    case 'user.removed':
      remember(originOf(draft, fact.server), fact.user, fact.seq, fact.digest)
      unclaim(draft, fact.user, fact.server)
      return
    case 'user.keyConflicted':
      draft.conflicts.add(conflictKey(fact.user, fact.pubkey))
      if (draft.conflicts.size > MAX_CONFLICTS) draft.conflicts.delete(draft.conflicts.values().next().value as string)
      return
    case 'user.unpinned':
      draft.pins.delete(fact.user)
      if (fact.pubkey !== undefined) draft.pins.set(fact.user, { pubkey: fact.pubkey, encPubkey: undefined, proven: false })
      for (const pair of draft.conflicts) if (pair.startsWith(`${fact.user} `)) draft.conflicts.delete(pair)
      // who was announced was the holder of the key that counts no more
      for (const held of draft.users.get(fact.user)?.claims ?? []) if (held.server !== draft.self) withdraw(draft, fact.user, held)
      return
  }
}

/** A new incarnation: presence events are counted anew under its epoch, and no socket of the one before is left. */
export const restartDirectory = (directory: Directory, self: ServerId, epoch: number): void => {
  const draft = directory as DirectoryDraft
  draft.self = self
  draft.lastSeq = [epoch, 0]
  for (const user of [...draft.attached]) setLocal(draft, user, 'detached')
}

/** A server left the mesh for good: its users and what was remembered of it go. */
export const forgetOrigin = (directory: Directory, server: ServerId): void => {
  const draft = directory as DirectoryDraft
  for (const entry of [...draft.users.values()]) unclaim(draft, entry.id, server)
  draft.origins.delete(server)
}

/** What a server said about its users counts no more, until it says it again. */
export const silenceOrigin = (directory: Directory, server: ServerId): void => {
  const draft = directory as DirectoryDraft
  for (const entry of [...draft.users.values()]) {
    const held = entry.claims.find(({ server: by }) => by === server)
    if (held !== undefined) withdraw(draft, entry.id, held)
  }
}

/** Counts a presence event that no presence fact names. */
export const advanceSeq = (directory: Directory, seq: PresenceSeq): void => {
  const draft = directory as DirectoryDraft
  draft.lastSeq = laterSeq(draft.lastSeq, seq)
}

/** A stream was given up: what its facts said about where a user is no longer counts, the pin does. */
export const dropPresence = (directory: Directory, stream: Address): void => {
  const draft = directory as DirectoryDraft
  const [kind, user] = [stream.slice(0, stream.indexOf(':')), stream.slice(stream.indexOf(':') + 1) as UserId]
  if (kind === 'session') {
    setLocal(draft, user, undefined)
    if (draft.self !== undefined) unclaim(draft, user, draft.self)
  }
  if (kind !== 'user') return
  for (const { server } of draft.users.get(user)?.claims ?? []) if (server !== draft.self) unclaim(draft, user, server)
}

const conflictKey = (user: UserId, pubkey: PublicKeyText): string => `${user} ${pubkey}`

const laterSeq = (a: PresenceSeq, b: PresenceSeq): PresenceSeq => (compareSeq(a, b) < 0 ? b : a)

const originOf = (draft: DirectoryDraft, server: ServerId): OriginOrder => {
  const known = draft.origins.get(server)
  if (known !== undefined) return known
  const order = newOriginOrder()
  draft.origins.set(server, order)
  return order
}

/** A key of an advertisement that is not the pinned one: messages for this user must not be encrypted to somebody else. */
const otherKey = (
  pinned: PinnedUser,
  { pubkey, encPubkey }: Extract<PresenceFact, { readonly type: 'user.advertised' }>,
): PublicKeyText | undefined => {
  if (pubkey !== undefined && pubkey !== pinned.pubkey) return pubkey
  return encPubkey !== undefined && encPubkey !== (pinned.encPubkey ?? pinned.pubkey) ? encPubkey : undefined
}

/** Pins whoever attaches; only they themselves, by proving their key, may change the key that is encrypted to. */
const pinOwn = (draft: DirectoryDraft, fact: Extract<SessionFact, { readonly type: 'session.attached' }>): void => {
  const known = draft.pins.get(fact.user)
  // nearly always there is nothing new
  if (known !== undefined && (!fact.proven || (known.proven && known.encPubkey === fact.encPubkey))) return
  draft.pins.set(fact.user, {
    pubkey: known?.pubkey ?? fact.pubkey,
    encPubkey: known === undefined || fact.proven ? fact.encPubkey : known.encPubkey,
    proven: fact.proven || (known?.proven ?? false),
  })
}

/** With a claim of our own the user is `attached`; another's leaves that as it is. */
const claim = (draft: DirectoryDraft, user: UserId, added: Claim, attached?: 'attached'): void => {
  const entry = draft.users.get(user)
  if (attached !== undefined) draft.attached.add(user)
  if (entry === undefined) {
    count(draft, added.server, 1)
    draft.users.set(user, { id: user, claims: [added], local: attached })
    return
  }
  const again = entry.claims.some(({ server }) => server === added.server)
  if (!again) count(draft, added.server, 1)
  draft.users.set(user, {
    id: user,
    claims: again ? entry.claims.map(held => (held.server === added.server ? added : held)) : [...entry.claims, added],
    local: attached ?? entry.local,
  })
}

const unclaim = (draft: DirectoryDraft, user: UserId, server: ServerId): void => {
  const entry = draft.users.get(user)
  if (entry?.claims.some(held => held.server === server) !== true) return
  count(draft, server, -1)
  if (entry.claims.length === 1) {
    draft.users.delete(user)
    draft.attached.delete(user)
  } else draft.users.set(user, { id: user, claims: entry.claims.filter(held => held.server !== server), local: entry.local })
}

/** Takes a claim away that its server did not take back: the event that made it may make it again, an older one may not. */
const withdraw = (draft: DirectoryDraft, user: UserId, { server, seq }: Claim): void => {
  const order = draft.origins.get(server)
  if (order !== undefined && seq !== undefined) takeBack(order, user, seq)
  unclaim(draft, user, server)
}

const setLocal = (draft: DirectoryDraft, user: UserId, local: LocalState | undefined): void => {
  const entry = draft.users.get(user)
  if (entry === undefined || entry.local === local) return
  if (local === 'attached') draft.attached.add(user)
  else draft.attached.delete(user)
  draft.users.set(user, { id: user, claims: entry.claims, local })
}

const count = (draft: DirectoryDraft, server: ServerId, by: 1 | -1): void => {
  const users = (draft.usersOf.get(server) ?? 0) + by
  if (users === 0) draft.usersOf.delete(server)
  else draft.usersOf.set(server, users)
}
