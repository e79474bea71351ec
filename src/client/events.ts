/** What a client tells whoever uses it; each maps one to one to a line of `socp chat --json`. */
import type { ServerId, UserId } from '../protocol/ids.ts'

export type ListedPresence = 'online' | 'away' | 'suspect' | 'recovered'
export type PresenceState = ListedPresence | 'offline'
/**
 * `sent`: on its way, and kept here until it is accepted; to readers on v1.3 servers, taken by our server, and nothing more is known. `waiting`: on
 * the disk of the reader's server. `delivered`: shown by the reader's program, by their own word.
 */
export type SentStatus = 'sent' | 'waiting' | 'delivered' | 'failed'

export interface ListedUser {
  readonly user_id: UserId
  readonly name: string
  readonly server_id: ServerId | ''
  /** `online` is confirmed; `away` within the grace time; `suspect` while their server is silent; `recovered` when only its log says so yet. */
  readonly presence: ListedPresence
}

export interface SentEvent {
  readonly event: 'sent'
  /** `msg_ref` of a message, `file_id` of a file; empty when nothing was made of it. Of `/all`, that of the first member's copy. */
  readonly id: string
  /** What the caller gave, to find the answer to its own line; `null` when it gave none. */
  readonly ref: string | null
  /** A user_id, or `public`. */
  readonly to: string
  /** The name of what was sent, when that is a file. */
  readonly file?: string
  readonly status: SentStatus
  /** When it failed, or is sent later than at once: one sentence. */
  readonly why?: string
}

export interface ErrorEvent {
  readonly event: 'error'
  readonly code: string
  readonly detail: string
  readonly ref?: string
}

export type AlarmKind = 'user_key' | 'server_key'

export type ClientEvent =
  | { readonly event: 'ready'; readonly user_id: UserId; readonly name: string; readonly server_id: ServerId | '' }
  | { readonly event: 'presence'; readonly user_id: UserId; readonly name: string; readonly state: PresenceState }
  | SentEvent
  | {
      readonly event: 'message'
      readonly id: string
      /** Unix milliseconds by the sender's clock. */
      readonly ts: number
      readonly kind: 'direct' | 'public'
      readonly from: UserId
      readonly name: string
      readonly text: string
      /** Encrypted to us, signed by the pinned key of `from`, and meant for us. */
      readonly verified: boolean
    }
  | {
      readonly event: 'file'
      readonly id: string
      readonly from: UserId
      readonly from_name: string
      /** The file's, made safe. */
      readonly name: string
      /** Where it was saved, which may have another name when that one was taken. */
      readonly path: string
      /** Bytes. */
      readonly size: number
      /** Lower-case hex of what was saved. */
      readonly sha256: string
      readonly verified: boolean
    }
  | { readonly event: 'users'; readonly users: readonly ListedUser[]; readonly ref?: string }
  /**
   * `since` is Unix milliseconds; `why` a sentence with what the server said, if it did. `final`: another program has the person now, and this one
   * stays offline until it is told otherwise (`resume`).
   */
  | { readonly event: 'offline'; readonly since: number; readonly why: string; readonly final?: true }
  /** Perhaps at another server than before. */
  | { readonly event: 'resumed'; readonly server_id: ServerId | '' }
  | {
      readonly event: 'alarm'
      readonly kind: AlarmKind
      /** Of `server_key`: the server's id. */
      readonly user_id: string
      readonly name: string
      /** SHA-256 of the new key's SPKI DER, hex in groups of four, to be compared over another channel. */
      readonly fingerprint: string
    }
  /** A person's word for a changed key was recorded. */
  | { readonly event: 'trusted'; readonly kind: AlarmKind; readonly user_id: string; readonly name: string; readonly ref?: string }
  /** How the server is: what it refuses for now, or that it is about to cut this client. */
  | { readonly event: 'notice'; readonly code: string; readonly detail: string }
  | ErrorEvent
