/** Vouchers: an introducer's signed word that a server belongs to the mesh, and the servers that a welcome lists. */
import { canonicalOf } from './canonical.ts'
import { type ServerAddress, tlsOf } from './address.ts'
import type { ServerId } from './ids.ts'

/** Without its signature; `pubkey` as it was sent. */
export interface VoucherClaim {
  readonly by: string
  readonly server_id: string
  readonly host: string
  readonly port: number
  readonly pubkey: string
  readonly tls?: true | undefined
}

/** The text that the introducer signs, as any payload. The statement keeps the signature from meaning anything else. */
export const voucherText = ({ by, server_id, host, port, pubkey, tls }: VoucherClaim): string =>
  canonicalOf({ by, host, port, pubkey, server_id, statement: 'socp-voucher', ...tlsOf(tls) })

export interface KnownServer extends ServerAddress {
  readonly server_id: ServerId
  readonly pubkey: string
}

interface Listed {
  readonly server_id?: ServerId | undefined
  readonly user_id?: ServerId | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly pubkey?: string | undefined
  readonly tls?: boolean | undefined
}

/**
 * Servers that a SERVER_WELCOME lists with address and key, each id once. Stock introducers put them into `servers` or
 * `clients`, with the id under `server_id` or `user_id`; what has no address is a person or of no use here.
 */
export const welcomedServers = (welcome: {
  readonly servers?: readonly Listed[] | undefined
  readonly clients?: readonly Listed[] | undefined
}): readonly KnownServer[] => {
  const found = new Map<ServerId, KnownServer>()
  for (const { server_id, user_id, host, port, pubkey, tls } of [...(welcome.servers ?? []), ...(welcome.clients ?? [])]) {
    const id = server_id ?? user_id
    if (id === undefined || host === undefined || port === undefined || pubkey === undefined || found.has(id)) continue
    found.set(id, { server_id: id, host, port, pubkey, ...tlsOf(tls) })
  }
  return [...found.values()]
}
