/** A node's state as plain JSON and back: what a snapshot holds, and what a state hash is made over. */
import type { Address, Base64Url, ServerId, UserId } from '../protocol/ids.ts'
import type { Directory, DirectoryUser, PinnedUser } from './directory.ts'
import type { PresenceSeq, Voucher } from './facts.ts'
import type { Home } from './homes.ts'
import { type ReceiptsSnapshot, restoredReceipts, snapshotOfReceipts } from './kept-receipts.ts'
import { type MailboxesSnapshot, restoreMailboxes, snapshotOfMailboxes } from './mailboxes.ts'
import type { Ban, Member } from './membership.ts'
import type { Aside, NodeState } from './node-state.ts'
import type { Doubt } from './standing.ts'

interface OrderSnapshot {
  readonly floor: PresenceSeq
  readonly recent: readonly (readonly [UserId, PresenceSeq])[]
  readonly digests: readonly Base64Url[]
  readonly sequenced: boolean
}

/** Order matters where the fold keeps one (claims, digests, conflicts); maps are listed in their own order, which the fold determines. */
export interface NodeSnapshot {
  readonly self: ServerId | null
  readonly epoch: number
  readonly running: boolean
  readonly users: readonly DirectoryUser[]
  readonly pins: readonly (readonly [UserId, PinnedUser])[]
  readonly origins: readonly (readonly [ServerId, OrderSnapshot])[]
  readonly conflicts: readonly string[]
  readonly lastSeq: PresenceSeq
  readonly departed: readonly (readonly [UserId, PresenceSeq])[]
  readonly standings: readonly (readonly [ServerId, { readonly doubt: Doubt; readonly confirmed: readonly UserId[] }])[]
  readonly servers: readonly Member[]
  readonly bans: readonly (readonly [ServerId, Ban])[]
  readonly vouchers: readonly (readonly [ServerId, Voucher])[]
  readonly aside: readonly (readonly [Address, Aside])[]
  /** Absent from bases of 0.1.0, as are `receipts` and `homes`. */
  readonly mailboxes?: MailboxesSnapshot
  readonly receipts?: ReceiptsSnapshot
  readonly homes?: readonly (readonly [UserId, Home])[]
}

export const snapshotOfNode = (state: NodeState): NodeSnapshot => ({
  self: state.self ?? null,
  epoch: state.epoch,
  running: state.running,
  users: [...state.directory.users.values()],
  pins: [...state.directory.pins],
  origins: [...state.directory.origins].map(([server, { floor, recent, digests, sequenced }]) => [
    server,
    { floor, recent: [...recent], digests: [...digests], sequenced },
  ]),
  conflicts: [...state.directory.conflicts],
  lastSeq: state.directory.lastSeq,
  departed: [...state.directory.departed],
  standings: [...state.directory.standings].map(([server, { doubt, confirmed }]) => [server, { doubt, confirmed: [...confirmed] }]),
  servers: [...state.membership.servers.values()],
  bans: [...state.membership.bans],
  vouchers: [...state.vouchers],
  aside: [...state.aside],
  mailboxes: snapshotOfMailboxes(state.mailboxes),
  receipts: snapshotOfReceipts(state.receipts),
  homes: [...state.homes],
})

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Makes `state` what the snapshot says, in place: whoever holds it sees the new content. */
export const restoreNode = (state: NodeState, snapshot: NodeSnapshot): void => {
  const draft = state as Writable<NodeState>
  draft.self = snapshot.self ?? undefined
  draft.epoch = snapshot.epoch
  draft.running = snapshot.running
  draft.vouchers = new Map(snapshot.vouchers)
  draft.aside = new Map(snapshot.aside)
  draft.homes = new Map(snapshot.homes)
  draft.receipts = restoredReceipts(snapshot.receipts ?? [])
  restoreMailboxes(state.mailboxes, snapshot.mailboxes ?? [])
  const membership = state.membership as Writable<NodeState['membership']>
  membership.servers = new Map(snapshot.servers.map(member => [member.id, member]))
  membership.bans = new Map(snapshot.bans.map(([server, ban]) => [server, { pubkey: ban.pubkey, why: ban.why }]))
  const directory = state.directory as Writable<Directory>
  directory.self = draft.self
  directory.lastSeq = snapshot.lastSeq
  directory.departed = new Map(snapshot.departed)
  directory.users = new Map(snapshot.users.map(user => [user.id, withUndefined(user)]))
  directory.attached = new Set(snapshot.users.filter(({ local }) => local === 'attached').map(({ id }) => id))
  directory.pins = new Map(snapshot.pins.map(([user, pin]) => [user, { pubkey: pin.pubkey, encPubkey: pin.encPubkey, proven: pin.proven }]))
  directory.conflicts = new Set(snapshot.conflicts)
  directory.origins = new Map(
    snapshot.origins.map(([server, { floor, recent, digests, sequenced }]) => [
      server,
      { floor, recent: new Map(recent), digests: new Set(digests), sequenced },
    ]),
  )
  directory.standings = new Map(
    snapshot.standings.map(([server, { doubt, confirmed }]) => [server, { doubt, confirmed: new Set(confirmed) }]),
  )
  directory.usersOf = countByServer(snapshot.users)
}

/** JSON drops keys that are undefined; the live state has them. Nothing that is complete is made again: there are many. */
const withUndefined = ({ id, claims, local }: DirectoryUser): DirectoryUser => ({
  id,
  claims: claims.every(claim => claim.seq !== undefined) ? claims : claims.map(held => ({ ...held, seq: held.seq })),
  local,
})

const countByServer = (users: readonly DirectoryUser[]): Map<ServerId, number> => {
  const counts = new Map<ServerId, number>()
  for (const { claims } of users) for (const { server } of claims) counts.set(server, (counts.get(server) ?? 0) + 1)
  return counts
}
