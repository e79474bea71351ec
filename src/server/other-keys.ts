/** Keys that somebody offers for a member that has another one pinned: kept for the operator, who alone can say which is right. */
import type { Member } from '../domain/membership.ts'
import type { PublicKey } from '../ports/crypto.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import type { Node } from './node.ts'

/** The last key that a hello under a member's id came with. */
export interface OfferedKey {
  readonly pubkey: PublicKeyText
  /** Unix milliseconds. */
  readonly at: number
}

export interface OtherKeys {
  /** Notes the key of a hello whose signature verified under it; the last one for each member. */
  note(member: Member, key: PublicKey): void
  of(server: ServerId): OfferedKey | undefined
  forget(server: ServerId): void
  readonly size: number
}

export const createOtherKeys = (node: Pick<Node, 'ports' | 'log'>): OtherKeys => {
  const offers = new Map<ServerId, OfferedKey>()
  return {
    note({ id }, key) {
      if (offers.get(id)?.pubkey !== key.text) node.log('warn', 'a member comes with another key than the pinned one', { server: id })
      offers.set(id, { pubkey: key.text, at: node.ports.clock.now() })
    },
    of: server => offers.get(server),
    forget: server => void offers.delete(server),
    get size() {
      return offers.size
    },
  }
}
