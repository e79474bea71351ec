/** What a node tells whoever started it; `socp serve --json` prints these as they are. */
import type { ServerAddress } from '../protocol/address.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'

export type NodeEvent =
  /** It accepts connections on `url`; others reach it at `advertised`. */
  | {
      readonly event: 'ready'
      readonly server_id: ServerId
      readonly url: string
      readonly pubkey: PublicKeyText
      readonly epoch: number
      readonly advertised: ServerAddress
      /** Where health and metrics are answered; absent when they are not. */
      readonly http?: string
    }
  | { readonly event: 'linked'; readonly server_id: ServerId }
  | { readonly event: 'unlinked'; readonly server_id: ServerId; readonly why: string }
  | { readonly event: 'degraded'; readonly why: string }
  /** What a `degraded` said is over. */
  | { readonly event: 'recovered'; readonly why: string }
  | { readonly event: 'stopping' }

/** Where the node's own words go; the command line hands in pino. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void
