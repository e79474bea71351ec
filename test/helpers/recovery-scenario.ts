/** One life of a server with users, a file and a peer, always the same, whose clients write down what they were told. */
import { setTimeout as later } from 'node:timers/promises'
import { newId } from './frame-client.ts'
import { attachFrameUser } from './frame-client-user.ts'
import type { FrameUser } from './frame-client-user.ts'
import type { Processes, ServerProcess } from './processes.ts'
import type { Claim, Recorded } from './recovery-survivor.ts'
import type { StockKey } from './stock-crypto.ts'
import { startStockServer } from './stock-server.ts'

export interface Life {
  readonly rig: Processes
  readonly data: string
  readonly env?: Readonly<Record<string, string>>
  readonly under?: readonly string[]
  readonly keyOf: (n: number) => StockKey
  readonly claim: (claim: Claim) => void
}

const isAbout = (type: string, user: string) => (frame: { type: string; payload: Readonly<Record<string, unknown>> }) =>
  frame.type === type && frame.payload.user_id === user

const ofStream =
  (stream: string, type: string, more: (fact: Recorded) => boolean = () => true) =>
  (fact: Recorded): boolean =>
    fact.stream === stream && fact.fact.type === type && more(fact)

const sameSeq =
  (seq: unknown) =>
  ({ fact }: Recorded): boolean =>
    'seq' in fact && JSON.stringify(fact.seq) === JSON.stringify(seq)

/** Sends a file of one chunk from one stock user to another. */
const sendFile = async (from: FrameUser, to: FrameUser, claim: Life['claim']): Promise<void> => {
  const file = newId()
  const stream = `transfer:${file}/${from.id}/${to.id}`
  const common = { file_id: file, mode: 'dm' }
  const ts = Date.now()
  from.send('FILE_START', to.id, { ...common, name: 'note.txt', size: 5, sha256: 'a'.repeat(64) }, ts)
  await to.socket.waitFor(frame => frame.type === 'FILE_START' && frame.payload.file_id === file)
  claim({ what: 'a file was offered', holds: ofStream(stream, 'transfer.offered') })
  const { ciphertext } = JSON.parse(from.direct({ id: to.id, keyText: to.keyText }, 'hello')).payload as { ciphertext: string }
  from.send('FILE_CHUNK', to.id, { ...common, index: 0, ciphertext })
  await to.socket.waitFor(frame => frame.type === 'FILE_CHUNK' && frame.payload.file_id === file)
  claim({ what: 'a chunk was passed on', holds: ofStream(stream, 'transfer.began') })
  from.send('FILE_END', to.id, common)
  await to.socket.waitFor(frame => frame.type === 'FILE_END' && frame.payload.file_id === file)
  claim({ what: 'the file was ended', holds: ofStream(stream, 'transfer.ended') })
}

/** Takes keys 1 to 3. */
const live: Course = async (server, { keyOf, claim }, cleanups) => {
  claim({
    what: `the server said that it is ready in epoch ${String(server.epoch)}`,
    holds: ofStream('node', 'node.started', fact => fact.epoch === server.epoch),
  })
  const attach = async (n: number, name: string, caps: readonly string[], id?: string): Promise<FrameUser> => {
    const user = await attachFrameUser({ url: server.url, key: keyOf(n), name, caps, ...(id === undefined ? {} : { id }) })
    cleanups.push(() => {
      user.socket.webSocket.terminate()
    })
    claim({ what: `${name} was acknowledged`, holds: ofStream(`session:${user.id}`, 'session.attached') })
    return user
  }
  const ann = await attach(1, 'ann', ['proof', 'ack'])
  const bea = await attach(2, 'bea', [])
  const advertised = await ann.socket.waitFor(isAbout('USER_ADVERTISE', bea.id))
  const { seq } = (advertised.payload.meta as { extras: { seq: unknown } }).extras
  claim({ what: 'bea was advertised', holds: ofStream(`session:${bea.id}`, 'session.attached', sameSeq(seq)) })
  ann.socket.send(ann.direct({ id: bea.id, keyText: bea.keyText }, 'hello'))
  await bea.socket.waitFor('USER_DELIVER')
  await sendFile(ann, bea, claim)

  const peer = await startStockServer({ key: keyOf(3) })
  cleanups.push(() => peer.close())
  const { socket } = await peer.join(server.url)
  socket.send(peer.announcement())
  await server.waitFor('linked', event => event.server_id === peer.id)
  claim({ what: 'a peer was linked', holds: ofStream(`link:${peer.id}`, 'link.linked') })
  claim({ what: 'its key was pinned', holds: ofStream(`server:${peer.id}`, 'server.pinned') })
  for (let n = 1; n <= 3; n += 1) {
    const user = newId()
    const meta = { pubkey: keyOf(2).text, display_name: `far ${String(n)}`, extras: { seq: [1, 2 * n] } }
    socket.send(peer.signed('USER_ADVERTISE', '*', { user_id: user, server_id: peer.id, meta }))
    await ann.socket.waitFor(isAbout('USER_ADVERTISE', user))
    claim({ what: `far ${String(n)} was advertised`, holds: ofStream(`user:${user}`, 'user.advertised', sameSeq([1, 2 * n])) })
    if (n === 2) continue
    socket.send(peer.signed('USER_REMOVE', '*', { user_id: user, server_id: peer.id, seq: [1, 2 * n + 1] }))
    await ann.socket.waitFor(isAbout('USER_REMOVE', user))
    claim({ what: `far ${String(n)} was removed`, holds: ofStream(`user:${user}`, 'user.removed') })
  }

  bea.send('CTRL_CLOSE', server.id, {})
  const removed = await ann.socket.waitFor(isAbout('USER_REMOVE', bea.id))
  claim({ what: 'bea left', holds: ofStream(`session:${bea.id}`, 'session.ended', sameSeq(removed.payload.seq)) })
  const again = await attach(2, 'bea again', ['proof', 'ack'], bea.id)
  const back = await ann.socket.waitFor(frame => isAbout('USER_ADVERTISE', bea.id)(frame) && frame.text !== advertised.text)
  const { seq: newer } = (back.payload.meta as { extras: { seq: unknown } }).extras
  claim({ what: 'bea was advertised again', holds: ofStream(`session:${again.id}`, 'session.attached', sameSeq(newer)) })
  const stopped = await server.stop()
  if (stopped.code === 0)
    claim({ what: 'the server said goodbye', holds: ofStream('node', 'node.stopped', fact => fact.epoch === server.epoch) })
  else throw new Error(`the server ended with ${String(stopped.code ?? stopped.signal)}`)
}

/** What happens between the start and the end of a life, its end included. */
export type Course = (server: ServerProcess, life: Life, cleanups: (() => unknown)[]) => Promise<void>

/** How a life ended: `through`, or before by SIGKILL or with an exit code; then with all that was written to standard error. */
export interface Ended {
  readonly how: 'through' | 'killed' | 'failed'
  readonly code?: number | null
  readonly stderr: string
}

/** How long a process may take to end once its clients notice that something is wrong. */
const END_MS = 5_000

/** Lives it: with users, a file and a peer, unless another course is given. Rejects when something went wrong and the server is still alive. */
export const liveOnce = async (life: Life, course: Course = live): Promise<Ended> => {
  const cleanups: (() => unknown)[] = []
  let server: ServerProcess | undefined
  try {
    const { data, env, under } = life
    server = await life.rig.serve({ data, ...(env === undefined ? {} : { env }), ...(under === undefined ? {} : { under }) })
    await course(server, life, cleanups)
    return { how: 'through', stderr: server.stderr() }
  } catch (error) {
    const { message } = error as Error
    if (server === undefined) {
      const end = /serve ended with (SIGKILL|\d+)/.exec(message)?.[1]
      if (end === undefined) throw error
      return end === 'SIGKILL' ? { how: 'killed', stderr: message } : { how: 'failed', code: Number(end), stderr: message }
    }
    const dead = await Promise.race([server.exited, later(END_MS, undefined, { ref: false })])
    if (dead === undefined) throw error
    return { how: dead.signal === 'SIGKILL' ? 'killed' : 'failed', code: dead.code, stderr: server.stderr() }
  } finally {
    await Promise.all(cleanups.map(cleanup => cleanup()))
  }
}
