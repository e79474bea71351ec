/** A server of a simulated world: the whole node on simulated ports, started, killed and started again on the same disk. */
import type { Fact } from '../domain/facts.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import { configSchema } from '../server/config.ts'
import { readModels } from '../server/read-models.ts'
import { createNodeFold, type NodeFold } from '../server/replay.ts'
import { startNode, type RunningNode } from '../server/start.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import type { Quartz } from './clock.ts'
import type { Dice } from './dice.ts'
import { createDisk, openDisk, type Disk } from './disk.ts'
import type { Life } from './life.ts'
import type { Machine } from './network.ts'
import { enliven, portsFor, type Place } from './place.ts'

export interface SimulatedServer {
  readonly name: string
  readonly id: ServerId
  readonly key: { readonly pkcs8: Uint8Array; readonly text: PublicKeyText }
  readonly machine: Machine
  readonly disk: Disk
  readonly quartz: Quartz
  readonly port: number
  /** Its owner lies; what it says of others is not believed, and it takes no people. */
  readonly liar: boolean
  /** The incarnation that runs now; undefined when none does. */
  readonly life: Life | undefined
  /** It has recovered, and serves. */
  readonly running: RunningNode | undefined
  /** Of the incarnation that runs now or ran last. */
  readonly fold: NodeFold
  /** Starts it, unless it runs or its machine has no power. */
  start(): void
  /** As `kill -9`. */
  kill(): void
}

export interface ServerOptions {
  readonly name: string
  readonly address: string
  readonly liar: boolean
  readonly introducers: readonly SimulatedServer[]
}

const SERVER_PORT = 9_000

/** What waits for one person at most: few enough that a world sees full mailboxes, and old ones when a clock jumps. */
export const mailboxBounds = { mailboxMessages: 24, mailboxMessagesOfSender: 10, mailboxBytes: 45_000 } as const
const MAILBOX_MS = 1_800_000

/** Small enough that a world sees snapshots, checkpoints, comparisons of lists and readers who are too slow. */
const smallWorld = {
  limits: { snapshotFacts: 25, inFlight: 32, socketsPerAddress: 8, ...mailboxBounds },
  timing: { checkpointMs: 20_000, mailboxMs: MAILBOX_MS, compareMs: 30_000, slowReaderMs: 6_000 },
}

export const createServer = (place: Place, dice: Dice, options: ServerOptions): SimulatedServer => {
  const { schedule, network, makeKey, witnesses } = place
  const { name, address, introducers } = options
  const key = makeKey()
  const config = configSchema.parse({
    host: address,
    port: SERVER_PORT,
    bootstrap_servers: introducers.map(other => ({ host: other.machine.address, port: other.port, pubkey: other.key.text })),
    ...smallWorld,
    // whoever lies has no people: nothing could be promised to them
    ...(options.liar && { attach: 'listed' as const }),
  })
  let incarnations = 0

  const gaveUp = (life: Life, error: unknown): void => {
    if (!life.alive) return
    witnesses.gaveUp(server, error instanceof Error ? error : new Error(String(error)))
    life.die()
  }

  const live = async (life: Life, own: Dice): Promise<void> => {
    const ports = portsFor(place, server.machine, server.quartz, life, own)
    const log = await openDisk<Fact>({
      name,
      disk: server.disk,
      schedule,
      life,
      clock: ports.clock,
      random: own.fork('salts'),
      sha256: place.sha256,
      upcasters: nodeUpcasters,
      projections: readModels,
      committed: facts => {
        witnesses.recorded(server, facts)
      },
    })
    const fold = createNodeFold()
    server.fold = fold
    const running = await startNode({
      config,
      ports,
      log,
      fold,
      identity: { id: server.id, privateKey: await ports.crypto.importPrivateKey(key.pkcs8) },
      cores: 2,
      write: (level, message, fields = {}) => {
        if (life.alive) witnesses.wrote(server, level, message, fields)
      },
      tell: event => {
        if (life.alive) witnesses.told(server, event)
      },
      fatal: error => {
        gaveUp(life, error)
      },
    })
    if (!life.alive) return
    server.running = running
    witnesses.started(server)
  }

  const server: { -readonly [Part in keyof SimulatedServer]: SimulatedServer[Part] } = {
    name,
    id: dice.uuid() as ServerId,
    key,
    machine: network.machine(name, address),
    disk: createDisk(),
    quartz: { asleepMs: 0, offsetMs: dice.whole(-2_000, 2_000), rate: 1 + (dice.fraction() - 0.5) / 5_000 },
    port: SERVER_PORT,
    liar: options.liar,
    life: undefined,
    running: undefined,
    fold: createNodeFold(),
    start() {
      if (server.life !== undefined || server.machine.dark) return
      incarnations += 1
      const life = enliven(place, server, () => {
        server.running = undefined
        witnesses.died(server)
      })
      live(life, dice.fork(`life ${incarnations}`)).catch((error: unknown) => {
        gaveUp(life, error)
      })
    },
    kill() {
      server.life?.die()
    },
  }
  return server
}
