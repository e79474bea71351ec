/** A node's parts, how they are put together, how it starts and how it stops. */
import type { NamedEffect } from '../actors/contract.ts'
import { createRuntime } from '../actors/runtime.ts'
import { measuredPace } from '../crypto/signing-pace.ts'
import { createSigningQueue } from '../crypto/signing-queue.ts'
import type { Fact } from '../domain/facts.ts'
import type { ControlPort } from '../ports/control.ts'
import type { PrivateKey } from '../ports/crypto.ts'
import type { HttpPort } from '../ports/http.ts'
import type { Exposition } from '../ports/metrics.ts'
import type { Listener } from '../ports/network.ts'
import { noFaultPoint } from '../ports/fault-points.ts'
import type { GivenPorts, Ports } from '../ports/ports.ts'
import { steadyClock } from '../ports/steady-clock.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import { authorityOf, parseAddress, tlsOf, urlOf } from '../protocol/address.ts'
import { encodeFrame } from '../protocol/envelope.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { ServerId } from '../protocol/ids.ts'
import { limits as wire } from '../protocol/limits.ts'
import { type EventLog, LogUnusable } from '../store/log.ts'
import { type AddressClass, addressClass } from '../protocol/address-class.ts'
import { createBootstrap } from './bootstrap.ts'
import type { NodeConfig } from './config.ts'
import { createConnections } from './connection.ts'
import { createControl, takeCommands } from './control.ts'
import { createDelivery } from './delivery.ts'
import { createDirectoryService } from './directory-service.ts'
import type { Log, NodeEvent } from './events.ts'
import { createSeen } from './freshness.ts'
import { createGossip } from './gossip.ts'
import { createHealth, type Phase } from './health.ts'
import { createHearsay } from './hearsay.ts'
import { createIntroducer } from './introducer.ts'
import { createKeys } from './keys.ts'
import { createLinks } from './links.ts'
import { introducerKeys, pinListed } from './listed-servers.ts'
import { createLoad, shares } from './load.ts'
import { pruneMembers } from './members.ts'
import { createOtherKeys } from './other-keys.ts'
import { within } from './patience.ts'
import { createPresenceSync } from './presence-sync.ts'
import { asDurable, recordSetAside, recoverNode } from './recovery.ts'
import { createReceipts } from './receipts.ts'
import { type Reloaded, reloadNode } from './reload.ts'
import { createRefusals } from './refusals.ts'
import { createNodeFold, type NodeFold } from './replay.ts'
import { createRouter } from './router.ts'
import { createRoutine, liveParts } from './routine.ts'
import { createSessions } from './sessions.ts'
import { createStandings } from './standings.ts'
import { createStatus } from './status.ts'
import { createNodeSupervisor } from './supervision.ts'
import { createTimers } from './timers.ts'
import { createTransfers } from './transfers.ts'
import { createUpkeep } from './upkeep.ts'
import { createVitals, type Vitals } from './vitals.ts'
import type { Node } from './node.ts'

export interface NodeOptions {
  readonly config: NodeConfig
  readonly ports: GivenPorts
  /** With snapshots and a base where it is a `DurableLog`; without, the whole log is folded at each start. */
  readonly log: EventLog<Fact>
  /** One that has not lived, for whoever wants to look into the running node. */
  readonly fold?: NodeFold
  /** Where an operator's commands come in; they need a `DurableLog`. */
  readonly control?: ControlPort
  /** Where health and metrics are answered if the configuration has `http`. */
  readonly monitor?: { readonly http: HttpPort; readonly expose: Exposition }
  readonly identity: { readonly id: ServerId; readonly privateKey: PrivateKey }
  /** Signatures at work at once: the number of cores. */
  readonly cores: number
  readonly write: Log
  readonly tell: (event: NodeEvent) => void
  /** The node cannot go on: the log refused, or restarts did not help. It has stopped answering. */
  readonly fatal: (error: Error) => void
}

export interface RunningNode extends Pick<Vitals, 'counters' | 'gauges' | 'distributions'> {
  /** Takes another configuration; answers what changed and what keeps its value until the next start. */
  reload(config: NodeConfig): Promise<Reloaded>
  /** Says goodbye to users and peers, lets what was recorded through, and closes the log. */
  stop(why: string): Promise<void>
}

/** How long goodbyes may take. */
const DRAIN_MS = 10_000

/** Starts a node: recovers from its log, listens, joins. Rejects when it cannot listen or its log cannot be folded. */
export const startNode = async (options: NodeOptions): Promise<RunningNode> => {
  const opened: (() => Promise<void>)[] = []
  try {
    return await assemble(options, opened)
  } catch (error) {
    for (const close of opened) await close()
    throw error
  }
}

/** `opened` takes what has to be closed when it rejects. */
const assemble = async (options: NodeOptions, opened: (() => Promise<void>)[]): Promise<RunningNode> => {
  const { config, identity, write } = options
  const ports: Ports = { reach: noFaultPoint, ...options.ports, clock: steadyClock(options.ports.clock) }
  const { fold = createNodeFold() } = options
  const { state, host } = fold
  const handlers = new Map<string, (params: never) => void>()
  let lastTs = 0
  let phase: Phase | 'stopped' = 'starting'

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

  const { privateKey } = identity
  const signing = { crypto: ports.crypto, privateKey, inFlight: options.cores }
  const pace = await measuredPace({ ...signing, clock: ports.clock })
  write('info', 'measured this machine', { signaturesPerSecond: Math.round(pace.perSecond()) })

  const self = { id: identity.id, pubkey: privateKey.publicKey.text, host: '', port: 0, tls: false, reach: 'unusable' as AddressClass }
  const node = {
    config,
    ports,
    self,
    introducers: await introducerKeys({ config, ports }),
    maxFrameBytes: wire.maxFrameBytes,
    state,
    mail: options.log.mail,
    log: write,
    tell: options.tell,
    keys: createKeys(ports.crypto),
    timers: createTimers(ports.clock),
    pace,
    signer: createSigningQueue({
      ...{ ...signing, shares },
      maxQueued: config.limits.signatures,
      // what would have to wait longer is refused at once, so that its sender knows
      pace: { of: pace, withinMs: config.timing.signMs },
    }),
    get stopping() {
      return phase === 'stopping' || phase === 'stopped'
    },
    get stopped() {
      return phase === 'stopped'
    },
    nextTs: () => (lastTs = Math.max(ports.clock.now(), lastTs + 1)),
    unsigned: (type: FrameType, to: string, payload: unknown) =>
      encodeFrame({ type, from: self.id, to, ts: node.nextTs(), payloadText: canonicalOf(payload) }),
    count: (what, why, times) => {
      vitals.count(what, why, times)
    },
  } as Writable<Node>
  const vitals = createVitals(node)

  node.runtime = createRuntime<Fact>({
    log: options.log,
    host,
    clock: ports.clock,
    reach: ports.reach,
    perform,
    committed: vitals.committed,
    fatal: fail,
    crashed: (error, effect) => {
      write('error', 'a bug: an effect threw', { effect: effect?.effect, error: String(error) })
    },
  })
  node.supervisor = createNodeSupervisor(ports.clock, vitals.count, fail)
  node.seen = createSeen(node)
  node.load = createLoad(node)
  node.refusals = createRefusals(node)
  node.otherKeys = createOtherKeys(node)
  node.connections = createConnections(node)
  node.introducer = createIntroducer(node)
  node.hearsay = createHearsay(node)
  node.links = createLinks(node)
  node.sessions = createSessions(node)
  node.gossip = createGossip(node)
  node.standings = createStandings(node)
  node.sync = createPresenceSync(node)
  node.router = createRouter(node)
  node.transfers = createTransfers(node)
  node.delivery = createDelivery(node)
  node.receipts = createReceipts(node)
  node.directoryService = createDirectoryService(node)
  node.bootstrap = createBootstrap(node)
  for (const part of [node.links, node.sessions, node.gossip, node.standings, node.transfers, node.bootstrap])
    for (const [effect, handler] of Object.entries(part.effects)) handlers.set(effect, handler)

  const answer = options.monitor && createHealth(vitals, () => (phase === 'stopped' ? 'stopping' : phase), options.monitor.expose)
  const http = answer && config.http && (await options.monitor.http.listen(config.http, answer))
  if (http !== undefined) opened.push(() => http.close())
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
      if (node.stopping) return undefined
      // a page of another origin must not use its visitor's network or name (attack 38)
      if (request.origin !== undefined && !config.origins.includes(request.origin)) {
        node.count('refused', 'origin')
        return undefined
      }
      return node.connections.accept(socket)
    },
  )
  opened.push(() => listener.close())
  const advertised = config.advertise === undefined ? undefined : parseAddress(config.advertise)
  // behind something that speaks TLS for it, or not, an address says so itself
  const tls = config.advertise?.includes('://') === true ? advertised?.tls : listener.tls
  const address = { host: (advertised ?? listener).host, port: (advertised ?? listener).port }
  Object.assign(self, { ...address, tls: tls === true })
  self.reach = config.reach ?? addressClass(self.host)
  // from here on the log says that this incarnation lives; every machine answers it
  // a restored backup counts its epochs from where it was made: presence goes by the time, or peers would take it for old
  const presenceEpoch = Math.max(Math.floor(ports.clock.now() / 1_000), state.directory.lastSeq[0] + 1)
  node.runtime.record('node', { type: 'node.started', server: self.id, epoch: options.log.epoch, presenceEpoch })
  await pinListed(node)
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
  const status = createStatus(node, vitals, { head: () => options.log.head(), bytes: () => durable?.bytes() })
  const upkeep = premises && createUpkeep(premises)
  const routine = upkeep && createRoutine(node, upkeep, vitals)
  const control =
    premises &&
    upkeep &&
    options.control &&
    (await takeCommands(options.control, createControl(premises, upkeep, liveParts(node, status)), write))
  phase = 'ready'
  node.tell({
    event: 'ready',
    server_id: self.id,
    url: urlOf(listener),
    pubkey: self.pubkey,
    epoch: options.log.epoch,
    advertised: { ...address, ...tlsOf(tls) },
    ...(http === undefined ? {} : { http: `http://${authorityOf(http)}` }),
  })
  for (const part of [node.links, node.transfers, node.delivery]) part.start()
  for (const server of state.membership.servers.keys()) node.links.manage(server)
  pruneMembers(node)
  for (const part of [node.bootstrap, routine, vitals, node.load]) part?.start()

  let stopping: Promise<void> | undefined
  return {
    counters: vitals.counters,
    gauges: vitals.gauges,
    distributions: vitals.distributions,
    reload: wanted => reloadNode(node, wanted),
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
        await http?.close()
      })()),
  }
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }
