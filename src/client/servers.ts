/** The servers that this client may attach to, in order: those that a person named, then those that our server told of; one of them is the current one. */
import type { Frame } from '../protocol/envelope.ts'
import { clientLimits, type ClientFact, type ServerPin } from './facts.ts'
import type { Journal } from './journal.ts'
import { normalKey } from './authorship.ts'

export interface Servers {
  /** Where to dial. */
  readonly current: string
  /** What has to be proved there; undefined before the first time at an address that a person named. */
  pin(url: string): ServerPin | undefined
  /** Nobody usable answered at the current one; answers whether all have been tried since somebody did. */
  next(): boolean
  /** There is no other. */
  readonly alone: boolean
  /** The current one took us. */
  reached(): void
  /** Our server tells of others. */
  learn(payload: Frame<'SERVERS'>['payload']): void
}

/** What another server of the mesh is dialled as: as ours is, with or without TLS. */
const urlOf = (host: string, port: number, like: string): string | undefined => {
  const text = `${new URL(like).protocol}//${host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host}:${port}`
  return URL.canParse(text) ? new URL(text).href.replace(/\/$/, '') : undefined
}

/**
 * @param named addresses that a person gave, at least one
 * @param moves whether others than these are used
 */
export const createServers = (named: readonly [string, ...string[]], journal: Journal, moves: boolean): Servers => {
  let current: string = named[0]
  let tried = 0
  const pin = (url: string): ServerPin | undefined => journal.state.servers.get(url)?.pin ?? journal.state.learned.get(url)
  /** Each server once, whatever it is called, and none twice that a person named. */
  const all = (): readonly string[] => {
    if (!moves) return named
    const known = new Set(named.flatMap(url => pin(url)?.server ?? []))
    const others = [...journal.state.learned].filter(([url, { server }]) => !named.includes(url) && !known.has(server))
    return [...named, ...others.map(([url]) => url)]
  }

  return {
    get current() {
      return current
    },
    pin,
    get alone() {
      return all().length === 1
    },
    next: () => {
      const urls = all()
      current = urls[(urls.indexOf(current) + 1) % urls.length] ?? named[0]
      tried += 1
      if (tried < urls.length) return false
      tried = 0
      return true
    },
    reached: () => {
      tried = 0
    },
    learn: ({ servers }) => {
      for (const { server_id: server, host, port, pubkey } of servers.slice(0, clientLimits.maxLearned)) {
        const url = urlOf(host, port, current)
        const key = normalKey(pubkey)
        if (url === undefined || key === undefined) continue
        const fact: ClientFact = { type: 'server.learned', url, server, pubkey: key }
        const known = journal.state.learned.get(url)
        if (known?.server !== server || known.pubkey !== key) journal.record(`server:${server}`, fact)
      }
    },
  }
}
