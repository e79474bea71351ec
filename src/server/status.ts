/** What `socp status` shows of a running node. */
import { type ServerAddress, tlsOf } from '../protocol/address.ts'
import type { ServerId } from '../protocol/ids.ts'
import type { Node } from './node.ts'
import type { Numbers, Vitals } from './vitals.ts'

export interface LinkStatus {
  readonly server_id: ServerId
  readonly state: string
  readonly host: string | null
  readonly port: number | null
  readonly tls: boolean
  readonly proven: boolean
  /** Since when it is linked, and when it is dialled next: Unix milliseconds. */
  readonly since: number | null
  readonly redial_at: number | null
  readonly failures: number
  /** Milliseconds since a verified frame of it came; null while it is not linked. */
  readonly heard_ms: number | null
}

/** Keys may be added, never changed. */
export interface Status {
  readonly server_id: ServerId
  readonly state: 'ready' | 'stopping'
  readonly advertised: ServerAddress
  readonly pubkey: string
  readonly epoch: number
  readonly started_at: number
  readonly uptime_ms: number
  readonly links: readonly LinkStatus[]
  readonly users: { readonly online: number; readonly here: number; readonly detached: number }
  readonly log: { readonly facts: number; readonly bytes: number | null }
  /** Streams that wait for an operator's decision. */
  readonly set_aside: readonly { readonly stream: string; readonly seq: number; readonly why: string }[]
  /** Kinds of work that are turned away for now. */
  readonly refusing: readonly string[]
  readonly gauges: Numbers
  readonly counters: Numbers
}

/** `bytes` answers what the log takes of its disk, where that is known. */
export const createStatus = (node: Node, vitals: Vitals, log: { bytes(): Promise<number> | undefined; head(): Promise<number> }) => {
  const startedAt = node.ports.clock.now()
  const began = node.ports.clock.monotonic()
  const linkOf = (server: ServerId): LinkStatus => {
    const member = node.state.membership.servers.get(server)
    const machine = node.runtime.machine(`link:${server}`)
    const number = (key: string): number | null => {
      const value = machine?.context[key]
      return typeof value === 'number' ? value : null
    }
    const heard = node.links.heardAt(server)
    return {
      server_id: server,
      state: node.state.membership.bans.has(server) ? 'banned' : (machine?.state ?? 'new'),
      host: member?.host ?? null,
      port: member?.port ?? null,
      tls: member?.tls === true,
      proven: member?.proven ?? false,
      since: number('since'),
      redial_at: number('redialAt'),
      failures: number('failures') ?? 0,
      heard_ms: heard === undefined ? null : Math.round(node.ports.clock.monotonic() - heard),
    }
  }
  return async (): Promise<Status> => {
    const gauges = vitals.gauges()
    return {
      server_id: node.self.id,
      state: node.stopping ? 'stopping' : 'ready',
      advertised: { host: node.self.host, port: node.self.port, ...tlsOf(node.self.tls) },
      pubkey: node.self.pubkey,
      epoch: node.state.epoch,
      started_at: startedAt,
      uptime_ms: Math.round(node.ports.clock.monotonic() - began),
      links: [...node.state.membership.servers.keys()].sort().map(linkOf),
      users: { online: gauges['users online'] ?? 0, here: gauges['users here'] ?? 0, detached: gauges['sessions detached'] ?? 0 },
      log: { facts: await log.head(), bytes: (await log.bytes()) ?? null },
      set_aside: [...node.state.aside].map(([stream, { seq, why }]) => ({ stream, seq, why })),
      refusing: node.load.refusing,
      gauges,
      counters: vitals.counters(),
    }
  }
}
