/** Which servers belong to the mesh, by which key, and where they are reached. */
import { type ServerAddress, tlsOf } from '../protocol/address.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import type { LinkFact, MembershipFact, OperatorFact } from './facts.ts'

export interface Member extends ServerAddress {
  readonly id: ServerId
  readonly pubkey: PublicKeyText
  readonly vouchedBy: ServerId | 'operator'
  /** Was linked at least once: such a member is never forgotten for being away. */
  readonly linked: boolean
  /** Answered our challenge once: it is never believed without again. */
  readonly proven: boolean
}

/** An operator's refusal of a server, by its id and, where it was known or is given, by its key. */
export interface Ban {
  readonly pubkey: PublicKeyText | undefined
  readonly why: string
}

export interface Membership {
  readonly servers: ReadonlyMap<ServerId, Member>
  readonly bans: ReadonlyMap<ServerId, Ban>
}

interface MembershipDraft {
  servers: Map<ServerId, Member>
  bans: Map<ServerId, Ban>
}

export const emptyMembership = (): Membership => ({ servers: new Map(), bans: new Map() })

/** Whether an operator refuses a server of this id or this key. */
export const isBanned = ({ bans }: Membership, server: ServerId, pubkey?: PublicKeyText): boolean =>
  bans.has(server) || (pubkey !== undefined && bans.values().some(ban => ban.pubkey === pubkey))

/** A key and an address that somebody entitled to it vouches for. */
export interface Vouched extends ServerAddress {
  readonly server: ServerId
  readonly pubkey: PublicKeyText
  readonly vouchedBy: ServerId | 'operator'
}

/** Why a word for a server is not taken → how a sentence goes on that begins with its name. */
export const conflicts = {
  key: 'another key is pinned for it',
  full: 'there are too many members',
  banned: 'the operator has banned it',
} as const
export type Conflict = keyof typeof conflicts

/** Pins a newcomer or notes a new address; a pinned key never changes (§8.1). `conflict` says that it was tried. */
export const decideMembership = (
  vouched: Vouched,
  membership: Membership,
  limits: { readonly servers: number },
): { readonly facts: readonly MembershipFact[]; readonly conflict?: Conflict } => {
  if (isBanned(membership, vouched.server, vouched.pubkey)) return { facts: [], conflict: 'banned' }
  const known = membership.servers.get(vouched.server)
  if (known === undefined) {
    if (membership.servers.size >= limits.servers) return { facts: [], conflict: 'full' }
    return { facts: [{ type: 'server.pinned', ...vouched }] }
  }
  if (known.pubkey !== vouched.pubkey) return { facts: [], conflict: 'key' }
  if (known.host === vouched.host && known.port === vouched.port && known.tls === vouched.tls) return { facts: [] }
  return { facts: [{ type: 'server.moved', server: vouched.server, host: vouched.host, port: vouched.port, ...tlsOf(vouched.tls) }] }
}

/** Folds a fact about a server or its link, in place. */
export const evolveMembership = (membership: Membership, fact: MembershipFact | OperatorFact | LinkFact): void => {
  const { servers, bans } = membership as MembershipDraft
  const known = servers.get(fact.server)
  switch (fact.type) {
    case 'server.pinned':
      servers.set(fact.server, {
        id: fact.server,
        pubkey: known?.pubkey ?? fact.pubkey,
        host: fact.host,
        port: fact.port,
        ...tlsOf(fact.tls),
        vouchedBy: fact.vouchedBy,
        linked: known?.linked ?? false,
        proven: known?.proven ?? false,
      })
      return
    case 'server.moved':
      if (known !== undefined) {
        const { tls: _, ...member } = known
        servers.set(fact.server, { ...member, host: fact.host, port: fact.port, ...tlsOf(fact.tls) })
      }
      return
    case 'server.forgotten':
      servers.delete(fact.server)
      return
    case 'server.banned':
      bans.set(fact.server, { pubkey: fact.pubkey, why: fact.why })
      return
    case 'server.unbanned':
      bans.delete(fact.server)
      return
    case 'server.trusted':
      // the holder of the new key has yet to prove itself, and may be another program
      if (known !== undefined) servers.set(fact.server, { ...known, pubkey: fact.pubkey, proven: false })
      return
    case 'link.linked':
      if (known !== undefined) servers.set(fact.server, { ...known, linked: true, proven: known.proven || fact.proven })
      return
    default:
  }
}
