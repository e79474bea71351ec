/**
 * Records which facts an hour of `socp demo` makes: its three servers stay up, its three people come, talk, send a file and leave, once
 * every half minute of the hour, without the pauses. Writes demo-hour.json, from which `history.ts` draws. `node bench/demo-hour.ts`
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { filter, firstValueFrom, take, timeout } from 'rxjs'
import { createClient, type Client } from '../src/client/client.ts'
import type { ClientFact } from '../src/client/facts.ts'
import { nodeFileStore } from '../src/client/node-file-store.ts'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import type { Fact } from '../src/domain/facts.ts'
import { nodeClock } from '../src/ports/node/clock.ts'
import { nodeNetwork } from '../src/ports/node/network.ts'
import { nodeRandom } from '../src/ports/node/random.ts'
import type { ServerId, UserId } from '../src/protocol/ids.ts'
import { configSchema } from '../src/server/config.ts'
import type { NodeEvent } from '../src/server/events.ts'
import { startNode, type RunningNode } from '../src/server/start.ts'
import { memoryDisk, memoryLog } from '../src/store/memory-log.ts'
import { testKey } from '../test/helpers/test-keys.ts'
import { beginning, kindOf, type Profile } from './history.ts'

/** A run of the demo takes about half a minute. */
const LAPS = 120
const MS = 60_000

const ports = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), crypto: nodeCrypto() }
const folder = mkdtempSync(join(tmpdir(), 'socp-demo-hour-'))
const fatal = (error: Error): never => {
  throw error
}
const key = async (n: number) => (await testKey(n)).privateKey(ports.crypto)

const disks = [memoryDisk(), memoryDisk(), memoryDisk()]
const nodes: RunningNode[] = []
const urls: string[] = []
const linked: Promise<void>[] = []
let introducer: { readonly host: string; readonly port: number; readonly pubkey: string } | undefined
for (const [at, disk] of disks.entries()) {
  let links = 0
  const { promise, resolve } = Promise.withResolvers<undefined>()
  linked.push(promise)
  const tell = (event: NodeEvent): void => {
    if (event.event === 'ready') {
      urls.push(event.url)
      introducer ??= { ...event.advertised, pubkey: event.pubkey }
    }
    if (event.event === 'linked' && (links += 1) === disks.length - 1) resolve(undefined)
  }
  nodes.push(
    await startNode({
      config: configSchema.parse({ port: 0, bootstrap_servers: introducer === undefined ? [] : [introducer] }),
      ports,
      log: memoryLog<Fact>({ disk }),
      identity: { id: ports.random.uuid() as ServerId, privateKey: await key(at) },
      cores: availableParallelism(),
      write: () => {},
      tell,
      fatal,
    }),
  )
}
await Promise.all(linked)

const identities = await Promise.all(
  ['Ann', 'Ben', 'Cleo'].map(async (name, at) => ({ name, userId: ports.random.uuid() as UserId, privateKey: await key(3 + at) })),
)
const clientDisks = identities.map(memoryDisk)

const attach = async (at: number): Promise<Client> => {
  const identity = identities[at] as (typeof identities)[number]
  const client = await createClient({
    ports,
    identity,
    name: identity.name,
    serverUrl: urls[at] as string,
    log: memoryLog<ClientFact>({ disk: clientDisks[at] as ReturnType<typeof memoryDisk> }),
    files: nodeFileStore(join(folder, `${identity.name}-downloads`)),
    fatal,
  })
  const ready = firstValueFrom(
    client.events$.pipe(
      filter(({ event }) => event === 'ready'),
      timeout(MS),
    ),
  )
  client.connect()
  await ready
  return client
}

const seen = (client: Client, kind: 'message' | 'file') =>
  firstValueFrom(
    client.events$.pipe(
      filter(({ event }) => event === kind),
      take(1),
      timeout(MS),
    ),
  )

const heardOfAll = async (client: Client): Promise<void> => {
  const holds = (): boolean => client.users().length === identities.length
  if (!holds()) await firstValueFrom(client.events$.pipe(filter(holds), take(1), timeout(MS)))
}

/** What the people of `socp demo` say to each other. */
const converse = async ([ann, ben, cleo]: readonly [Client, Client, Client]): Promise<void> => {
  await Promise.all([ann, ben, cleo].map(heardOfAll))
  await Promise.all([seen(ben, 'message'), ann.tell('Ben', 'Hello from another server 👋')])
  await Promise.all([seen(ann, 'message'), ben.tell('Ann', 'And hello back; no server could read this.')])
  await Promise.all([seen(ann, 'message'), seen(ben, 'message'), cleo.all('Does anybody have the minutes?')])
  const minutes = join(folder, 'minutes.txt')
  writeFileSync(minutes, 'Everybody agreed.\n'.repeat(200))
  await Promise.all([seen(cleo, 'file'), ann.sendFile('Cleo', minutes)])
}

for (let lap = 1; lap <= LAPS; lap += 1) {
  const people = [await attach(0), await attach(1), await attach(2)] as const
  await converse(people)
  for (const client of people) await client.close()
  if (lap % 10 === 0) process.stderr.write(`${lap} of ${LAPS}\n`)
}
for (const node of nodes) await node.stop('the demo is over')
rmSync(folder, { recursive: true })

const follows: Record<string, Record<string, Record<string, number>>> = {}
const facts: Record<string, number> = {}
for (const { rows } of disks) {
  const last = new Map<string, string>()
  for (const { stream, type } of rows) {
    const kind = kindOf(stream)
    const after = ((follows[kind] ??= {})[last.get(stream) ?? beginning] ??= {})
    after[type] = (after[type] ?? 0) + 1
    facts[type] = (facts[type] ?? 0) + 1
    last.set(stream, type)
  }
}
const profile: Profile = { recorded: `${LAPS} runs of the demo's script on servers that stayed up, facts of all three`, facts, follows }
writeFileSync(new URL('demo-hour.json', import.meta.url), `${JSON.stringify(profile, null, 2)}\n`)
