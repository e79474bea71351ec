/** Makes histories of any length in the proportions of a recorded hour of the demo: what every bench of the fold and the log is fed. */
import { readFileSync } from 'node:fs'
import type { Fact } from '../src/domain/facts.ts'
import type { Address, Base64Url, FileId, PublicKeyText, ServerId, UserId } from '../src/protocol/ids.ts'
import type { NewFact } from '../src/store/log.ts'
import { seededRandom } from '../test/helpers/seeded-random.ts'

/** What stands before the first fact of a stream. */
export const beginning = ''

/** What `demo-hour.ts` recorded: type → how many, and kind of stream → type → type of the next fact of that stream → how often. */
export interface Profile {
  readonly recorded: string
  readonly facts: Readonly<Record<string, number>>
  readonly follows: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>
}

export const demoHour = (): Profile => JSON.parse(readFileSync(new URL('demo-hour.json', import.meta.url), 'utf8')) as Profile

export const kindOf = (stream: string): string => stream.split(':', 1)[0] ?? stream

/** Kinds of streams that have a machine. */
const machineKinds: readonly string[] = ['link', 'session', 'transfer', 'bootstrap']

/** The part of the facts that belongs to streams with a machine. */
export const machineShare = (counts: ReadonlyMap<string, number>): number => {
  const [machines, all] = [...counts].reduce(
    ([some, sum], [type, count]) => [some + (machineKinds.includes(type.split('.', 1)[0] ?? '') ? count : 0), sum + count],
    [0, 0],
  )
  return machines / all
}

export interface HistoryOptions {
  readonly facts: number
  /** Users elsewhere, users of this server, other servers. Files are on their way at the recorded rate, `files` at once at most. */
  readonly remote: number
  readonly local: number
  readonly servers: number
  readonly files: number
  readonly seed?: number
  readonly profile?: Profile
  /** Begins with every server pinned and every remote user online, before the `facts`. */
  readonly populated?: boolean
  readonly self?: ServerId
  /** Of the other servers, in turns: a node that runs reads them. */
  readonly serverKeys?: readonly PublicKeyText[]
}

/** A thing with a stream of its own: a user, a link, a file. */
interface Subject {
  readonly id: number
  /** Of its last fact. */
  type: string
  /** How many streams it has had: a file that ended is another file next. */
  life: number
}

const uuid = (kind: number, n: number, life = 0): string =>
  `0000000${kind}-${life.toString(16).padStart(4, '0').slice(-4)}-4000-8000-${n.toString(16).padStart(12, '0')}`

/** A user of another server, as `history` names them: id and home. */
export const remoteUser = (n: number, servers: number) => ({ user: uuid(1, n) as UserId, server: uuid(3, n % servers) as ServerId })

/** Facts in order of time, beginning with the first start of the node. The same for the same options. */
export const history = function* (options: HistoryOptions): Generator<NewFact<Fact>, void> {
  const { facts, remote, local, servers, files, profile = demoHour() } = options
  const { fraction, bytes } = seededRandom(options.seed ?? 1)
  // as long as a real one; the fold compares keys and never reads them
  const keys = Array.from({ length: 256 }, () => Buffer.from(bytes(550)).toString('base64url').slice(0, -3))
  const pubkeyOf = (n: number): PublicKeyText => `${keys[n % keys.length] ?? ''}${String(n).padStart(3, '0')}` as PublicKeyText
  const caps = ['ack', 'blocks', 'bound', 'proof']
  const { self = uuid(4, 0) as ServerId, serverKeys } = options
  let epoch = 0
  let counter = 0
  let at = 1_758_000_000_000

  const digest = (): Base64Url =>
    Math.floor(fraction() * 2 ** 52)
      .toString(36)
      .padEnd(22, 'A') as Base64Url
  const pool = (size: number): Subject[] => Array.from({ length: size }, (_, id) => ({ id, type: beginning, life: 0 }))
  const subjects: Record<string, Subject[]> = {
    node: pool(1),
    bootstrap: pool(1),
    server: pool(servers),
    link: pool(servers),
    session: pool(local),
    user: pool(remote),
    transfer: pool(files),
  }

  const sessionOf = ({ id }: Subject) => ({ stream: `session:${uuid(2, id)}` as Address, user: uuid(2, id) as UserId })
  const presence = ({ id }: Subject) => {
    const { user, server } = remoteUser(id, servers)
    counter += 1
    return { stream: `user:${user}` as Address, fact: { user, server, seq: [1, counter] as const, digest: digest() } }
  }
  const transferOf = ({ id, life }: Subject) => {
    const [file, sender, recipient] = [uuid(5, id, life) as FileId, uuid(2, id % local) as UserId, remoteUser(id % remote, servers).user]
    return { stream: `transfer:${file}/${sender}/${recipient}` as Address, file, sender, recipient }
  }
  const linkOf = ({ id }: Subject) => ({ stream: `link:${uuid(3, id)}` as Address, server: uuid(3, id) as ServerId })

  const make: Record<string, (subject: Subject) => { readonly stream: Address; readonly fact: Fact }> = {
    'node.started': () => ({ stream: 'node', fact: { type: 'node.started', server: self, epoch: (epoch += 1) } }),
    'node.stopped': () => ({ stream: 'node', fact: { type: 'node.stopped', why: 'SIGTERM' } }),
    'server.pinned': ({ id }) => {
      const server = uuid(3, id) as ServerId
      const pubkey = serverKeys?.[id % serverKeys.length] ?? pubkeyOf(id)
      const fact: Fact = { type: 'server.pinned', server, pubkey, host: '127.0.0.1', port: 9_000, vouchedBy: 'operator' }
      return { stream: `server:${server}`, fact }
    },
    'server.moved': ({ id }) => {
      const server = uuid(3, id) as ServerId
      return { stream: `server:${server}`, fact: { type: 'server.moved', server, host: '127.0.0.1', port: 9_000 + (counter % 999) } }
    },
    'link.dialled': subject => {
      const { stream, server } = linkOf(subject)
      return { stream, fact: { type: 'link.dialled', server, url: 'ws://127.0.0.1:9000' } }
    },
    'link.failed': subject => {
      const { stream, server } = linkOf(subject)
      return { stream, fact: { type: 'link.failed', server, why: 'ECONNREFUSED' } }
    },
    'link.linked': subject => {
      const { stream, server } = linkOf(subject)
      return { stream, fact: { type: 'link.linked', server, direction: 'dialled', proven: true, caps } }
    },
    'link.silent': subject => {
      const { stream, server } = linkOf(subject)
      return { stream, fact: { type: 'link.silent', server } }
    },
    'link.closed': subject => {
      const { stream, server } = linkOf(subject)
      return { stream, fact: { type: 'link.closed', server, why: '1001' } }
    },
    'session.attached': subject => {
      const { stream, user } = sessionOf(subject)
      const [pubkey, meta] = [pubkeyOf(subject.id), { display_name: `User ${subject.id}` }]
      return { stream, fact: { type: 'session.attached', user, pubkey, meta, caps, proven: true, seq: [epoch, (counter += 1)] } }
    },
    'session.detached': subject => {
      const { stream, user } = sessionOf(subject)
      return { stream, fact: { type: 'session.detached', user, why: '1006' } }
    },
    'session.ended': subject => {
      const { stream, user } = sessionOf(subject)
      return { stream, fact: { type: 'session.ended', user, why: 'left', seq: [epoch, (counter += 1)] } }
    },
    'user.advertised': subject => {
      const { stream, fact } = presence(subject)
      const [pubkey, meta] = [pubkeyOf(subject.id), { display_name: `Remote ${subject.id}` }]
      return { stream, fact: { type: 'user.advertised', ...fact, pubkey, meta, caps } }
    },
    'user.removed': subject => {
      const { stream, fact } = presence(subject)
      return { stream, fact: { type: 'user.removed', ...fact } }
    },
    'transfer.offered': subject => {
      const { stream, file, sender, recipient } = transferOf(subject)
      return { stream, fact: { type: 'transfer.offered', file, sender, recipient, size: 3_600, mode: 'dm' } }
    },
    'transfer.began': subject => {
      const { stream, file } = transferOf(subject)
      return { stream, fact: { type: 'transfer.began', file } }
    },
    'transfer.ended': subject => {
      const { stream, file } = transferOf(subject)
      return { stream, fact: { type: 'transfer.ended', file, chunks: 1 } }
    },
    'transfer.failed': subject => {
      const { stream, file } = transferOf(subject)
      return { stream, fact: { type: 'transfer.failed', file, why: 'expired' } }
    },
    'bootstrap.asked': () => ({ stream: 'bootstrap', fact: { type: 'bootstrap.asked', introducer: '127.0.0.1:9000', attempt: 1 } }),
    'bootstrap.failed': () => ({ stream: 'bootstrap', fact: { type: 'bootstrap.failed', introducer: '127.0.0.1:9000', why: 'refused' } }),
    'bootstrap.joined': () => ({ stream: 'bootstrap', fact: { type: 'bootstrap.joined', introducer: uuid(3, 0) as ServerId } }),
  }

  const draw = (weights: Readonly<Record<string, number>>): string => {
    let left = fraction() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    for (const [name, weight] of Object.entries(weights)) if ((left -= weight) < 0) return name
    return Object.keys(weights)[0] ?? beginning
  }

  /** How often each kind came, so that kinds keep their recorded proportions however many subjects each has. */
  const kinds: Record<string, number> = {}
  for (const [type, count] of Object.entries(profile.facts))
    kinds[kindOf(type.replace('.', ':'))] = (kinds[kindOf(type.replace('.', ':'))] ?? 0) + count

  const step = (kind: string): NewFact<Fact> => {
    const all = subjects[kind] ?? []
    const subject = all[Math.floor(fraction() * all.length)]
    const follows = profile.follows[kind]
    if (subject === undefined || follows === undefined) throw new Error(`the profile has ${kind} streams, and history knows none`)
    // what nothing followed begins again; a file that ended is followed by another
    let after = follows[subject.type]
    if (after === undefined) {
      after = follows[beginning] ?? {}
      subject.life += 1
    }
    const type = draw(after)
    const made = make[type]?.(subject)
    if (made === undefined) throw new Error(`the profile has ${type}, and history cannot make it`)
    subject.type = type
    at += Math.floor(fraction() * 100)
    return { ...made, at }
  }

  yield step('node')
  if (options.populated === true)
    for (const [kind, type] of [
      ['server', 'server.pinned'],
      ['user', 'user.advertised'],
    ] as const)
      for (const subject of subjects[kind] ?? []) {
        subject.type = type
        const made = make[type]?.(subject)
        if (made) yield { ...made, at }
      }
  for (let n = 1; n < facts; n += 1) yield step(draw(kinds))
}
