/** One client of a test: its events can be waited for, and its log and files outlive it. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { createClient, type Client } from '../../src/client/client.ts'
import type { ClientEvent } from '../../src/client/events.ts'
import type { ClientFact } from '../../src/client/facts.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Network } from '../../src/ports/network.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { memoryDisk, memoryLog, type MemoryDisk } from '../../src/store/memory-log.ts'
import { createInbox } from '../helpers/stock-inbox.ts'
import { testKey } from '../helpers/test-keys.ts'
import { memoryFiles, type MemoryFiles } from './memory-files.ts'

type Named<E extends ClientEvent['event']> = Extract<ClientEvent, { event: E }>

export interface TestClient extends Client {
  readonly id: UserId
  readonly name: string
  readonly keyText: string
  readonly events: readonly ClientEvent[]
  readonly files: MemoryFiles
  readonly disk: MemoryDisk
  facts(): readonly ClientFact[]
  waitFor<E extends ClientEvent['event']>(event: E, match?: (event: Named<E>) => boolean, since?: number): Promise<Named<E>>
}

export interface TestClientOptions {
  readonly network: Network
  readonly url: string
  readonly name: string
  /** Number of the test key. */
  readonly key: number
  readonly id?: string
  readonly disk?: MemoryDisk
  readonly files?: MemoryFiles
  readonly clock?: Clock
  readonly maxFileBytes?: number
}

/** Opened but not connected. */
export const testClient = async (t: Test, options: TestClientOptions): Promise<TestClient> => {
  const { network, url, name, key, disk = memoryDisk(), files = memoryFiles(), clock = nodeClock() } = options
  const id = (options.id ?? randomUUID()) as UserId
  const crypto = nodeCrypto()
  const test = await testKey(key)
  const inbox = createInbox<ClientEvent>(
    events =>
      `${name} saw:\n${events
        .slice(-12)
        .map(event => JSON.stringify(event).slice(0, 300))
        .join('\n')}`,
  )
  const client = await createClient({
    ports: { clock, crypto, network, random: nodeRandom() },
    identity: { userId: id, privateKey: await test.privateKey(crypto) },
    name,
    serverUrl: url,
    log: memoryLog<ClientFact>({ disk }),
    files,
    fatal: error => {
      throw error
    },
    ...(options.maxFileBytes !== undefined && { maxFileBytes: options.maxFileBytes }),
  })
  client.events$.subscribe(event => {
    inbox.push(event)
  })
  t.teardown(() => client.close())
  return {
    ...client,
    get attached() {
      return client.attached
    },
    id,
    name,
    keyText: test.publicText,
    files,
    disk,
    events: inbox.items,
    facts: () => disk.rows.map(row => JSON.parse(row.data) as ClientFact),
    waitFor: (event, match = () => true, since = 0) =>
      inbox.waitFor((seen): seen is Named<typeof event> => seen.event === event && match(seen as Named<typeof event>), {
        what: `${name}: ${event}`,
        since,
      }),
  }
}

/** Connected and ready. */
export const attachedClient = async (t: Test, options: TestClientOptions): Promise<TestClient> => {
  const client = await testClient(t, options)
  client.connect()
  await client.waitFor('ready')
  return client
}
