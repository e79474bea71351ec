/** Where a server listens, as v1.3 says it (§8.1), and whether one speaks TLS there, which is ours (docs/protocol.md). */

export interface ServerAddress {
  readonly host: string
  readonly port: number
  /** `wss://`; absent means `ws://`. */
  readonly tls?: true
}

/** `host:port`, an IPv6 address in brackets. */
export const authorityOf = ({ host, port }: Pick<ServerAddress, 'host' | 'port'>): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

/** What is dialled. */
export const urlOf = (address: ServerAddress): string => `${address.tls === true ? 'wss' : 'ws'}://${authorityOf(address)}`

/** Only what says yes is written down, so that plain addresses stay those of v1.3. */
export const tlsOf = (said: boolean | undefined): { readonly tls?: true } => (said === true ? { tls: true } : {})

/** `HOST:PORT`, `[v6]:PORT`, or either behind `ws://` or `wss://`; undefined when it is not one. */
export const parseAddress = (text: string): ServerAddress | undefined => {
  const match = /^(?:(wss?):\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]/]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[4])
  if (port < 1 || port > 65_535) return undefined
  return { host: (match[2] ?? match[3]) as string, port, ...tlsOf(match[1] === 'wss') }
}
