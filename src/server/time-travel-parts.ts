/** What a node's state is made of, piece by piece, and which pieces a fact can change: so that a change is found without comparing all. */
import type { Fact } from '../domain/facts.ts'
import { moveStandings, surenessOf } from '../domain/standing.ts'
import { tlsOf } from '../protocol/address.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import type { RecordedFact } from '../store/log.ts'
import type { NodeFold } from './replay.ts'

/** `node` has one piece, itself; the others one for each machine, user or server. */
export const parts = ['node', 'machines', 'directory', 'pins.users', 'pins.servers', 'bans', 'mailboxes', 'set_aside'] as const
export type Part = (typeof parts)[number]

export interface Piece {
  readonly part: Part
  /** An address, a user's or a server's id, a stream that was set aside; `node` for the node itself. */
  readonly key: string
}

const readers: { readonly [Name in Part]: (fold: NodeFold, key: string) => unknown } = {
  node: ({ state }) => ({ server_id: state.self ?? null, epoch: state.epoch, running: state.running }),
  machines: ({ host }, key) => {
    const view = host.machine(key as Address)
    return view && { state: view.state, context: view.context }
  },
  directory: ({ state }, key) => {
    const user = state.directory.users.get(key as UserId)
    return (
      user && {
        local: user.local ?? null,
        claims: user.claims.map(({ server, seq, meta, caps }) => ({
          server_id: server,
          name: meta.display_name ?? null,
          presence: surenessOf(state.directory.standings, server, user.id),
          seq: seq ?? null,
          meta,
          caps,
        })),
      }
    )
  },
  'pins.users': ({ state }, key) => {
    const pin = state.directory.pins.get(key as UserId)
    return pin && { pubkey: pin.pubkey, enc_pubkey: pin.encPubkey ?? null, proven: pin.proven }
  },
  'pins.servers': ({ state }, key) => {
    const member = state.membership.servers.get(key as ServerId)
    return (
      member && {
        pubkey: member.pubkey,
        host: member.host,
        port: member.port,
        ...tlsOf(member.tls),
        vouched_by: member.vouchedBy,
        linked: member.linked,
        proven: member.proven,
      }
    )
  },
  mailboxes: ({ state }, key) => {
    const mailbox = state.mailboxes.of.get(key as UserId)
    return mailbox && { messages: mailbox.waiting.size, bytes: mailbox.bytes }
  },
  bans: ({ state }, key) => {
    const ban = state.membership.bans.get(key as ServerId)
    return ban && { pubkey: ban.pubkey ?? null, why: ban.why }
  },
  set_aside: ({ state }, key) => state.aside.get(key as Address),
}

/** A piece as plain JSON; undefined when there is none. */
export const valueOf = (fold: NodeFold, { part, key }: Piece): unknown => readers[part](fold, key)

const keysOf: { readonly [Name in Part]: (fold: NodeFold) => Iterable<string> } = {
  node: () => ['node'],
  machines: ({ host }) => [...host.machines()].map(([address]) => address),
  directory: ({ state }) => state.directory.users.keys(),
  'pins.users': ({ state }) => state.directory.pins.keys(),
  'pins.servers': ({ state }) => state.membership.servers.keys(),
  mailboxes: ({ state }) => state.mailboxes.of.keys(),
  bans: ({ state }) => state.membership.bans.keys(),
  set_aside: ({ state }) => state.aside.keys(),
}

/** The pieces that there are in a part, by key, sorted. */
export const piecesOf = (fold: NodeFold, part: Part): readonly (readonly [key: string, value: unknown])[] =>
  [...keysOf[part](fold)].sort().map(key => [key, valueOf(fold, { part, key })])

const all = (fold: NodeFold, ...of: readonly Part[]): readonly Piece[] =>
  of.flatMap(part => [...keysOf[part](fold)].map(key => ({ part, key })))

const ofUser = (user: string): readonly Piece[] => [
  { part: 'directory', key: user },
  { part: 'pins.users', key: user },
]

/** Facts after which a server's users are not listed any more. */
const LOSES_USERS: ReadonlySet<Fact['type']> = new Set(['server.forgotten', 'server.banned', 'server.trusted'])

/** The users whom a server claims: how sure that is hangs on its link. */
const usersOf = (server: ServerId, { state }: NodeFold): readonly Piece[] =>
  [...state.directory.users.values()]
    .filter(({ claims }) => claims.some(claim => claim.server === server))
    .map(({ id }) => ({ part: 'directory', key: id }))

/** Kind of fact (before the dot) → pieces that it may change beside the machine of its stream. A kind without a row may change any. */
const reach: Readonly<Record<string, (fact: never, fold: NodeFold) => readonly Piece[]>> = {
  node: (fact: Fact, fold) => (fact.type === 'node.started' ? all(fold, 'node', 'machines', 'directory') : all(fold, 'node')),
  server: (fact: Extract<Fact, { readonly server: ServerId }>, fold) => [
    { part: 'pins.servers', key: fact.server },
    { part: 'bans', key: fact.server },
    ...(LOSES_USERS.has(fact.type) ? all(fold, 'directory') : []),
  ],
  link: (fact: Extract<Fact, { readonly server: ServerId }>, fold) => [
    { part: 'pins.servers', key: fact.server },
    ...(moveStandings(fact.type) ? usersOf(fact.server, fold) : []),
  ],
  session: (fact: Extract<Fact, { readonly user: UserId }>) => ofUser(fact.user),
  user: (fact: Extract<Fact, { readonly user: UserId }>) => ofUser(fact.user),
  receipt: () => [],
  mailbox: (fact: Extract<Fact, { readonly user: UserId }>) => [{ part: 'mailboxes', key: fact.user }],
  transfer: () => [],
  bootstrap: () => [],
}

/** All pieces that a fact may change, seen before it is folded; those that it may bring into being are among them. */
export const reachOf = ({ stream, fact }: RecordedFact<Fact>, fold: NodeFold): readonly Piece[] => {
  const kind = fact.type.slice(0, fact.type.indexOf('.'))
  const own: Piece = { part: 'machines', key: stream }
  const others = Object.hasOwn(reach, kind) ? reach[kind]?.(fact as never, fold) : undefined
  return [own, ...(others ?? all(fold, ...parts))]
}
