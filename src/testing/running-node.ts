/** A node that runs in the process of a test, from a list of facts: a real one, but for the disk that its log is on. */
import type { MachineView, NamedEffect } from '../actors/contract.ts'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { Fact } from '../domain/facts.ts'
import type { NodeState } from '../domain/node-state.ts'
import type { Clock } from '../ports/clock.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { nodeNetwork } from '../ports/node/network.ts'
import { nodeRandom } from '../ports/node/random.ts'
import type { Ports } from '../ports/ports.ts'
import type { Address, ServerId } from '../protocol/ids.ts'
import { configSchema } from '../server/config.ts'
import type { NodeEvent } from '../server/events.ts'
import { viewOfNode, type NodeView } from '../server/replay.ts'
import { type NodeOptions, startNode as start } from '../server/start.ts'
import type { NewFact, RecordedFact } from '../store/log.ts'
import { type MemoryDisk, memoryDisk, memoryLog } from '../store/memory-log.ts'
import { createDating, type Given } from './facts.ts'
import { mortalPorts } from './mortal-ports.ts'
import { watchLog } from './watched-log.ts'

/** A server's id and its private key as PKCS#8 DER. */
export interface TestIdentity {
  readonly id: string
  readonly pkcs8: Uint8Array
}

export interface TestNodeOptions {
  /** What its log holds when it starts. */
  readonly facts?: readonly Given[]
  /** Overrides of the configuration, as in a file for `--config`. The port is a free one unless given. */
  readonly config?: Readonly<Record<string, unknown>>
  /** From `newIdentity`; a new one, which takes seconds, when left out. */
  readonly identity?: TestIdentity
  /** A `virtualClock` lets a test skip deadlines; real time unless given. */
  readonly clock?: Clock
  /** Where health and metrics are answered, for a configuration with `http`. */
  readonly monitor?: NodeOptions['monitor']
  /** Others instead of the real ones. */
  readonly ports?: Partial<Omit<Ports, 'clock'>>
}

/** What a machine is waited for: a state, `undefined` for no machine at all, or a question to its state and context. */
export type Wanted = string | undefined | ((machine: MachineView | undefined) => boolean)

export interface TestNode {
  readonly id: string
  /** `ws://…`, what a client dials. */
  readonly url: string
  /** What `socp serve --json` would print. */
  readonly events: readonly NodeEvent[]
  /** What it logged as `warn` or `error`. */
  readonly complaints: readonly string[]
  /** State of the machine at an address, as of the last commit; undefined when there is none. */
  state(address: string): string | undefined
  context(address: string): MachineView['context'] | undefined
  /** Directory, pins and members, as of the last commit. */
  readonly node: NodeState
  /** All of it as `socp state --json` prints it. */
  view(): Promise<NodeView>
  /** What machines asked for since it started. */
  readonly effects: readonly NamedEffect[]
  /** The whole log. */
  facts(): Promise<readonly RecordedFact<Fact>[]>
  /** Waits for a machine. Rejects with what it is instead after `withinMs` (5,000) milliseconds of real time. */
  until(address: string, wanted: Wanted, options?: { readonly withinMs?: number }): Promise<void>
  /** Waits for a fact that is recorded after the start and not older than the one that the last call answered. */
  untilFact(type: Fact['type'], options?: { readonly withinMs?: number }): Promise<NewFact<Fact>>
  /** In order, as by SIGTERM. */
  stop(): Promise<void>
  /** As by `kill -9`: what was committed is all that is left. */
  crash(): Promise<void>
  /** After `stop` or `crash`: starts again, from what the log holds, at the same address. */
  restart(): Promise<TestNode>
}

/** Makes an id and a key. An RSA-4096 key takes seconds: make one, keep it in a file of your tests, and use it again. */
export const newIdentity = async (): Promise<TestIdentity> => {
  const { pkcs8 } = await nodeCrypto().generateKey()
  return { id: nodeRandom().uuid(), pkcs8 }
}

const PATIENCE_MS = 5_000

const fill = async (disk: MemoryDisk, given: readonly Given[]): Promise<void> => {
  const dating = createDating()
  const log = memoryLog<Fact>({ disk })
  await log.append(
    given.map(fact => dating.complete(fact)),
    { expected: { epoch: log.epoch } },
  )
  await log.close()
}

/**
 * Starts a node on 127.0.0.1 whose log holds the given facts. Its sockets and its cryptography are real. Rejects when it cannot
 * listen, or when the facts belong to another server.
 */
export const startNode = async (options: TestNodeOptions = {}): Promise<TestNode> => {
  const disk = memoryDisk()
  if (options.facts !== undefined && options.facts.length > 0) await fill(disk, options.facts)
  const identity = options.identity ?? (await newIdentity())
  return boot(disk, { ...options, identity })
}

const boot = async (disk: MemoryDisk, options: TestNodeOptions & { readonly identity: TestIdentity }): Promise<TestNode> => {
  const { identity } = options
  const real = nodeClock()
  const crypto = options.ports?.crypto ?? nodeCrypto()
  const { clock, network, die } = mortalPorts(options.clock ?? real, options.ports?.network ?? nodeNetwork())
  const events: NodeEvent[] = []
  const complaints: string[] = []
  const config = configSchema.parse({ port: 0, ...options.config })
  const own = memoryLog<Fact>({
    disk,
    endOfTick: run => {
      clock.endOfTick(run)
    },
  })
  const { log, fold, effects, facts, onCommit } = await watchLog(own)
  let ended = false
  const running = await start({
    config,
    ports: { random: nodeRandom(), ...options.ports, crypto, clock, network },
    log,
    identity: { id: identity.id as ServerId, privateKey: await crypto.importPrivateKey(identity.pkcs8) },
    cores: 1,
    ...(options.monitor === undefined ? {} : { monitor: options.monitor }),
    write: (level, message, fields) => {
      if (level === 'warn' || level === 'error') complaints.push(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`)
    },
    tell: event => {
      events.push(event)
    },
    fatal: error => {
      complaints.push(`the node stopped: ${error.message}`)
    },
  }).catch(async (error: unknown) => {
    await die()
    throw error
  })
  const ready = events.find(event => event.event === 'ready')
  if (ready === undefined) throw new Error(`the node started without being ready: ${complaints.join('; ')}`)

  /** Looks now and after every commit, until there is an answer. */
  const looked = <T>(look: () => T | undefined, withinMs: number, late: () => string): Promise<T> =>
    new Promise((resolve, reject) => {
      const found = look()
      if (found !== undefined) {
        resolve(found)
        return
      }
      const forget = onCommit(() => {
        const answer = look()
        if (answer === undefined) return
        over()
        resolve(answer)
      })
      const timer = real.after(withinMs, () => {
        over()
        const last = facts.slice(-5).map(({ fact }) => fact.type)
        reject(new Error(`${late()} within ${withinMs} ms; the last facts are ${last.join(', ') || 'none'}`))
      })
      const over = (): void => {
        forget()
        timer()
      }
    })

  const machine = (address: string): MachineView | undefined => fold.host.machine(address as Address)
  let seen = 0
  const end = async (how: () => Promise<void>): Promise<void> => {
    if (ended) return
    ended = true
    await how()
  }

  return {
    id: identity.id,
    url: ready.url,
    events,
    complaints,
    state: address => machine(address)?.state,
    context: address => machine(address)?.context,
    node: fold.state,
    view: async () => viewOfNode(fold, await log.head()),
    effects,
    facts: () => Array.fromAsync(memoryLog<Fact>({ disk: { ...disk } }).read(1)),
    until: async (address, wanted, { withinMs = PATIENCE_MS } = {}) => {
      const met = typeof wanted === 'function' ? wanted : (now: MachineView | undefined) => now?.state === wanted
      await looked(
        () => (met(machine(address)) ? true : undefined),
        withinMs,
        () => {
          const aim = typeof wanted === 'function' ? 'as wanted' : wanted === undefined ? 'over' : `'${wanted}'`
          const now = machine(address)
          return `${address} is not ${aim} but ${now === undefined ? 'not there' : `'${now.state}'`}`
        },
      )
    },
    untilFact: async (type, { withinMs = PATIENCE_MS } = {}) =>
      looked(
        () => {
          const index = facts.findIndex(({ fact }, at) => at >= seen && fact.type === type)
          if (index < 0) return undefined
          seen = index + 1
          return facts[index]
        },
        withinMs,
        () => `no ${type} was recorded`,
      ),
    stop: () =>
      end(async () => {
        await running.stop('stopped by the test')
        await die()
      }),
    crash: () => end(die),
    restart: async () => {
      if (!ended) throw new Error('the node still runs: stop it or crash it before it starts again')
      return boot(disk, { ...options, config: { ...options.config, port: Number(new URL(ready.url).port) } })
    },
  }
}
