/** What an operator decides about servers and users of a node, running or not: bans, keys to trust, ids to release. */
import { parsePublicKey } from '../crypto/public-key.ts'
import { claimOf, nextSeq } from '../domain/directory.ts'
import type { Fact } from '../domain/facts.ts'
import { conflicts, decideMembership } from '../domain/membership.ts'
import { surenessOf } from '../domain/standing.ts'
import { parseAddress } from '../protocol/address.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Address, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'
import { type Premises, UpkeepRefused } from './upkeep.ts'

/** What only a running node does about a decision. */
export interface Carrying {
  /** Cuts the sockets of a server's link. */
  cut(server: ServerId): void
  /** Dials a server that may be linked again. */
  meet(server: ServerId): void
  /** Ends the session of a user who is here, and cuts their socket. */
  dismiss(user: UserId, why: string): void
  /** The last other key that a hello of this server came with. */
  offered(server: ServerId): { readonly pubkey: PublicKeyText; readonly at: number } | undefined
  /** Milliseconds since the server was heard; undefined while it is not linked. */
  heard(server: ServerId): number | undefined
  /** How many members there may be. */
  readonly members: number
}

/** One server as `socp peers` lists it. */
export interface PeerView {
  readonly server_id: ServerId
  readonly state: string
  readonly host: string | null
  readonly port: number | null
  readonly tls: boolean
  readonly pubkey: string | null
  readonly proven: boolean
  readonly vouched_by: string | null
  /** Since when it is linked, Unix milliseconds. */
  readonly since: number | null
  readonly heard_ms: number | null
  readonly banned: string | null
  /** Another key that it came with. */
  readonly offers: string | null
}

/** One user as `socp users` lists them. */
export interface UserView {
  readonly user_id: UserId
  readonly name: string | null
  /**
   * `attached` or `detached` here; `elsewhere`, which is `suspect` or `recovered` while their server's word is not sure; `away`: pinned, and
   * no server that is there says that they are online.
   */
  readonly state: string
  readonly server_id: string | null
  readonly pubkey: string | null
  readonly proven: boolean
  /** Other keys under which this id was advertised. */
  readonly conflicts: readonly string[]
}

export interface Operator {
  peers(): readonly PeerView[]
  ban(server: string, why: string): Promise<PeerView>
  unban(server: string): Promise<PeerView>
  trust(server: string, pubkey: string, address: string | undefined): Promise<PeerView>
  users(): readonly UserView[]
  /** Releases the key of an id; with `pubkey` it is pinned to that one. */
  unpin(user: string, pubkey: string | undefined): Promise<UserView | undefined>
}

/** Bans that an operator may hold; each is looked at for every hello of a server. */
const MAX_BANS = 1_000
/** The beginning of an id that may stand for it. */
const SHORTEST_PREFIX = 4
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** Members of a node that is not running; its own configuration says how many, and nothing is dialled meanwhile. */
const MEMBERS = 1_000

const keyOf = (text: string): PublicKeyText => {
  try {
    return parsePublicKey(text).text
  } catch (error) {
    if (error instanceof ProtocolError) throw new UpkeepRefused(`That is no key that can be pinned: ${error.message}`, { cause: error })
    throw error
  }
}

export const createOperator = ({ fold, runtime }: Premises, carrying?: Carrying): Operator => {
  const { membership, directory } = fold.state
  const record = async (stream: Address, ...facts: readonly Fact[]): Promise<void> => {
    if (runtime.isSetAside(stream))
      throw new UpkeepRefused(`${stream} is set aside and takes no decision: "socp log dead" lists it, decide about that first.`)
    for (const fact of facts) runtime.record(stream, fact)
    await runtime.flushed()
  }

  /** An id, or the beginning of one that only one known server has. Throws `UpkeepRefused` when it names several. */
  const known = (given: string): ServerId | undefined => {
    const ids = new Set([...membership.servers.keys(), ...membership.bans.keys()])
    if (ids.has(given as ServerId)) return given as ServerId
    const meant = given.length < SHORTEST_PREFIX ? [] : [...ids].filter(id => id.startsWith(given))
    if (meant.length > 1) throw new UpkeepRefused(`${given} may be ${meant.join(' or ')}: give more of the id.`)
    return meant[0]
  }
  const refuseUnknown = (given: string): never => {
    throw new UpkeepRefused(`No server ${given} is known here: "socp peers" lists those that are.`)
  }

  const peerOf = (server: ServerId): PeerView => {
    const member = membership.servers.get(server)
    const machine = runtime.machine(`link:${server}`)
    const since = machine?.context['since']
    return {
      server_id: server,
      state: membership.bans.has(server) ? 'banned' : (machine?.state ?? 'unknown'),
      host: member?.host ?? null,
      port: member?.port ?? null,
      tls: member?.tls === true,
      pubkey: member?.pubkey ?? membership.bans.get(server)?.pubkey ?? null,
      proven: member?.proven ?? false,
      vouched_by: member?.vouchedBy ?? null,
      since: typeof since === 'number' ? since : null,
      heard_ms: carrying?.heard(server) ?? null,
      banned: membership.bans.get(server)?.why ?? null,
      offers: carrying?.offered(server)?.pubkey ?? null,
    }
  }

  const userOf = (user: UserId): UserView | undefined => {
    const entry = directory.users.get(user)
    const pin = directory.pins.get(user)
    if (entry === undefined && pin === undefined) return undefined
    const claim = entry && claimOf(directory, entry, server => runtime.machine(`link:${server}`)?.state === 'linked')
    const sure = claim === undefined ? 'lapsed' : surenessOf(directory.standings, claim.server, user)
    return {
      user_id: user,
      name: claim?.meta.display_name ?? null,
      state: entry?.local ?? { online: 'elsewhere', suspect: 'suspect', recovered: 'recovered', lapsed: 'away' }[sure],
      server_id: claim?.server ?? null,
      pubkey: pin?.pubkey ?? null,
      proven: pin?.proven ?? false,
      conflicts: [...directory.conflicts].filter(pair => pair.startsWith(`${user} `)).map(pair => pair.slice(user.length + 1)),
    }
  }

  return {
    peers: () => [...new Set([...membership.servers.keys(), ...membership.bans.keys()])].sort().map(peerOf),
    async ban(given, why) {
      const server = known(given) ?? (UUID.test(given) ? (given as ServerId) : refuseUnknown(given))
      if (server === fold.state.self) throw new UpkeepRefused('That is this server itself: stop it instead.')
      if (membership.bans.has(server)) throw new UpkeepRefused(`${server} is banned already: "socp peers unban" takes it back.`)
      if (membership.bans.size >= MAX_BANS)
        throw new UpkeepRefused(`${MAX_BANS} servers are banned, and there is room for no more: unban some.`)
      const pubkey = membership.servers.get(server)?.pubkey
      await record(`server:${server}`, { type: 'server.banned', server, ...(pubkey === undefined ? {} : { pubkey }), why })
      carrying?.cut(server)
      return peerOf(server)
    },
    async unban(given) {
      const server = known(given) ?? refuseUnknown(given)
      if (!membership.bans.has(server)) throw new UpkeepRefused(`${server} is not banned.`)
      await record(`server:${server}`, { type: 'server.unbanned', server })
      if (membership.servers.has(server)) carrying?.meet(server)
      return peerOf(server)
    },
    async trust(given, text, address) {
      const pubkey = keyOf(text)
      const server = known(given) ?? (address !== undefined && UUID.test(given) ? (given as ServerId) : undefined)
      const member = server === undefined ? undefined : membership.servers.get(server)
      if (server === undefined || (member === undefined && address === undefined))
        throw new UpkeepRefused(
          `No server ${given} is known here: to pin its key before it comes, give its whole id and --address HOST:PORT.`,
        )
      if (member?.pubkey === pubkey) throw new UpkeepRefused(`That is the key that is pinned for ${server} already.`)
      if (member !== undefined) await record(`server:${server}`, { type: 'server.trusted', server, pubkey })
      else {
        const at = parseAddress(address ?? '')
        if (at === undefined) throw new UpkeepRefused(`An address is HOST:PORT, not ${String(address)}.`)
        const { facts, conflict } = decideMembership({ server, pubkey, ...at, vouchedBy: 'operator' }, membership, {
          servers: carrying?.members ?? MEMBERS,
          // an operator may know why one key has two ids
          idsPerKey: Infinity,
        })
        if (conflict !== undefined) throw new UpkeepRefused(`${server} cannot be pinned: ${conflicts[conflict]}.`)
        await record(`server:${server}`, ...facts)
      }
      carrying?.cut(server)
      carrying?.meet(server)
      return peerOf(server)
    },
    users: () => [...new Set([...directory.users.keys(), ...directory.pins.keys()])].sort().flatMap(user => userOf(user) ?? []),
    async unpin(given, text) {
      const user = given as UserId
      const pubkey = text === undefined ? undefined : keyOf(text)
      const pin = directory.pins.get(user)
      if (pin === undefined && pubkey === undefined)
        throw new UpkeepRefused(`No key is pinned for ${given}: "socp users" lists those for which one is.`)
      if (pubkey !== undefined && pin?.pubkey === pubkey) throw new UpkeepRefused(`That is the key that is pinned for ${given} already.`)
      if (runtime.isSetAside(`session:${user}`))
        throw new UpkeepRefused(`session:${given} is set aside: "socp log dead" lists it, decide about that first.`)
      if (directory.users.get(user)?.local !== undefined) {
        const seq = nextSeq(directory)
        if (carrying === undefined) await record(`session:${user}`, { type: 'session.ended', user, why: 'unpinned', seq })
        else carrying.dismiss(user, 'unpinned')
      }
      await record(`user:${user}`, { type: 'user.unpinned', user, ...(pubkey === undefined ? {} : { pubkey }) })
      return userOf(user)
    },
  }
}
