/** One user of a faulty mesh: the client library on real ports with a log on the disk, who writes down all that they say, are told and are shown. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '../../src/client/client.ts'
import type { ClientEvent } from '../../src/client/events.ts'
import type { ClientFact } from '../../src/client/facts.ts'
import { listMs } from '../../src/client/listing.ts'
import { nodeFileStore } from '../../src/client/node-file-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'
import type { Happening, ListedPlace } from './history.ts'
import { networkFrom } from './ports.ts'

export interface PersonOptions {
  readonly name: string
  readonly id: string
  /** Folder of their program. */
  readonly data: string
  /** Their first server, and whether they go to others. */
  readonly url: string
  readonly moves: boolean
  /** The host by which the proxy knows their dials. */
  readonly host: string
}

export interface Saying {
  /** The user that it is for. */
  readonly to: string
  readonly n: number
  readonly probe?: string
}

export interface Person {
  say(saying: Saying): void
  /** The answer to `/list`; undefined while there is none. */
  list(): Promise<readonly ListedPlace[] | undefined>
  close(): Promise<void>
}

/** What stands in a text: who says it, and the how many-th thing it is. */
const textOf = (from: string, n: number): string => `${from} says ${String(n)}`

export const startPerson = async (
  { name, id, data, url, moves, host }: PersonOptions,
  shared: {
    readonly clock: Clock
    readonly crypto: Crypto
    readonly privateKey: PrivateKey
    readonly tell: (happening: Happening) => void
  },
): Promise<Person> => {
  const { clock, crypto, privateKey, tell } = shared
  mkdirSync(data, { recursive: true })
  const random = nodeRandom()
  const network = networkFrom(host)
  let at = ''
  const log = await openSqliteLog<ClientFact>({
    file: join(data, 'log.db'),
    sha256: bytes => crypto.sha256(bytes),
    randomBytes: length => random.bytes(length),
    endOfTick: run => {
      clock.endOfTick(run)
    },
  })
  const client = await createClient({
    ports: {
      clock,
      crypto,
      random,
      network: {
        ...network,
        dial: async (to, options, handler) => {
          const socket = await network.dial(to, options, handler)
          at = to
          return socket
        },
      },
    },
    identity: { userId: id as UserId, privateKey },
    name,
    serverUrl: url,
    moves,
    log,
    files: nodeFileStore(join(data, 'files')),
    fatal: error => {
      tell({ what: 'note', who: name, text: 'fatal', more: error.stack })
    },
  })

  const hear: { readonly [Name in ClientEvent['event']]?: (event: Extract<ClientEvent, { event: Name }>) => void } = {
    ready: () => tell({ what: 'attached', user: name, at }),
    resumed: () => tell({ what: 'attached', user: name, at }),
    offline: ({ why }) => tell({ what: 'offline', user: name, at: why }),
    sent: ({ id: message, ref, to, status, why }) => {
      const n = ref === null ? {} : { n: Number(ref) }
      tell({ what: 'told', from: name, to, ...n, id: message, status, ...(why !== undefined && { why }) })
    },
    message: ({ id: message, from, text, verified }) => {
      const n = Number(/^\S+ says (\d+)$/.exec(text)?.[1])
      tell({ what: 'shown', to: name, from, n, text, id: message, verified })
    },
    error: event => tell({ what: 'note', who: name, text: 'error', more: event }),
    alarm: event => tell({ what: 'note', who: name, text: 'alarm', more: event }),
    notice: event => tell({ what: 'note', who: name, text: 'notice', more: event }),
  }
  client.events$.subscribe(event => {
    ;(hear[event.event] as ((event: ClientEvent) => void) | undefined)?.(event)
  })
  client.connect()

  return {
    say({ to, n, probe }) {
      tell({ what: 'saying', from: name, to, n, ...(probe !== undefined && { probe }) })
      const told = (status: string): void => {
        tell({ what: 'told', from: name, to, n, id: '', status })
      }
      // a name that means nobody is an `error`, which is no answer to a message
      client.tell(to, textOf(name, n), { ref: String(n) }).then(
        accepted => {
          if (!accepted) told('unsaid')
        },
        (error: unknown) => {
          told(`crashed: ${String(error)}`)
        },
      )
    },
    async list() {
      // nobody who asks now wants to wait for the next turn
      if (!client.attached) client.connect()
      if (!client.attached) return undefined
      const asked = clock.monotonic()
      let users: readonly ListedPlace[] | undefined
      const subscription = client.events$.subscribe(event => {
        if (event.event === 'users') users = event.users.map(({ user_id, server_id, presence }) => [user_id, server_id, presence])
      })
      await client.list()
      subscription.unsubscribe()
      // without an answer the program tells what it knew before
      return clock.monotonic() - asked < listMs ? users : undefined
    },
    close: async () => {
      await client.close()
      await log.close()
    },
  }
}
