/** Replaces who and where in facts by stand-ins, consistently, so that an operator can send a log to a developer. */
import type { Fact } from '../domain/facts.ts'
import type { NodeSnapshot } from '../domain/node-snapshot.ts'
import type { Address, Base64Url, ServerId, UserId } from '../protocol/ids.ts'
import type { RecordedFact } from '../store/log.ts'
import { SERVER_CAPS } from './introducer.ts'
import type { FoldedState } from './replay.ts'

/** Kind of secret → its stand-in by number. Ids keep the form of ids (SOCP §5). */
const standIns = {
  user: (n: number) => `00000000-0000-4000-a000-${String(n).padStart(12, '0')}`,
  server: (n: number) => `00000000-0000-4000-b000-${String(n).padStart(12, '0')}`,
  file: (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  key: (n: number) => `key-${n}`,
  signature: (n: number) => `signature-${n}`,
  digest: (n: number) => `digest-${n}`,
  name: (n: number) => `name-${n}`,
  host: (n: number) => `host-${n}.invalid`,
  cap: (n: number) => `cap-${n}`,
  text: (n: number) => `text-${n}`,
} as const
type Kind = keyof typeof standIns

/** Key → what a text under it is. A text under a key that is not listed is replaced too, so a new field leaks nothing. */
const kinds: Readonly<Record<string, Kind | 'words' | 'caps' | 'address' | 'stream'>> = {
  type: 'words',
  direction: 'words',
  mode: 'words',
  why: 'words',
  user: 'user',
  sender: 'user',
  recipient: 'user',
  server: 'server',
  server_id: 'server',
  by: 'server',
  vouchedBy: 'server',
  file: 'file',
  pubkey: 'key',
  encPubkey: 'key',
  sig: 'signature',
  digest: 'digest',
  id: 'digest',
  ids: 'digest',
  refs: 'digest',
  display_name: 'name',
  host: 'host',
  url: 'address',
  introducer: 'address',
  asked: 'address',
  stream: 'stream',
  caps: 'caps',
}

/** What people say about themselves in numbers. */
const DROPPED: ReadonlySet<string> = new Set(['age', 'extras'])

/** Words that our own code writes into facts; anything else there came from others. */
const OWN_WORDS: ReadonlySet<string> = new Set([
  ...['operator', 'dialled', 'accepted', 'dm', 'public', 'stopping', 'left', 'moved', 'did not return', 'closed', 'goodbye'],
  'the connection broke',
  ...['banned', 'unpinned'],
  ...['the recipient is not online', 'more came than was offered', 'nothing came', 'stalled', 'internal error'],
  'its reader takes it in too slowly',
  ...['another socket carries this link', 'a program with your key has attached here', 'this server is going down'],
  ...['SIGINT', 'SIGTERM', 'SIGHUP'],
  ...['delivered', 'refused', 'handed', 'expired', 'gone'],
])
/** What our servers and clients list: the fold goes by some of them. */
const OWN_CAPS: ReadonlySet<string> = new Set([...SERVER_CAPS, ...['ack', 'blocks', 'bound', 'notice', 'pace', 'presence', 'servers']])
/** A system's code in somebody's sentence, as ECONNREFUSED: it tells a developer much and names nobody. */
const SYSTEM_CODE =
  /\b(?:ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|EADDRNOTAVAIL|EACCES)\b/

/** Kind of stream → what the parts of its name are, between slashes. */
const streams: Readonly<Record<string, readonly Kind[]>> = {
  link: ['server'],
  server: ['server'],
  session: ['user'],
  user: ['user'],
  mailbox: ['user'],
  transfer: ['file', 'user', 'user'],
}

export interface Redaction {
  /** The same state about the same stand-ins. */
  state(state: FoldedState): FoldedState
  /** The same fact about stand-ins. Times, numbers and sequences stay: without them nothing could be found out. */
  recorded(recorded: RecordedFact<Fact>): RecordedFact<Fact>
  stream(stream: string): string
}

/** Makes a redaction; a text gets the same stand-in as long as it lives. */
export const createRedaction = (): Redaction => {
  const known = new Map<Kind, Map<string, string>>()

  const standIn = (kind: Kind, text: string): string => {
    const of = known.get(kind) ?? new Map<string, string>()
    known.set(kind, of)
    const made = of.get(text) ?? standIns[kind](of.size + 1)
    of.set(text, made)
    return made
  }

  /** `host:port`, a URL, or a server's id: an introducer is named by its address before it is known. */
  const address = (text: string): string => {
    const parsed = /^(?:[a-z+.-]+:\/\/)?(?:\[(.+)\]|([^/:[\]]+)):(\d{1,5})(\/.*)?$/.exec(text)
    if (parsed === null) return standIn(text.includes('://') ? 'text' : 'server', text)
    const [, six, name = '', port = ''] = parsed
    return `${/^wss?:\/\//.exec(text)?.[0] ?? ''}${standIn('host', six ?? name)}:${port}`
  }

  const stream = (name: string): string => {
    const colon = name.indexOf(':')
    if (colon < 0) return name
    const kind = name.slice(0, colon)
    const rest = name.slice(colon + 1)
    if (kind === 'aside') return `aside:${stream(rest)}`
    const parts = streams[kind]
    if (parts === undefined) return `${kind}:${standIn('text', rest)}`
    const pieces = rest.split('/')
    // an id of others may hold a slash: then nobody can say where it ends, and the whole is one id
    if (pieces.length !== parts.length) return `${kind}:${standIn(parts[0] ?? 'text', rest)}`
    return `${kind}:${pieces.map((piece, index) => standIn(parts[index] ?? 'text', piece)).join('/')}`
  }

  const words = (text: string): string => {
    if (OWN_WORDS.has(text)) return text
    const code = SYSTEM_CODE.exec(text)?.[0]
    return `${standIn('text', text)}${code === undefined ? '' : ` (${code})`}`
  }

  const textUnder = (key: string, text: string): string => {
    const kind = kinds[key] ?? 'text'
    switch (kind) {
      case 'words':
        return key === 'type' ? text : words(text)
      case 'caps':
        return OWN_CAPS.has(text) ? text : standIn('cap', text)
      case 'address':
        return address(text)
      case 'stream':
        return stream(text)
      default:
        return text === 'operator' && key === 'vouchedBy' ? text : standIn(kind, text)
    }
  }

  const value = (key: string, given: unknown): unknown => {
    if (typeof given === 'string') return textUnder(key, given)
    if (Array.isArray(given)) return given.map(item => value(key, item))
    if (typeof given !== 'object' || given === null) return given
    return Object.fromEntries(
      Object.entries(given)
        .filter(([name]) => !DROPPED.has(name))
        .map(([name, inner]) => [name, value(name, inner)]),
    )
  }

  const user = (text: UserId) => standIn('user', text) as UserId
  const server = (text: ServerId) => standIn('server', text) as ServerId
  const inside = <T>(given: T): T => value('', given) as T

  /** The state of a fold, whose lists of pairs say by their place what they are. */
  const node = (state: NodeSnapshot): NodeSnapshot => ({
    self: state.self === null ? null : server(state.self),
    epoch: state.epoch,
    running: state.running,
    users: state.users.map(({ id, claims, local }) => ({ id: user(id), claims: inside(claims), local })),
    pins: state.pins.map(([id, pin]) => [user(id), inside(pin)]),
    origins: state.origins.map(([id, { floor, recent, digests, sequenced }]) => [
      server(id),
      {
        floor,
        recent: recent.map(([of, seq]) => [user(of), seq]),
        digests: digests.map(digest => standIn('digest', digest) as Base64Url),
        sequenced,
      },
    ]),
    conflicts: state.conflicts.map(pair => {
      const space = pair.indexOf(' ')
      return `${standIn('user', pair.slice(0, space))} ${standIn('key', pair.slice(space + 1))}`
    }),
    lastSeq: state.lastSeq,
    departed: state.departed.map(([id, seq]) => [user(id), seq]),
    standings: state.standings.map(([id, { doubt, confirmed }]) => [server(id), { doubt, confirmed: confirmed.map(user) }]),
    servers: state.servers.map(({ id, ...member }) => ({ id: server(id), ...inside(member) })),
    bans: state.bans.map(([id, ban]) => [server(id), inside(ban)]),
    vouchers: state.vouchers.map(([id, voucher]) => [server(id), inside(voucher)]),
    mailboxes: (state.mailboxes ?? []).map(([id, waiting]) => [
      user(id),
      waiting.map(([of, entry]) => [standIn('digest', of), inside(entry)]),
    ]),
    receipts: (state.receipts ?? []).map(([id, kept]) => [user(id), kept.map(([of, entry]) => [standIn('digest', of), inside(entry)])]),
    homes: (state.homes ?? []).map(([id, home]) => [user(id), inside(home)]),
    aside: state.aside.map(([of, aside]) => [stream(of) as Address, inside(aside)]),
  })

  /** Of a persisted machine only the context says who; the rest is the machine's own. */
  const machine = (persisted: unknown): unknown => {
    const { context, ...rest } = persisted as { readonly context: unknown }
    return { ...rest, context: inside(context) }
  }

  return {
    stream,
    state: given => ({
      node: node(given.node),
      machines: Object.fromEntries(Object.entries(given.machines).map(([address, persisted]) => [stream(address), machine(persisted)])),
      at: given.at,
      failing: given.failing.map(inside),
    }),
    recorded: recorded => ({ ...recorded, stream: stream(recorded.stream) as Address, fact: value('', recorded.fact) as Fact }),
  }
}
