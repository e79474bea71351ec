/** Who is where: users, the servers that claim them, and the one key that is pinned to each. */
import type { Address, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'
import { type Claim, compareClaims } from './claims.ts'
import type { PresenceFact, PresenceSeq, SessionFact } from './facts.ts'
import { compareSeq, newOriginOrder, type OriginOrder, remember, takeBack } from './presence-order.ts'
import { confirm, recoverStandings, type Standing, unconfirm } from './standing.ts'

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
  /** Servers whose word is in doubt. */
  readonly standings: ReadonlyMap<ServerId, Standing>
}

export interface DirectoryDraft {
  self: ServerId | undefined
  users: Map<UserId, DirectoryUser>
  attached: Set<UserId>
  pins: Map<UserId, PinnedUser>
  origins: Map<ServerId, OriginOrder>
  usersOf: Map<ServerId, number>
  conflicts: Set<string>
  lastSeq: PresenceSeq
  departed: Map<UserId, PresenceSeq>
  standings: Map<ServerId, Standing>
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
  standings: new Map(),
})

/** Whether a server is linked now: the word of one that is not may be out of date. */
export type IsLinked = (server: ServerId) => boolean

/**
 * The claim that counts, by `compareClaims`, so that every server lists a user at the same home; undefined when all their servers are
 * gone. Where nothing tells two claims apart our own comes first, then the one that was heard first.
 */
export const claimOf = (directory: Directory, entry: DirectoryUser, linked: IsLinked): Claim | undefined => {
  const isOwn = (claim: Claim): boolean => claim.server === directory.self
  const isLive = (claim: Claim): boolean => (isOwn(claim) ? entry.local === 'attached' : linked(claim.server))
  let best: Claim | undefined
  for (const claim of entry.claims) {
    if (!isOwn(claim) && directory.standings.get(claim.server)?.doubt === 'lapsed') continue
    const order = best === undefined ? -1 : compareClaims(claim, best, isLive)
    if (order < 0 || (order === 0 && isOwn(claim))) best = claim
  }
  return best
}

/** Where a user's messages go (§10): `local`, a server, or nowhere. */
export const homeOf = (directory: Directory, user: UserId, linked: IsLinked): ServerId | 'local' | undefined => {
  const entry = directory.users.get(user)
  // whoever has a live socket here is here
  if (entry?.local === 'attached') return 'local'
  const claim = entry === undefined ? undefined : claimOf(directory, entry, linked)
  if (claim === undefined) return undefined
  return claim.server === directory.self ? 'local' : claim.server
}

/** The sequence of this node's next presence event. */
export const nextSeq = (directory: Directory): PresenceSeq => [directory.lastSeq[0], directory.lastSeq[1] + 1]

/** Folds a session or presence fact, in place. */
export const evolveDirectory = (directory: Directory, fact: SessionFact | PresenceFact): void => {
  const draft = directory as DirectoryDraft
  switch (fact.type) {
    case 'session.attached': {
      draft.lastSeq = laterSeq(draft.lastSeq, fact.seq)
      draft.departed.delete(fact.user)
      pinOwn(draft, fact)
      if (draft.self !== undefined)
        claim(draft, fact.user, { server: draft.self, seq: fact.seq, meta: fact.meta, caps: fact.caps, ...proofOf(fact) }, 'attached')
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
      confirm(draft.standings, fact.server, fact.user)
      claim(draft, fact.user, { server: fact.server, seq: fact.seq, meta: fact.meta, caps: fact.caps, ...timesOf(fact) })
      return
    case 'user.removed':
      remember(originOf(draft, fact.server), fact.user, fact.seq, fact.digest)
      unconfirm(draft.standings, fact.server, fact.user)
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

/**
 * A new incarnation: presence events are counted anew under its epoch, no socket of the one before is left, and what the other servers
 * said is known from the log alone.
 */
export const restartDirectory = (directory: Directory, self: ServerId, epoch: number, servers: Iterable<ServerId> = []): void => {
  const draft = directory as DirectoryDraft
  draft.self = self
  draft.lastSeq = [epoch, 0]
  recoverStandings(draft.standings, servers)
  for (const user of [...draft.attached]) setLocal(draft, user, 'detached')
}

/** A server left the mesh for good: its users and what was remembered of it go. */
export const forgetOrigin = (directory: Directory, server: ServerId): void => {
  const draft = directory as DirectoryDraft
  for (const entry of [...draft.users.values()]) unclaim(draft, entry.id, server)
  draft.origins.delete(server)
  draft.standings.delete(server)
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

export const conflictKey = (user: UserId, pubkey: PublicKeyText): string => `${user} ${pubkey}`

const timesOf = ({
  since,
  attachedAt,
}: Extract<PresenceFact, { readonly type: 'user.advertised' }>): Pick<Claim, 'since' | 'attachedAt'> => ({
  ...(since === undefined ? {} : { since }),
  ...(attachedAt === undefined ? {} : { attachedAt }),
})

const proofOf = ({
  since,
  proof,
}: Extract<SessionFact, { readonly type: 'session.attached' }>): Pick<Claim, 'since' | 'attachedAt' | 'proof'> => ({
  ...(since === undefined ? {} : { since }),
  ...(proof === undefined ? {} : { attachedAt: proof.at, proof }),
})

const laterSeq = (a: PresenceSeq, b: PresenceSeq): PresenceSeq => (compareSeq(a, b) < 0 ? b : a)

const originOf = (draft: DirectoryDraft, server: ServerId): OriginOrder => {
  const known = draft.origins.get(server)
  if (known !== undefined) return known
  const order = newOriginOrder()
  draft.origins.set(server, order)
  return order
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
