/** A node's parts, how they are put together, how it starts and how it stops. */
import type { NamedEffect } from '../actors/contract.ts'
import { createRuntime } from '../actors/runtime.ts'
import { createSupervisor } from '../actors/supervisor.ts'
import { createSigningQueue, measureSigning } from '../crypto/signing-queue.ts'
import { decideMembership } from '../domain/membership.ts'
import type { Fact } from '../domain/facts.ts'
import { ControlError, type ControlListener, type ControlPort } from '../ports/control.ts'
import type { PrivateKey } from '../ports/crypto.ts'
import type { Listener } from '../ports/network.ts'
import { noFaultPoint } from '../ports/fault-points.ts'
import type { GivenPorts, Ports } from '../ports/ports.ts'
import { steadyClock } from '../ports/steady-clock.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import { encodeFrame } from '../protocol/envelope.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import { type EventLog, LogUnusable } from '../store/log.ts'
import { type AddressClass, addressClass } from './address-class.ts'
import { createBootstrap } from './bootstrap.ts'
import type { NodeConfig } from './config.ts'
import { createConnections } from './connection.ts'
import { type Control, createControl } from './control.ts'
import { createDelivery } from './delivery.ts'
import { createDirectoryService } from './directory-service.ts'
import type { Log, NodeEvent } from './events.ts'
import { createSeen } from './freshness.ts'
import { createGossip } from './gossip.ts'
import { createIntroducer } from './introducer.ts'
import { createKeys } from './keys.ts'
import { createLinks } from './links.ts'
import { pruneNewcomers } from './newcomers.ts'
import { asDurable, recordSetAside, recoverNode } from './recovery.ts'
import { createReceipts } from './receipts.ts'
import { createRefusals } from './refusals.ts'
import { createNodeFold, type NodeFold } from './replay.ts'
import { createRouter } from './router.ts'
import { createRoutine, liveParts } from './routine.ts'
import { createSessions } from './sessions.ts'
import { createTimers } from './timers.ts'
import { createTransfers } from './transfers.ts'
import { within } from './within.ts'
import { createUpkeep } from './upkeep.ts'
import type { ActorGroup, Node } from './node.ts'

export interface NodeOptions {
  readonly config: NodeConfig
  readonly ports: GivenPorts
  /** With snapshots and a base where it is a `DurableLog`; without, the whole log is folded at each start. */
  readonly log: EventLog<Fact>
  /** One that has not lived, for whoever wants to look into the running node. */
  readonly fold?: NodeFold
  /** Where an operator's commands come in; they need a `DurableLog`. */
  readonly control?: ControlPort
  readonly identity: { readonly id: ServerId; readonly privateKey: PrivateKey }
  /** Signatures at work at once: the number of cores. */
  readonly cores: number
  readonly write: Log
  readonly tell: (event: NodeEvent) => void
  /** The node cannot go on: the log refused, or restarts did not help. It has stopped answering. */
  readonly fatal: (error: Error) => void
}

export interface RunningNode {
  /** Says goodbye to users and peers, lets what was recorded through, and closes the log. */
  stop(why: string): Promise<void>
  /** How often what happened, by kind and reason. */
  counters(): Readonly<Record<string, number>>
}

const backoff = { firstMs: 100, capMs: 5_000 }
const DRAIN_MS = 10_000

/** Starts a node: recovers from its log, listens, joins. Rejects when it cannot listen or its log cannot be folded. */
export const startNode = async (options: NodeOptions): Promise<RunningNode> => {
  const { config, identity, write } = options
  const ports: Ports = { reach: noFaultPoint, ...options.ports, clock: steadyClock(options.ports.clock) }
  const { fold = createNodeFold() } = options
  const { state, host } = fold
  const counters = new Map<string, number>()
  const handlers = new Map<string, (params: never) => void>()
  let lastTs = 0
  let phase: 'up' | 'stopping' | 'stopped' = 'up'

  const fail = (error: Error): void => {
    phase = 'stopped'
    node.timers.cancelAll()
    options.fatal(error)
  }
  const perform = (effect: NamedEffect): void => {
    const handler = handlers.get(effect.effect)
    if (handler === undefined) throw new Error(`nothing performs ${effect.effect}`)
    handler(effect.params as never)
  }

  const pinned: PublicKeyText[] = []
  for (const { pubkey } of config.bootstrap_servers) pinned.push((await ports.crypto.importPublicKey(pubkey)).text)

  const { privateKey } = identity
  const rate = await measureSigning({ crypto: ports.crypto, privateKey, clock: ports.clock, inFlight: options.cores })
  write('info', 'measured this machine', { signaturesPerSecond: Math.round(rate) })

  const self = { id: identity.id, pubkey: privateKey.publicKey.text, host: '', port: 0, reach: 'unusable' as AddressClass }
  const node = {
    config,
    ports,
    self,
    introducers: pinned,
    maxFrameBytes: wire.maxFrameBytes,
    state,
    mail: options.log.mail,
    log: write,
    tell: options.tell,
    keys: createKeys(ports.crypto),
    timers: createTimers(ports.clock),
    signer: createSigningQueue({
      crypto: ports.crypto,
      privateKey,
      inFlight: options.cores,
      // what would have to wait longer is refused at once, so that its sender knows
      maxQueued: Math.max(1, Math.min(config.limits.signatures, Math.ceil((rate * config.timing.signMs) / 1_000))),
    }),
    get stopping() {
      return phase !== 'up'
    },
    get stopped() {
      return phase === 'stopped'
    },
    nextTs: () => (lastTs = Math.max(ports.clock.now(), lastTs + 1)),
    unsigned: (type: FrameType, to: string, payload: unknown) =>
      encodeFrame({ type, from: self.id, to, ts: node.nextTs(), payloadText: canonicalOf(payload) }),
    count: (what: string, why: string) => {
      const name = `${what} ${why}`
      counters.set(name, (counters.get(name) ?? 0) + 1)
    },
  } as unknown as { -readonly [Part in keyof Node]: Node[Part] }

  node.runtime = createRuntime<Fact>({
    log: options.log,
    host,
    clock: ports.clock,
    reach: ports.reach,
    perform,
    fatal: fail,
    crashed: (error, effect) => {
      write('error', 'a bug: an effect threw', { effect: effect?.effect, error: String(error) })
    },
  })
  node.supervisor = createSupervisor<ActorGroup>({
    clock: ports.clock,
    groups: {
      node: { strategy: 'one_for_all', restarts: 3, withinMs: 60_000, backoff },
      connections: { parent: 'node', strategy: 'one_for_one', restarts: 100, withinMs: 10_000, backoff },
      // a bug that one peer or user can trigger ends their socket each time; it must not add up to the end of the node
      links: { parent: 'node', strategy: 'one_for_one', restarts: 1_000, withinMs: 60_000, backoff },
      sessions: { parent: 'node', strategy: 'one_for_one', restarts: 10_000, withinMs: 60_000, backoff },
      transfers: { parent: 'node', strategy: 'one_for_one', restarts: 10_000, withinMs: 60_000, backoff },
    },
    deadLetters: 1_000,
    stopMs: 2_000,
    escalated: error => {
      fail(error instanceof Error ? error : new Error(String(error)))
    },
  })
  node.seen = createSeen(node)
  node.refusals = createRefusals(node)
  node.connections = createConnections(node)
  node.introducer = createIntroducer(node)
  node.links = createLinks(node)
  node.sessions = createSessions(node)
  node.gossip = createGossip(node)
  node.router = createRouter(node)
  node.transfers = createTransfers(node)
  node.delivery = createDelivery(node)
  node.receipts = createReceipts(node)
  node.directoryService = createDirectoryService(node)
  node.bootstrap = createBootstrap(node)
  for (const part of [node.links, node.sessions, node.gossip, node.transfers, node.bootstrap])
    for (const [effect, handler] of Object.entries(part.effects)) handlers.set(effect, handler)

  const recovered = await recoverNode({ log: options.log, fold, runtime: node.runtime, write })
  if (state.self !== undefined && state.self !== self.id)
    throw new LogUnusable(`This log belongs to the server ${state.self}, but identity.json says ${self.id}: put the right one back.`)
  const { facts, lastAt, seq, beginning } = recovered
  // the clock may stand earlier than it did when the log was written
  lastTs = lastAt
  if (seq > 0)
    write('info', 'recovered', { facts, from: beginning.from, users: state.directory.users.size, servers: state.membership.servers.size })
  recordSetAside(fold, node.runtime, recovered)
  for (const [stream, { seq, why }] of state.aside)
    node.tell({ event: 'degraded', why: `${stream} is set aside from fact ${seq} on: ${why}` })
  await node.refusals.prepare()

  const listener: Listener = await ports.network.listen(
    { host: config.host, port: config.port, maxBytes: node.maxFrameBytes, maxSockets: config.limits.sockets },
    (socket, request) => {
      if (phase !== 'up') return undefined
      // a page of another origin must not use its visitor's network or name (attack 38)
      if (request.origin !== undefined && !config.origins.includes(request.origin)) {
        node.count('refused', 'origin')
        return undefined
      }
      return node.connections.accept(socket)
    },
  )
  Object.assign(
    self,
    options.config.advertise === undefined ? { host: listener.host, port: listener.port } : advertised(options.config.advertise),
  )
  self.reach = config.reach ?? addressClass(self.host)
  // from here on the log says that this incarnation lives; every machine answers it
  node.runtime.record('node', { type: 'node.started', server: self.id, epoch: options.log.epoch })
  for (const { server_id, host: at, port, pubkey } of config.servers) {
    const key = await ports.crypto.importPublicKey(pubkey)
    const listed = { server: server_id as ServerId, pubkey: key.text, host: at, port, vouchedBy: 'operator' as const }
    const { facts: decided, conflict } = decideMembership(listed, state.membership, config.limits)
    if (node.runtime.isSetAside(`server:${server_id}`)) continue
    if (conflict !== undefined)
      node.tell({ event: 'degraded', why: `the listed server ${server_id} has another key than the one pinned before` })
    for (const fact of decided) node.runtime.record(`server:${server_id}`, fact)
  }
  await node.runtime.flushed()
  const durable = asDurable(options.log)
  const sign = (text: string) => node.signer.sign(text, 'control')
  const premises = durable && {
    log: durable,
    fold,
    runtime: node.runtime,
    clock: ports.clock,
    sha256: (bytes: Uint8Array) => ports.crypto.sha256(bytes),
    sign,
    write,
    recovered,
  }
  const upkeep = premises && createUpkeep(premises)
  const routine = upkeep && createRoutine(node, upkeep)
  const control =
    premises && upkeep && options.control && (await listenTo(options.control, createControl(premises, upkeep, liveParts(node)), write))
  const url = `ws://${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${listener.port}`
  node.tell({
    event: 'ready',
    server_id: self.id,
    url,
    pubkey: self.pubkey,
    epoch: options.log.epoch,
    advertised: { host: self.host, port: self.port },
  })
  node.links.start()
  node.transfers.start()
  node.delivery.start()
  for (const server of state.membership.servers.keys()) node.links.manage(server)
  node.bootstrap.start()
  pruneNewcomers(node)
  routine?.start()

  let stopping: Promise<void> | undefined
  return {
    counters: () => Object.fromEntries([...counters].sort(([a], [b]) => (a < b ? -1 : 1))),
    stop: why =>
      (stopping ??= (async () => {
        phase = 'stopping'
        node.tell({ event: 'stopping' })
        node.sessions.endAll('stopping')
        node.runtime.record('node', { type: 'node.stopped', why })
        await within(ports.clock, DRAIN_MS, node.runtime.flushed())
        if (control !== undefined) await within(ports.clock, DRAIN_MS, control.close())
        phase = 'stopped'
        node.timers.cancelAll()
        // before the listener, which would cut short what still waits for its signature
        await within(ports.clock, DRAIN_MS, node.connections.closeAll(1001, 'this server is going down'))
        await within(ports.clock, DRAIN_MS, listener.close())
        await within(ports.clock, DRAIN_MS, node.supervisor.shutdown(why))
        if (routine !== undefined) await within(ports.clock, DRAIN_MS, routine.finish())
        await node.runtime.close()
        await options.log.close()
      })()),
  }
}

/** A node that an operator cannot ask anything is a node still. */
const listenTo = async (port: ControlPort, control: Control, write: Log): Promise<ControlListener | undefined> => {
  try {
    return await port.listen(control)
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    write('warn', `no commands are taken while this node runs: ${error.message}`)
    return undefined
  }
}

const advertised = (text: string): { readonly host: string; readonly port: number } => {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}
