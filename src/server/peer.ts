/** Who is at the other end of a socket: a server or a user. */
import type { AttachmentProof } from '../domain/facts.ts'
import type { PublicKey } from '../ports/crypto.ts'
import type { ServerAddress } from '../protocol/address.ts'
import type { PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'
import type { UserMeta } from '../protocol/meta.ts'
import type { Newcomer } from './introducer.ts'

/** Who is at the other end, once that is known. */
export type Peer =
  | {
      readonly role: 'server'
      readonly id: ServerId
      readonly key: PublicKey
      readonly caps: readonly string[]
      readonly proven: boolean
      /** False for a stock server that dialled us: we listen to it but send over a socket of our own (see `docs/security.md`). */
      readonly sendable: boolean
      /** Our clock minus theirs when they said hello, in milliseconds. */
      readonly offset: number
      /** To be pinned when the handshake is over. */
      readonly newcomer: Newcomer | undefined
      /** Where it says that it is reached, in a hello that it signed. */
      readonly address: ServerAddress | undefined
    }
  | {
      readonly role: 'user'
      readonly id: UserId
      readonly key: PublicKey
      readonly encPubkey: PublicKeyText | undefined
      readonly meta: UserMeta
      readonly caps: readonly string[]
      readonly proven: boolean
      readonly offset: number
      /** Their signature under being attached here, for other servers. */
      readonly attachment: AttachmentProof | undefined
    }

export type UserPeer = Extract<Peer, { readonly role: 'user' }>
export type ServerPeer = Extract<Peer, { readonly role: 'server' }>
