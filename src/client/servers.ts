/** The servers that this client may attach to, in order: those that a person named, then those that our server told of; one of them is the current one. */
import { type AddressClass, addressClass, mayPoint } from '../protocol/address-class.ts'
import { type ServerAddress, tlsOf, urlOf } from '../protocol/address.ts'
import type { Frame } from '../protocol/envelope.ts'
import type { ClientFact, ServerPin } from './facts.ts'
import { clientLimits } from './state.ts'
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
  /** The current one took us, at this address; how far out that is decides to whom its word may send us. */
  reached(address: string): void
  /** What a dial asks about what a name stands for; nothing where a person named the address. */
  guard(url: string): { readonly mayReach?: (address: string) => boolean }
  /** Our server tells of others. */
  learn(payload: Frame<'SERVERS'>['payload']): void
}

/** What another server of the mesh is dialled as: with TLS where it says that it speaks it, and always by who came with TLS. */
const dialled = ({ host, port, tls }: ServerAddress, like: string): string | undefined => {
  const text = urlOf({ host, port, ...tlsOf(tls === true || like.startsWith('wss:')) })
  return URL.canParse(text) ? new URL(text).href.replace(/\/$/, '') : undefined
}

/** The host of a URL as it is announced: an IPv6 address without brackets. */
const bare = (host: string): string => host.replace(/^\[|\]$/g, '')

/**
 * @param named addresses that a person gave, at least one
 * @param moves whether others than these are used
 */
export const createServers = (named: readonly [string, ...string[]], journal: Journal, moves: boolean): Servers => {
  let chosen: string = named[0]
  let tried = 0
  let reach: AddressClass = 'public'
  const pin = (url: string): ServerPin | undefined => journal.state.servers.get(url)?.pin ?? journal.state.learned.get(url)
  /** Each server once, whatever it is called, and none twice that a person named. */
  const all = (): readonly string[] => {
    if (!moves) return named
    const known = new Set(named.flatMap(url => pin(url)?.server ?? []))
    const others = [...journal.state.learned].filter(
      ([url, { server, reach: told = 'public' }]) =>
        !named.includes(url) && !known.has(server) && mayPoint(told, addressClass(bare(new URL(url).hostname))),
    )
    return [...named, ...others.map(([url]) => url)]
  }

  return {
    get current() {
      // one that was forgotten meanwhile is pinned no more: whoever answers there now would be believed
      if (!all().includes(chosen)) chosen = named[0]
      return chosen
    },
    pin,
    get alone() {
      return all().length === 1
    },
    next: () => {
      const urls = all()
      chosen = urls[(urls.indexOf(chosen) + 1) % urls.length] ?? named[0]
      tried += 1
      if (tried < urls.length) return false
      tried = 0
      return true
    },
    reached: address => {
      tried = 0
      const known = addressClass(address)
      reach = known === 'unusable' ? 'public' : known
    },
    guard: url => {
      if (named.includes(url)) return {}
      const told = journal.state.learned.get(url)?.reach ?? 'public'
      return { mayReach: address => mayPoint(told, addressClass(address)) }
    },
    learn: ({ servers }) => {
      for (const { server_id: server, host: said, port, pubkey, tls } of servers.slice(0, clientLimits.maxLearned)) {
        const host = bare(said)
        const url = dialled({ host, port, ...tlsOf(tls) }, chosen)
        const key = normalKey(pubkey)
        if (url === undefined || key === undefined || !mayPoint(reach, addressClass(host))) continue
        const fact: ClientFact = { type: 'server.learned', url, server, pubkey: key, ...(reach === 'public' ? {} : { reach }) }
        const known = journal.state.learned.get(url)
        if (known?.server !== server || known.pubkey !== key || known.reach !== fact.reach) journal.record(`server:${server}`, fact)
      }
    },
  }
}
