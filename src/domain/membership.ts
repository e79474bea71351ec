/** Which servers belong to the mesh, by which key, and where they are reached. */
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import type { LinkFact, MembershipFact } from './facts.ts'

export interface Member {
  readonly id: ServerId
  readonly pubkey: PublicKeyText
  readonly host: string
  readonly port: number
  readonly vouchedBy: ServerId | 'operator'
  /** Was linked at least once: then we know it, and not only somebody's word for it. */
  readonly linked: boolean
  /** Answered our challenge once: it is never believed without again. */
  readonly proven: boolean
}

export interface Membership {
  readonly servers: ReadonlyMap<ServerId, Member>
}

interface MembershipDraft {
  servers: Map<ServerId, Member>
}

export const emptyMembership = (): Membership => ({ servers: new Map() })

/** A key and an address that somebody entitled to it vouches for. */
export interface Vouched {
  readonly server: ServerId
  readonly pubkey: PublicKeyText
  readonly host: string
  readonly port: number
  readonly vouchedBy: ServerId | 'operator'
}

/** Pins a newcomer or notes a new address; a pinned key never changes (§8.1). `conflict` says that it was tried. */
export const decideMembership = (
  vouched: Vouched,
  membership: Membership,
  limits: { readonly servers: number; readonly idsPerKey: number },
): { readonly facts: readonly MembershipFact[]; readonly conflict?: 'key' | 'full' | 'key_held' } => {
  const known = membership.servers.get(vouched.server)
  if (known === undefined) {
    if (membership.servers.size >= limits.servers) return { facts: [], conflict: 'full' }
    if (holdersOf(membership, vouched.pubkey).length >= limits.idsPerKey) return { facts: [], conflict: 'key_held' }
    return { facts: [{ type: 'server.pinned', ...vouched }] }
  }
  if (known.pubkey !== vouched.pubkey) return { facts: [], conflict: 'key' }
  // where a member is that was met, only it says itself, and the operator
  if ((known.linked || known.vouchedBy === 'operator') && vouched.vouchedBy !== 'operator') return { facts: [] }
  return decideMove(known, vouched.host, vouched.port)
}

/** Members that a key has now. */
export const holdersOf = (membership: Membership, pubkey: PublicKeyText): readonly Member[] =>
  [...membership.servers.values()].filter(member => member.pubkey === pubkey)

/** A member says where it is reached now, or its operator does. */
export const decideMove = (known: Member, host: string, port: number): { readonly facts: readonly MembershipFact[] } => {
  if (known.host === host && known.port === port) return { facts: [] }
  return { facts: [{ type: 'server.moved', server: known.id, host, port }] }
}

/** Folds a membership or link fact, in place. */
export const evolveMembership = (membership: Membership, fact: MembershipFact | LinkFact): void => {
  const { servers } = membership as MembershipDraft
  const known = servers.get(fact.server)
  switch (fact.type) {
    case 'server.pinned':
      servers.set(fact.server, {
        id: fact.server,
        pubkey: known?.pubkey ?? fact.pubkey,
        host: fact.host,
        port: fact.port,
        vouchedBy: fact.vouchedBy,
        linked: known?.linked ?? false,
        proven: known?.proven ?? false,
      })
      return
    case 'server.moved':
      if (known !== undefined) servers.set(fact.server, { ...known, host: fact.host, port: fact.port })
      return
    case 'server.forgotten':
      servers.delete(fact.server)
      return
    case 'link.linked':
      if (known !== undefined) servers.set(fact.server, { ...known, linked: true, proven: known.proven || fact.proven })
      return
    default:
  }
}
