/** Whole clients at whole nodes on one virtual clock: connected, crashed, started again on the same disk. */
import type { Test } from 'tap'
import { createClient, type Client } from '../../src/client/client.ts'
import type { ClientEvent } from '../../src/client/events.ts'
import type { ClientFact } from '../../src/client/facts.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { memoryDisk, memoryLog, type MemoryDisk } from '../../src/store/memory-log.ts'
import type { MemoryHost } from '../helpers/memory-network.ts'
import { createMortalClock } from '../helpers/mortal-clock.ts'
import { seededRandom } from '../helpers/seeded-random.ts'
import { testKey } from '../helpers/test-keys.ts'
import { createMesh, type Mesh, type MeshNode, startPair } from '../server/mesh.ts'
import { userId } from '../server/user.ts'
import { memoryFiles, type MemoryFiles } from './memory-files.ts'

export interface MeshClient {
  readonly id: UserId
  readonly client: Client
  readonly events: readonly ClientEvent[]
  readonly disk: MemoryDisk
  readonly host: MemoryHost
  readonly files: MemoryFiles
  /** While true its commits wait. */
  hold: boolean
  /** Lets the first of them through. */
  releaseOne(): void
  /** As by `kill -9`. */
  crash(): void
  /** Texts that were shown, in order. */
  shown(): readonly string[]
  /** Ids that were shown, in order. */
  ids(): readonly string[]
  /** Statuses of the messages with this `ref`, in order. */
  statuses(ref: string): readonly string[]
}

export interface MeshClientOptions {
  readonly disk?: MemoryDisk
  readonly otherUrls?: readonly string[]
  readonly moves?: boolean
}

export const urlOf = (node: MeshNode): string => `ws://127.0.0.1:${node.port}`

let starts = 0

/** Client number `n` has key number `n`, and is called `user n`. It is attached when this resolves. */
export const meshClient = async (t: Test, mesh: Mesh, node: MeshNode, n: number, options: MeshClientOptions = {}): Promise<MeshClient> => {
  const client = await openMeshClient(t, mesh, node, n, options)
  client.client.connect()
  await mesh.until(() => client.client.attached, 20_000, `user ${n} is attached`)
  return client
}

/** The same, not connected yet. */
export const openMeshClient = async (
  t: Test,
  mesh: Mesh,
  node: MeshNode,
  n: number,
  { disk = memoryDisk(), otherUrls = [], moves = true }: MeshClientOptions = {},
): Promise<MeshClient> => {
  const clock = createMortalClock(mesh.clock)
  const host = mesh.network.host(`client ${n}`)
  const events: ClientEvent[] = []
  const files = memoryFiles()
  const key = await testKey(n)
  let held: (() => void)[] = []
  const self = { hold: false, dead: false }
  const opening = createClient({
    ports: { clock, crypto: mesh.crypto, network: host, random: seededRandom(1_000 + n + 100 * starts++) },
    identity: { userId: userId(n), privateKey: await key.privateKey(mesh.crypto) },
    name: `user ${n}`,
    serverUrl: urlOf(node),
    otherUrls,
    moves,
    log: memoryLog<ClientFact>({
      disk,
      endOfTick: run => {
        clock.endOfTick(run)
      },
      commit: done => {
        if (self.hold) held.push(done)
        else done()
      },
    }),
    files,
    fatal: error => {
      throw error
    },
  })
  let client: Client | undefined
  void opening.then(opened => {
    client = opened
  })
  await mesh.until(() => client !== undefined, 1_000, `client ${n} has opened its log`)
  const opened = await opening
  opened.events$.subscribe(event => {
    if (!self.dead) events.push(event)
  })
  const crash = (): void => {
    self.dead = true
    clock.die()
    host.crash()
  }
  t.teardown(crash)
  const messages = () => events.flatMap(event => (event.event === 'message' ? [event] : []))
  return {
    id: userId(n),
    client: opened,
    events,
    disk,
    host,
    files,
    get hold() {
      return self.hold
    },
    set hold(value) {
      self.hold = value
      if (value) return
      const due = held
      held = []
      for (const done of due) done()
    },
    releaseOne: () => {
      held.shift()?.()
    },
    crash,
    shown: () => messages().map(({ text }) => text),
    ids: () => messages().map(({ id }) => id),
    statuses: ref => events.flatMap(event => (event.event === 'sent' && event.ref === ref ? [event.status] : [])),
  }
}

/** Ann (3) and Ben (4), who know of each other: each at a node of their own, or both `together` at one. */
export const annAndBen = async (t: Test, { together = false }: { readonly together?: boolean } = {}) => {
  const mesh = createMesh(t)
  const [first, second] = together ? await alone(mesh) : await startPair(mesh)
  const ann = await meshClient(t, mesh, first, 3)
  const ben = await meshClient(t, mesh, second, 4)
  await mesh.pass(500)
  return { mesh, first, second, ann, ben }
}

const alone = async (mesh: Mesh): Promise<readonly [MeshNode, MeshNode]> => {
  const node = await mesh.start(0)
  return [node, node]
}
