/** What a node's state is made of, piece by piece, and which pieces a fact can change: so that a change is found without comparing all. */
import type { Claim } from '../domain/claims.ts'
import type { Fact } from '../domain/facts.ts'
import { tlsOf } from '../protocol/address.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import type { RecordedFact } from '../store/log.ts'
import type { NodeFold } from './replay.ts'
import { type ClaimPresence, presenceOf } from './sureness.ts'

/** `node` has one piece, itself; the others one for each machine, user or server. */
export const parts = ['node', 'machines', 'directory', 'standings', 'pins.users', 'pins.servers', 'bans', 'mailboxes', 'set_aside'] as const
export type Part = (typeof parts)[number]

export interface Piece {
  readonly part: Part
  /** An address, a user's or a server's id, a stream that was set aside; `node` for the node itself. */
  readonly key: string
}

const claimView = ({ server, seq, meta, caps }: Claim) => ({
  server_id: server,
  name: meta.display_name ?? null,
  seq: seq ?? null,
  meta,
  caps,
})

const readers: { readonly [Name in Part]: (fold: NodeFold, key: string) => unknown } = {
  node: ({ state }) => ({ server_id: state.self ?? null, epoch: state.epoch, running: state.running }),
  machines: ({ host }, key) => {
    const view = host.machine(key as Address)
    return view && { state: view.state, context: view.context }
  },
  directory: ({ state }, key) => {
    const user = state.directory.users.get(key as UserId)
    return user && { local: user.local ?? null, claims: user.claims.map(claimView) }
  },
  // how sure one is of all of a server's users: said once, not for each of them
  standings: ({ state }, key) => {
    const standing = state.directory.standings.get(key as ServerId)
    return standing && { doubt: standing.doubt }
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
  standings: ({ state }) => state.directory.standings.keys(),
  'pins.users': ({ state }) => state.directory.pins.keys(),
  'pins.servers': ({ state }) => state.membership.servers.keys(),
  mailboxes: ({ state }) => state.mailboxes.of.keys(),
  bans: ({ state }) => state.membership.bans.keys(),
  set_aside: ({ state }) => state.aside.keys(),
}

/** The pieces that there are in a part, by key, sorted. */
export const piecesOf = (fold: NodeFold, part: Part): readonly (readonly [key: string, value: unknown])[] =>
  [...keysOf[part](fold)].sort().map(key => [key, valueOf(fold, { part, key })])

/** The directory as it is printed: with how sure one is of each claim, which is no piece of it, for one word of a link changes that for many. */
export type PrintedDirectory = Readonly<
  Record<
    string,
    {
      readonly local: string | null
      readonly claims: readonly (ReturnType<typeof claimView> & { readonly presence: ClaimPresence })[]
    }
  >
>

export const directoryOf = ({ state, host }: NodeFold): PrintedDirectory =>
  Object.fromEntries(
    [...state.directory.users.values()]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(user => {
        const claims = user.claims.map(claim => ({ ...claimView(claim), presence: presenceOf(state, host.machine, user, claim.server) }))
        return [user.id, { local: user.local ?? null, claims }]
      }),
  )

const all = (fold: NodeFold, ...of: readonly Part[]): readonly Piece[] =>
  of.flatMap(part => [...keysOf[part](fold)].map(key => ({ part, key })))

const standing = (server: string): Piece => ({ part: 'standings', key: server })

const ofUser = (user: string): readonly Piece[] => [
  { part: 'directory', key: user },
  { part: 'pins.users', key: user },
]

/** Facts after which a server's users are not listed any more. */
const LOSES_USERS: ReadonlySet<Fact['type']> = new Set(['server.forgotten', 'server.banned', 'server.trusted'])

/** Kind of fact (before the dot) → pieces that it may change beside the machine of its stream. A kind without a row may change any. */
const reach: Readonly<Record<string, (fact: never, fold: NodeFold) => readonly Piece[]>> = {
  node: (fact: Fact, fold) =>
    fact.type === 'node.started'
      ? [...all(fold, 'node', 'machines', 'directory', 'standings'), ...all(fold, 'pins.servers').map(({ key }) => standing(key))]
      : all(fold, 'node'),
  server: (fact: Extract<Fact, { readonly server: ServerId }>, fold) => [
    { part: 'pins.servers', key: fact.server },
    { part: 'bans', key: fact.server },
    standing(fact.server),
    ...(LOSES_USERS.has(fact.type) ? all(fold, 'directory') : []),
  ],
  link: (fact: Extract<Fact, { readonly server: ServerId }>) => [{ part: 'pins.servers', key: fact.server }, standing(fact.server)],
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
