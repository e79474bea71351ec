/** Whole nodes in one process on one manual clock: started, crashed, restarted and watched, with real keys and a network in memory. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Test } from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import type { ServerId } from '../../src/protocol/ids.ts'
import { configSchema, type NodeConfig } from '../../src/server/config.ts'
import type { Control, ControlCommand } from '../../src/server/control.ts'
import type { NodeEvent } from '../../src/server/events.ts'
import { asDurable, foldFromBase } from '../../src/server/recovery.ts'
import { type NodeFold, type NodeView, viewOfNode } from '../../src/server/replay.ts'
import type { RunningNode } from '../../src/server/start.ts'
import type { DurableLog } from '../../src/store/durable-log.ts'
import type { EventLog, RecordedFact } from '../../src/store/log.ts'
import { memoryDisk, type MemoryDisk, memoryLog } from '../../src/store/memory-log.ts'
import { countedCrypto, type CountedCrypto } from '../helpers/counted-crypto.ts'
import { createManualClock, type ManualClock } from '../helpers/manual-clock.ts'
import { createMemoryNetwork, type MemoryHost, type MemoryNetwork } from '../helpers/memory-network.ts'
import { createMortalClock, type MortalClock } from '../helpers/mortal-clock.ts'
import { seededRandom } from '../helpers/seeded-random.ts'
import { testKey } from '../helpers/test-keys.ts'
import { watchedStart } from '../helpers/watched-fold.ts'

export interface MeshNode {
  readonly name: string
  readonly id: ServerId
  readonly port: number
  readonly pubkey: string
  readonly events: readonly NodeEvent[]
  readonly fatals: readonly Error[]
  /** What it wrote as `warn` or `error`. */
  readonly complaints: readonly string[]
  readonly running: RunningNode
  readonly host: MemoryHost
  readonly log: EventLog<Fact>
  /** Has it carry out an operator's command; moves the mesh until it has answered. */
  readonly ask: (command: ControlCommand, params?: Readonly<Record<string, unknown>>) => Promise<unknown>
  /** While true commits wait; `release` lets them through. */
  hold: boolean
  release(): void
  /** Lets the oldest commit that waits through. */
  releaseOne(): void
  /** The next commit is refused. */
  failNext: boolean
  readonly disk: MemoryDisk
  readonly clock: MortalClock
  readonly fold: NodeFold
  readonly options: NodeOptions
}

export interface NodeOptions {
  /** Overrides of the configuration, as in a file. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly introducers?: readonly MeshNode[]
  /** Instead of those that its number names. */
  readonly id?: ServerId
  readonly port?: number
}

export interface Mesh {
  readonly clock: ManualClock
  readonly network: MemoryNetwork
  readonly crypto: CountedCrypto
  start(n: number, options?: NodeOptions): Promise<MeshNode>
  /** As by `kill -9`: nothing of it runs any more; what was not committed is lost. */
  crash(node: MeshNode): void
  /** Starts a crashed or stopped node again on the same disk. */
  restart(node: MeshNode, options?: NodeOptions): Promise<MeshNode>
  /** Waits until nothing moves: no message on its way, no signature at work, no tick to end. No time passes. */
  quiet(): Promise<void>
  /** Lets virtual time pass in small steps, everything settling after each. */
  pass(ms: number): Promise<void>
  /** Passes time until `met`; throws when it is not within `ms`. Answers how long it took. */
  until(met: () => boolean, ms: number, what: string): Promise<number>
  facts(node: MeshNode): Promise<readonly RecordedFact<Fact>[]>
  view(node: MeshNode): NodeView
}

const STEP_MS = 250
/** Turns of the loop without any movement after which nothing will move. */
const CALM_TURNS = 4

export const idOf = (n: number): ServerId => `00000000-0000-4000-8000-00000000000${n}` as ServerId

let latest: NodeFold | undefined
const startNode = await watchedStart(fold => {
  latest = fold
})

/** A mesh without nodes; ends them when the test ends. `n` of a node names its key, its id and its port. */
export const createMesh = (t: Test): Mesh => {
  const clock = createManualClock()
  const network = createMemoryNetwork(clock)
  const crypto = countedCrypto(nodeCrypto())
  const nodes = new Set<MeshNode>()
  let starts = 0

  const moves = (): boolean => network.moving() > 0 || clock.waiting() > 0
  const quiet = async (): Promise<void> => {
    for (let calm = 0; calm < CALM_TURNS; calm += 1) {
      clock.tick()
      await turn()
      if (moves()) calm = 0
      else if (crypto.working() > 0) {
        await crypto.oneDone()
        calm = 0
      }
    }
  }
  const pass = async (ms: number): Promise<void> => {
    await quiet()
    for (let left = ms; left > 0; left -= STEP_MS) {
      clock.advance(Math.min(left, STEP_MS))
      await quiet()
    }
  }

  const boot = async (n: number, disk: MemoryDisk, options: NodeOptions): Promise<MeshNode> => {
    starts += 1
    const own = createMortalClock(clock)
    const host = network.host(`node ${n}`)
    const key = await testKey(n)
    const privateKey = await key.privateKey(crypto)
    const port = options.port ?? 9_000 + n
    const config: NodeConfig = configSchema.parse({
      port,
      bootstrap_servers: (options.introducers ?? []).map(other => ({ host: '127.0.0.1', port: other.port, pubkey: other.pubkey })),
      ...options.config,
    })
    const events: NodeEvent[] = []
    const fatals: Error[] = []
    const complaints: string[] = []
    let held: (() => void)[] = []
    let control: Control = () => Promise.reject(new Error('it takes no commands'))
    const log = memoryLog<Fact>({
      disk,
      endOfTick: run => {
        own.endOfTick(run)
      },
      commit: done => {
        if (node.failNext) {
          // as another writer that takes over
          disk.epoch += 1
          node.failNext = false
        }
        if (node.hold) held.push(done)
        else done()
      },
    })
    const node: { -readonly [Part in keyof MeshNode]: MeshNode[Part] } = {
      name: host.name,
      id: options.id ?? idOf(n),
      port,
      pubkey: key.publicText,
      events,
      fatals,
      complaints,
      running: undefined as unknown as RunningNode,
      ask: (command, params = {}) => settled(control({ command, params })),
      host,
      log,
      hold: false,
      release: () => {
        node.hold = false
        const due = held
        held = []
        for (const done of due) done()
      },
      releaseOne: () => held.shift()?.(),
      failNext: false,
      disk,
      clock: own,
      fold: undefined as unknown as NodeFold,
      options,
    }
    const starting = startNode({
      config,
      ports: { clock: own, random: seededRandom(starts), crypto, network: host },
      log,
      control: {
        listen: handle => {
          control = ({ command, params }) => handle({ command, params, progress: () => {} })
          return Promise.resolve({ close: () => Promise.resolve() })
        },
      },
      identity: { id: node.id, privateKey },
      cores: 2,
      write: (level, message, fields) => {
        if (level === 'warn' || level === 'error') complaints.push(`${message} ${JSON.stringify(fields ?? {})}`)
      },
      tell: event => {
        events.push(event)
      },
      fatal: error => {
        fatals.push(error)
      },
    })
    node.fold = latest as NodeFold
    const started = await settled(starting)
    node.running = started
    nodes.add(node)
    await quiet()
    return node
  }

  /** Waits for a promise that needs the mesh to move. */
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    const progress = { over: false }
    const end = (): void => {
      progress.over = true
    }
    work.then(end, end)
    while (!progress.over) {
      clock.tick()
      await turn()
    }
    return await work
  }

  const crash = (node: MeshNode): void => {
    node.clock.die()
    node.host.crash()
    nodes.delete(node)
  }

  t.teardown(() => {
    for (const node of nodes) crash(node)
  })

  return {
    clock,
    network,
    crypto,
    start: (n, options = {}) => boot(n, memoryDisk(), options),
    crash,
    restart: (node, options = node.options) => boot(Number(node.id.at(-1)), node.disk, options),
    quiet,
    pass,
    async until(met, ms, what) {
      const from = clock.monotonic()
      await quiet()
      while (!met()) {
        if (clock.monotonic() - from >= ms) throw new Error(`not within ${ms} ms: ${what}`)
        await pass(STEP_MS)
      }
      return clock.monotonic() - from
    },
    async facts(node) {
      const facts: RecordedFact<Fact>[] = []
      for await (const fact of node.log.read(1)) facts.push(fact)
      return facts
    },
    view: node => viewOfNode(node.fold, (node.disk.base?.seq ?? 0) + node.disk.rows.length),
  }
}

/** The golden property: what a node is equals the fold over what it wrote. */
export const sameAsItsLog = async (t: Test, mesh: Mesh, node: MeshNode): Promise<void> => {
  await mesh.quiet()
  const { fold, seq } = await foldFromBase(asDurable(node.log) as DurableLog<Fact>)
  t.strictSame(mesh.view(node), viewOfNode(fold, seq), `${node.name} is the fold over its log`)
}

/** Two nodes that introduced each other and are linked both ways. */
export const startPair = async (mesh: Mesh, config: Readonly<Record<string, unknown>> = {}): Promise<readonly [MeshNode, MeshNode]> => {
  const first = await mesh.start(0, { config })
  const second = await mesh.start(1, { config, introducers: [first] })
  await mesh.until(() => linked(mesh, first, second) && linked(mesh, second, first), 5_000, 'the pair is linked')
  return [first, second]
}

export const linked = (mesh: Mesh, node: MeshNode, other: MeshNode): boolean =>
  mesh.view(node).machines[`link:${other.id}`]?.state === 'linked'
