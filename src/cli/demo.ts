/** `socp demo`: a mesh of three servers and a conversation across it, all real, in one terminal. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { filter, firstValueFrom, from, take, timeout, TimeoutError } from 'rxjs'
import { type Client, createClient } from '../client/client.ts'
import type { ClientEvent } from '../client/events.ts'
import type { ClientFact } from '../client/facts.ts'
import { nodeFileStore } from '../client/node-file-store.ts'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { Fact } from '../domain/facts.ts'
import type { PrivateKey } from '../ports/crypto.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { nodeNetwork } from '../ports/node/network.ts'
import { nodeRandom } from '../ports/node/random.ts'
import type { ServerId, UserId } from '../protocol/ids.ts'
import { configSchema } from '../server/config.ts'
import type { NodeEvent } from '../server/events.ts'
import { type RunningNode, startNode } from '../server/start.ts'
import { openSqliteLog, type SqliteLog } from '../store/sqlite-log.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { withExamples } from './options.ts'
import { printLine, shown, styled } from './output.ts'

const SERVERS = ['one', 'two', 'three'] as const
/** Each on the server of the same place. */
const PEOPLE = ['Ann', 'Ben', 'Cleo'] as const
const COLOURS = ['cyan', 'magenta', 'yellow'] as const
/** How long anything in the script may take before the demo gives up, in milliseconds. */
const PATIENCE_MS = 30_000

const ports = () => ({ clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), crypto: nodeCrypto() })
type DemoPorts = ReturnType<typeof ports>

const openLog = <T extends { readonly type: string }>(file: string, { clock, random, crypto }: DemoPorts): Promise<SqliteLog<T>> =>
  openSqliteLog<T>({
    file,
    sha256: bytes => crypto.sha256(bytes),
    randomBytes: length => random.bytes(length),
    endOfTick: run => {
      clock.endOfTick(run)
    },
  })

const makeKeys = async ({ crypto }: DemoPorts, count: number): Promise<readonly PrivateKey[]> => {
  const bar = new SingleBar({ format: 'Making RSA-4096 keys {bar} {value}/{total}', stream: process.stderr, hideCursor: true })
  if (process.stderr.isTTY) bar.start(count, 0)
  try {
    return await Promise.all(
      Array.from({ length: count }, async () => {
        const { privateKey } = await crypto.generateKey()
        if (process.stderr.isTTY) bar.increment()
        return privateKey
      }),
    )
  } finally {
    if (process.stderr.isTTY) bar.stop()
  }
}

const fatal = (error: Error): never => {
  throw error
}

interface Mesh {
  readonly nodes: readonly RunningNode[]
  readonly urls: readonly string[]
}

const startMesh = async (folder: string, shared: DemoPorts, keys: readonly PrivateKey[]): Promise<Mesh> => {
  const nodes: RunningNode[] = []
  const urls: string[] = []
  const linked: Promise<void>[] = []
  let introducer: { readonly host: string; readonly port: number; readonly pubkey: string } | undefined
  for (const [at, name] of SERVERS.entries()) {
    const privateKey = keys[at] as PrivateKey
    const label = styled(COLOURS[at] as 'cyan', `server ${name}`)
    let links = 0
    let complete = (): void => {}
    linked.push(
      new Promise(resolve => {
        complete = resolve
      }),
    )
    const tell = (event: NodeEvent): void => {
      if (event.event === 'ready') {
        urls.push(event.url)
        introducer ??= { ...event.advertised, pubkey: event.pubkey }
        void printLine(`${label} listens on ${event.url}`)
      }
      if (event.event === 'linked') {
        links += 1
        void printLine(`${label} is linked to ${links} of ${SERVERS.length - 1}`)
        if (links === SERVERS.length - 1) complete()
      }
    }
    nodes.push(
      await startNode({
        config: configSchema.parse({ port: 0, bootstrap_servers: introducer === undefined ? [] : [introducer] }),
        ports: shared,
        log: await openLog<Fact>(join(folder, `${name}.db`), shared),
        identity: { id: shared.random.uuid() as ServerId, privateKey },
        cores: availableParallelism(),
        write: () => {},
        tell,
        fatal,
      }),
    )
  }
  await inTime(Promise.all(linked), 'the servers did not link')
  return { nodes, urls }
}

const inTime = async <T>(promise: Promise<T>, otherwise: string): Promise<T> => {
  try {
    return await firstValueFrom(from(promise).pipe(timeout(PATIENCE_MS)))
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
    throw new CommandFailure(`The demo came to a halt: ${otherwise}.`, exitCodes.failed, { cause: error })
  }
}

/** What a person sees on their screen. */
const line = (event: ClientEvent, nameOf: (user: UserId) => string): string | undefined => {
  if (event.event === 'message')
    return `${shown(event.name)} to ${event.kind === 'direct' ? 'you' : 'all'}: ${shown(event.text)}  ${event.verified ? '✓' : '?'}`
  if (event.event === 'file')
    return `${shown(nameOf(event.from))} sent you ${shown(event.name)} (${event.size} bytes)  ${event.verified ? '✓' : '?'}`
  return undefined
}

interface Person {
  readonly name: string
  readonly client: Client
  readonly log: SqliteLog<ClientFact>
}

const attachPeople = async (
  folder: string,
  shared: DemoPorts,
  keys: readonly PrivateKey[],
  urls: readonly string[],
): Promise<readonly Person[]> => {
  const people: Person[] = []
  for (const [at, name] of PEOPLE.entries()) {
    const log = await openLog<ClientFact>(join(folder, `${name}.db`), shared)
    const client = await createClient({
      ports: shared,
      identity: { userId: shared.random.uuid() as UserId, privateKey: keys[at] as PrivateKey },
      name,
      serverUrl: urls[at] as string,
      log,
      files: nodeFileStore(join(folder, `${name}-downloads`)),
      fatal,
    })
    const label = styled(COLOURS[at] as 'cyan', name.padEnd(5))
    client.events$.subscribe(event => {
      const text = line(event, user => client.users().find(({ user_id }) => user_id === user)?.name ?? user)
      if (text !== undefined) void printLine(`  ${label} │ ${text}`)
    })
    const ready = firstValueFrom(
      client.events$.pipe(
        filter(event => event.event === 'ready'),
        timeout(PATIENCE_MS),
      ),
    )
    client.connect()
    await ready
    await printLine(`${label} is on ${urls[at] as string}`)
    people.push({ name, client, log })
  }
  return people
}

/** Waits until `count` events of a kind came in at these people, while `run` makes them happen. */
const meanwhile = async (watching: readonly Person[], kind: 'message' | 'file', run: () => Promise<unknown>): Promise<void> => {
  const seen = watching.map(({ client }) =>
    firstValueFrom(
      client.events$.pipe(
        filter(event => event.event === kind),
        take(1),
        timeout(PATIENCE_MS),
      ),
    ),
  )
  await run()
  await inTime(Promise.all(seen), `a ${kind} did not arrive`)
}

const converse = async (people: readonly Person[], folder: string): Promise<void> => {
  const [ann, ben, cleo] = people as [Person, Person, Person]
  const types = async (who: Person, typed: string): Promise<void> => {
    await printLine(`${styled('bold', `${who.name} types`)}  ${typed}`)
  }
  // whoever speaks must have heard of whoever they speak to
  await inTime(
    Promise.all(people.map(({ client }) => firstTrue(() => client.users().length === people.length, client))),
    'presence did not spread',
  )
  await types(ann, '/list')
  for (const user of ann.client.users()) await printLine(`  ${shown(user.name).padEnd(5)} ${user.presence}  on server ${user.server_id}`)
  await types(ann, '/tell Ben Hello from another server 👋')
  await meanwhile([ben], 'message', () => ann.client.tell('Ben', 'Hello from another server 👋'))
  await types(ben, '/tell Ann And hello back; no server could read this.')
  await meanwhile([ann], 'message', () => ben.client.tell('Ann', 'And hello back; no server could read this.'))
  await types(cleo, '/all Does anybody have the minutes?')
  await meanwhile([ann, ben], 'message', () => cleo.client.all('Does anybody have the minutes?'))
  const minutes = join(folder, 'minutes.txt')
  await writeFile(minutes, 'Everybody agreed.\n'.repeat(200))
  await types(ann, '/file Cleo minutes.txt')
  await meanwhile([cleo], 'file', () => ann.client.sendFile('Cleo', minutes))
}

const firstTrue = async (holds: () => boolean, client: Client): Promise<void> => {
  if (!holds()) await firstValueFrom(client.events$.pipe(filter(holds), take(1), timeout(PATIENCE_MS)))
}

const demo = async (): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'socp-demo-'))
  const shared = ports()
  try {
    const keys = await makeKeys(shared, SERVERS.length + PEOPLE.length)
    const mesh = await startMesh(folder, shared, keys)
    const people = await attachPeople(folder, shared, keys.slice(SERVERS.length), mesh.urls)
    await converse(people, folder)
    for (const { client, log } of people) {
      await client.close()
      await log.close()
    }
    for (const node of mesh.nodes) await node.stop('the demo is over')
    await printLine(styled('green', 'That was three servers, three people, and nothing in clear on any wire.'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Adds `socp demo`. */
export const addDemo = (program: Command): void => {
  withExamples(program.command('demo').description('watch three servers and three people talk, in this terminal').action(demo), [
    ['socp demo', 'takes about half a minute, mostly for making six keys'],
  ])
}
