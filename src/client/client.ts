/** The client library: attach to one server of a mesh, see who is online, and exchange messages and files end to end. Runs in Node and in browsers. */
import { RuntimeStopped } from '../actors/runtime.ts'
import { Subject, type Observable } from 'rxjs'
import type { PrivateKey } from '../ports/crypto.ts'
import { noFaultPoint } from '../ports/fault-points.ts'
import type { GivenPorts, Ports } from '../ports/ports.ts'
import { steadyClock } from '../ports/steady-clock.ts'
import { fromBase64Url, toHex } from '../protocol/encoding.ts'
import type { UserId } from '../protocol/ids.ts'
import type { EventLog } from '../store/log.ts'
import { createCalls, type Calls } from './calls.ts'
import { createConfirming } from './confirming.ts'
import { createConnection } from './connection.ts'
import { createDispatch } from './dispatch.ts'
import type { ClientEvent } from './events.ts'
import { decideServer } from './decisions.ts'
import type { ClientFact, ServerPin } from './facts.ts'
import type { FileStore } from './file-store.ts'
import type { Attachment } from './handshake.ts'
import { openJournal } from './journal.ts'
import { createKeeping } from './keeping.ts'
import { createKeyBook } from './key-book.ts'
import { createListing } from './listing.ts'
import { createOrdering } from './ordering.ts'
import { createOutbox } from './outbox.ts'
import { createQuestions } from './questions.ts'
import { createReading } from './reading.ts'
import { createRoster } from './roster.ts'
import { cleanLine, cleanName, nameProblem } from './sanitise.ts'
import { createPacing, PACE_CAP } from './transfers/pacing.ts'
import { createReceiving } from './transfers/receiving.ts'
import { createSending } from './transfers/sending.ts'
import { createServers } from './servers.ts'
import { createStalls } from './transfers/stalls.ts'
import { createWire } from './wire.ts'
import { createWriting } from './writing.ts'

export interface ClientOptions {
  readonly ports: GivenPorts
  readonly identity: { readonly userId: UserId; readonly privateKey: PrivateKey }
  /** Shown to others; see `nameProblem`. */
  readonly name: string
  /** `ws://host:port` or `wss://…`. */
  readonly serverUrl: string
  /** More of the same mesh, for when that one is gone; others are learned from the server. */
  readonly otherUrls?: readonly string[]
  /** Whether it goes to servers that nobody named; it does unless this is false. */
  readonly moves?: boolean
  /** Opened for this client alone; it is not closed here. */
  readonly log: EventLog<ClientFact>
  readonly files: FileStore
  /** Bytes of the largest file that is sent or taken; 1 GiB unless given. */
  readonly maxFileBytes?: number
  /** Called once when the log refuses: nothing can be done any more. */
  readonly fatal: (error: Error) => void
}

export interface Client extends Calls {
  /** Everything that happens; hot: subscribe before `connect`. */
  readonly events$: Observable<ClientEvent>
  /** Dials, and keeps the connection from then on. `ready` tells when it stands. */
  connect(): void
  readonly attached: boolean
  /** Resolves when it is known who is online: right away, but for the moments after `ready` and `resumed`. */
  listed(): Promise<void>
  /** Leaves at once, and resolves when everything is recorded and the socket closed. */
  close(): Promise<void>
}

const maxFileBytesByDefault = 1_073_741_824
const caps = ['ack', 'blocks', 'bound', 'notice', PACE_CAP, 'ping', 'presence', 'proof', 'receipts', 'servers'] as const

/** Opens the log and answers a client that is not connected yet. Rejects with `RangeError` for a name that cannot be used. */
export const createClient = async (options: ClientOptions): Promise<Client> => {
  const { identity, serverUrl, otherUrls = [], moves = true, log, files, maxFileBytes = maxFileBytesByDefault } = options
  const ports: Ports = { reach: noFaultPoint, ...options.ports, clock: steadyClock(options.ports.clock) }
  const { userId, privateKey } = identity
  const { clock, crypto } = ports
  const unusable = nameProblem(options.name)
  if (unusable !== undefined) throw new RangeError(unusable)
  const name = cleanName(options.name)

  const events = new Subject<ClientEvent>()
  const emit = (event: ClientEvent): void => {
    events.next(event)
  }
  const crashed = (error: unknown): void => {
    // what still came in while we left has no log to go to any more
    if (closing && error instanceof RuntimeStopped && error.cause === undefined) return
    emit({ event: 'error', code: 'INTERNAL', detail: cleanLine(error instanceof Error ? error.message : String(error)) })
  }
  let closing = false
  let wasReady = false
  /** Servers to which we were attached, the last one first; as many as matter. */
  let visited: readonly string[] = []
  /** Of the server that we were attached to last. */
  let serverCaps: readonly string[] = []

  const stalls = createStalls({
    clock,
    orphaned: transfer => {
      files.sweep(transfer).catch(crashed)
    },
  })
  const journal = await openJournal({
    log,
    clock,
    reach: ports.reach,
    user: userId,
    perform: stalls.perform,
    fatal: options.fatal,
    crashed,
  })
  const record = (stream: `user:${string}` | `server:${string}`, facts: readonly ClientFact[]): void => {
    for (const fact of facts) journal.record(stream, fact)
  }
  // another key that is announced for us is an alarm like anybody's
  if (!journal.state.users.has(userId)) record(`user:${userId}`, [{ type: 'key.pinned', user: userId, pubkey: privateKey.publicKey.text }])

  const wire = createWire({ ports, userId, privateKey, journal })
  const roster = createRoster(emit)
  const { nameOf } = roster
  const fingerprintOf = (key: string): string => toHex(crypto.sha256(fromBase64Url(key) ?? new Uint8Array())).replace(/(.{4})(?=.)/g, '$1 ')

  const servers = createServers([serverUrl, ...otherUrls.filter(url => url !== serverUrl)], journal, moves)
  const accept = async (url: string, proven: ServerPin): Promise<boolean> => {
    record(`server:${proven.server}`, decideServer(journal.state, url, proven))
    await journal.flushed()
    const known = servers.pin(url)
    const same = known?.server === proven.server && known.pubkey === proven.pubkey
    if (!same) {
      const { server } = proven
      emit({ event: 'alarm', kind: 'server_key', user_id: server, name: server, fingerprint: fingerprintOf(proven.pubkey) })
    }
    return same
  }

  const sockets = {
    attachment: () => connection.attachment,
    send: (texts: readonly string[]) => connection.send(texts),
    buffered: () => connection.buffered,
  }
  const questions = createQuestions({ ...{ clock, journal, wire, crashed }, ...sockets })
  const listing = createListing({ clock, roster, request: questions.list, attached: () => connection.attachment !== undefined })
  const outbox = createOutbox({ clock, busy: () => connection.busy })
  const keyBook = createKeyBook({
    clock,
    crypto,
    journal,
    roster,
    stock: () => connection.attachment?.key === undefined,
    request: questions.key,
    alarm: (user, changed) => {
      const fingerprint = fingerprintOf(changed.encPubkey ?? changed.pubkey)
      emit({ event: 'alarm', kind: 'user_key', user_id: user, name: nameOf(user), fingerprint })
    },
    refused: (user, error) => {
      emit({ event: 'error', code: error.code, detail: `The key announced for ${nameOf(user)} is not used: ${error.message}` })
    },
  })
  const keeping = createKeeping({
    ...{ clock, crypto, userId, journal, keyBook, roster, crashed },
    ...sockets,
    mail: log.mail,
    tell: (id, to, status, why) => {
      emit({ event: 'sent', id, ref: null, to, status, ...(why !== undefined && { why }) })
    },
  })
  await keeping.restore()
  const ordering = createOrdering({ clock, shown: sender => journal.state.users.get(sender)?.shown })
  const confirming = createConfirming({ userId, wire, ...sockets, crashed })
  const shared = { ports, crypto, userId, privateKey, journal, keyBook, stalls, files, maxFileBytes, wire, outbox, nameOf, emit }
  const receiving = createReceiving({ ...shared, confirming })
  const pacing = createPacing({ clock, crypto, userId, keyBook })
  const dispatch = createDispatch({
    journal,
    roster,
    keyBook,
    listing,
    outbox,
    keeping,
    servers,
    receiving,
    pacing,
    emit,
    cameFrom: () => visited[1],
    replaced: server => {
      connection.giveWay(`Another program with your key is attached at the server ${server}. If that is not you, somebody has your key.`)
    },
    crashed,
    read: createReading({ clock, ...shared, ...sockets, ordering, confirming }),
  })

  const attached = ({ server, caps: can }: Attachment): void => {
    serverCaps = can
    if (visited[0] !== server) visited = [server, ...visited.slice(0, 1)]
    void listing.refresh()
    keyBook.attached()
    if (wasReady) emit({ event: 'resumed', server_id: server })
    else emit({ event: 'ready', user_id: userId, name, server_id: server })
    wasReady = true
    keeping.attached()
    questions.attached()
  }
  const lost = (why: string, final: boolean): void => {
    emit({ event: 'offline', since: clock.now(), why, ...(final && { final }) })
    stalls.failAll(why)
    outbox.lost(why)
    keeping.lost(why)
    questions.lost()
    ordering.lost()
    keyBook.detached()
    listing.lost()
    roster.detached()
  }
  const connection = createConnection({
    ports,
    servers,
    wall: () => options.ports.clock.now(),
    userId,
    wire,
    hello: {
      client: 'socp-node',
      pubkey: privateKey.publicKey.text,
      enc_pubkey: privateKey.publicKey.text,
      meta: { display_name: name },
      caps,
    },
    accept,
    attached,
    frame: dispatch,
    lost,
    problem: (code, detail) => {
      emit({ event: 'error', code, detail })
    },
    crashed,
  })
  const writing = createWriting({ ...shared, ...sockets, keeping, serverCaps: () => serverCaps })
  const sendFile = createSending({ ...shared, ...sockets, pacing })

  const calls = createCalls({
    userId,
    name,
    changedServer: () => [...journal.state.servers].find(([, { changed }]) => changed !== undefined)?.[0],
    journal,
    roster,
    listing,
    writing,
    sendFile,
    emit,
    attached: sockets.attachment,
    keeps: () => serverCaps.includes('receipts'),
    retry: connection.retry,
  })

  return {
    events$: events.asObservable(),
    connect: () => {
      connection.start()
    },
    get attached() {
      return connection.attachment !== undefined
    },
    listed: () => listing.settled(),
    ...calls,
    close: async () => {
      if (closing) return
      closing = true
      const reached = connection.attachment
      const goodbye =
        reached === undefined ? undefined : await wire.signed({ type: 'CTRL_CLOSE', to: reached.server || '*', payload: {} }, 'control')
      await connection.close(goodbye)
      stalls.failAll('The program was stopped.')
      outbox.lost('The program was stopped.')
      keeping.close()
      questions.lost()
      ordering.lost()
      keyBook.detached()
      listing.lost()
      await journal.close()
      events.complete()
    },
  }
}
