/** Users, a peer and an operator who keep a server busy until it dies, and write down what they were told. */
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { callControl } from '../../src/ports/node/control-socket.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { attachFrameUser } from './frame-client-user.ts'
import type { FrameUser } from './frame-client-user.ts'
import { newId } from './frame-client.ts'
import type { Heard } from './frame-client.ts'
import type { ServerProcess } from './processes.ts'
import type { Claim } from './recovery-survivor.ts'
import type { StockKey } from './stock-crypto.ts'
import type { StockServer } from './stock-server.ts'

/** What a user knows of themselves when the server died. */
type Standing = 'attached' | 'left' | 'unknown'

/** What outlives the rounds: who there is, and all that was ever heard. */
export interface Records {
  readonly users: { readonly id: string; readonly key: StockKey; standing: Standing }[]
  /** Sequence of presence that the server signed → what it was about. No two things may have one. */
  readonly presence: Map<string, string>
  /** Texts of messages → how often they arrived. */
  readonly messages: Map<string, number>
  /** Sequence of the peer's presence. */
  peerSeq: number
  /** Commands of the operator that were done. */
  readonly done: Map<string, number>
  /** What must never be, and was. */
  readonly wrongs: string[]
}

export const newRecords = (keys: readonly StockKey[], each: number): Records => ({
  users: keys.flatMap(key => Array.from({ length: each }, () => ({ id: newId(), key, standing: 'left' as const }))),
  presence: new Map(),
  messages: new Map(),
  peerSeq: 0,
  done: new Map(),
  wrongs: [],
})

interface Round {
  readonly server: ServerProcess
  readonly records: Records
  readonly claim: (claim: Claim) => void
  readonly random: () => number
  readonly open: Set<FrameUser>
  /** The fact up to which the checker has read the log. */
  readonly read: number
}

/** What was heard about presence is in the log, and a sequence names one event for ever. */
const listen = (heard: readonly Heard[], from: number, { server, records, claim }: Round): void => {
  for (const { type, payload } of heard.slice(from)) {
    if (type !== 'USER_ADVERTISE' && type !== 'USER_REMOVE') continue
    const user = String(payload.user_id)
    const seq: unknown = type === 'USER_REMOVE' ? payload.seq : (payload.meta as { extras?: { seq?: unknown } }).extras?.seq
    if (payload.server_id !== server.id) {
      claim({
        what: `${type} ${JSON.stringify(seq)} of the peer was passed on`,
        holds: ({ stream, fact }) => stream === `user:${user}` && 'seq' in fact && JSON.stringify(fact.seq) === JSON.stringify(seq),
      })
      continue
    }
    const what = `${type} ${user}`
    const before = records.presence.get(JSON.stringify(seq))
    if (before !== undefined && before !== what) records.wrongs.push(`${JSON.stringify(seq)} means ${before} and ${what}`)
    records.presence.set(JSON.stringify(seq), what)
    claim({
      what: `${what} ${JSON.stringify(seq)} was told`,
      holds: ({ stream, fact }) => stream === `session:${user}` && 'seq' in fact && JSON.stringify(fact.seq) === JSON.stringify(seq),
    })
  }
}

/** Counts deliveries: none may come twice, not even after a restart. */
const receive = (user: FrameUser, from: number, { records }: Round): void => {
  for (const frame of user.socket.heard.slice(from)) {
    if (frame.type !== 'USER_DELIVER') continue
    const text = user.read(frame)
    const times = records.messages.get(text)
    if (times === undefined) records.wrongs.push(`${text} was delivered and never sent`)
    else if (times > 0) records.wrongs.push(`${text} was delivered twice`)
    records.messages.set(text, (times ?? 0) + 1)
  }
}

const comeAndGo = async (n: number, round: Round): Promise<void> => {
  const { server, records, claim, random, open } = round
  const mine = records.users.filter((_, index) => index % 3 === n)
  let last: FrameUser | undefined
  for (let turn = 0; ; turn += 1) {
    const person = mine[Math.floor(random() * mine.length)]
    if (person === undefined) throw new Error('nobody')
    person.standing = 'unknown'
    const user = await attachFrameUser({
      url: server.url,
      key: person.key,
      name: `user ${String(n)}`,
      id: person.id,
      caps: ['proof', 'ack'],
    })
    person.standing = 'attached'
    open.add(user)
    claim({
      what: `${user.id} was acknowledged`,
      holds: ({ stream, epoch, fact }) => stream === `session:${user.id}` && epoch === server.epoch && fact.type === 'session.attached',
    })
    if (last !== undefined && !last.socket.isClosed() && last.id !== user.id) {
      const text = `${String(server.epoch)} ${String(n)} ${String(turn)}`
      records.messages.set(text, 0)
      user.socket.send(user.direct({ id: last.id, keyText: last.keyText }, text))
      const file = newId()
      user.send('FILE_START', last.id, { file_id: file, mode: 'dm', name: 'a', size: 9, sha256: 'a'.repeat(64) })
      await last.socket.waitFor(frame => frame.type === 'FILE_START' && frame.payload.file_id === file)
      claim({
        what: `file ${file} was offered`,
        holds: ({ stream, fact }) => stream.startsWith(`transfer:${file}/`) && fact.type === 'transfer.offered',
      })
    }
    const choice = random()
    if (choice < 0.4) {
      person.standing = 'unknown'
      user.send('CTRL_CLOSE', server.id, {})
      const { code } = await user.socket.closed
      if (code === 1006) return
      person.standing = 'left'
    } else if (choice < 0.6) {
      person.standing = 'unknown'
      user.socket.webSocket.terminate()
    } else last = user
  }
}

const gossip = async (peer: StockServer, key: StockKey, { server, records, open }: Round): Promise<void> => {
  const socket = await peer.link(server.url)
  await server.waitFor('linked', event => event.server_id === peer.id)
  for (;;) {
    // a user of whom our users hear within a turn or two; there are few of them, they come and go
    const user = `0000000${String(records.peerSeq % 7)}-0000-4000-8000-00000000000f`
    records.peerSeq += 1
    const seq = [1, records.peerSeq]
    const payload = { user_id: user, server_id: peer.id }
    if (records.peerSeq % 3 === 0) socket.send(peer.signed('USER_REMOVE', '*', { ...payload, seq }))
    else socket.send(peer.signed('USER_ADVERTISE', '*', { ...payload, meta: { pubkey: key.text, display_name: 'far', extras: { seq } } }))
    await later(20)
    if (socket.isClosed() || open.size > 10_000) return
  }
}

const commands = ['snapshot', 'checkpoint', 'compact', 'rebuild', 'machines'] as const
/** Facts that may come between the look at the head and a compaction; more than this server takes in that time. */
const SLACK = 40

const operate = async ({ server, records, random, read }: Round): Promise<void> => {
  for (;;) {
    await later(30 + random() * 150)
    const command = commands[Math.floor(random() * commands.length)] ?? 'snapshot'
    // what the checker has not read yet has to stay
    const reader = openLogReader(join(server.data, 'log.db'))
    const keep = reader.head() - read + SLACK
    reader.close()
    await callControl(join(server.data, 'control.sock'), command, command === 'compact' ? { keep } : {})
    records.done.set(command, (records.done.get(command) ?? 0) + 1)
  }
}

export interface Load {
  /** Resolves when the server is dead and all have noticed; what else ended somebody's work is in the answer. */
  readonly over: Promise<readonly string[]>
}

/** Begins at once, and goes on until the server is gone. */
export const startLoad = (
  server: ServerProcess,
  options: Pick<Round, 'records' | 'claim' | 'random' | 'read'> & { readonly peer: StockServer; readonly peerKey: StockKey },
): Load => {
  const round: Round = { server, ...options, open: new Set() }
  const workers = [0, 1, 2].map(n => comeAndGo(n, round))
  const work = Promise.allSettled([...workers, gossip(options.peer, options.peerKey, round), operate(round)])
  const over = async (): Promise<readonly string[]> => {
    await server.exited
    const ends = await work
    for (const user of round.open) {
      user.socket.webSocket.terminate()
      listen(user.socket.heard, 0, round)
      receive(user, 0, round)
    }
    return ends.flatMap(end => (end.status === 'rejected' ? [(end.reason as Error).message.split('\n')[0] ?? ''] : []))
  }
  return { over: over() }
}
