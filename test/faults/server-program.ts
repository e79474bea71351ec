/** A whole server in a process of its own, put together as `socp serve` does it, with a clock that can be set and dials that the proxy knows. */
import { availableParallelism } from 'node:os'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { filesIn } from '../../src/cli/data-directory.ts'
import { loadIdentity } from '../../src/cli/identity.ts'
import { openNodeLog } from '../../src/cli/node-log.ts'
import { controlSocket } from '../../src/ports/node/control-socket.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import type { ServerId } from '../../src/protocol/ids.ts'
import { configSchema, type Introducer } from '../../src/server/config.ts'
import { startNode } from '../../src/server/start.ts'
import { historyWriter } from './history.ts'
import { networkFrom, settableClock } from './ports.ts'

export interface ServerOrder {
  readonly history: string
  readonly name: string
  readonly data: string
  /** Where others reach it: the proxy. */
  readonly advertise: string
  /** The host by which the proxy knows its dials. */
  readonly host: string
  readonly introducers: readonly Introducer[]
  readonly offsetMs: number
}

/** What it is told while it runs. */
export type ServerWord = { readonly do: 'clock'; readonly offsetMs: number } | { readonly do: 'end' }

const order = JSON.parse(process.argv[2] ?? '') as ServerOrder
const tell = historyWriter(order.history)
const clock = settableClock(order.offsetMs)
const crypto = nodeCrypto()
const random = nodeRandom()
const identity = await loadIdentity(order.data, { crypto })
const note = (text: string, more?: unknown): void => {
  tell({ what: 'note', who: order.name, text, more })
}
const log = await openNodeLog(filesIn(order.data).log, { crypto, random, clock }, why => {
  note('the log has trouble', why)
})
const node = await startNode({
  config: configSchema.parse({ port: 0, advertise: order.advertise, bootstrap_servers: order.introducers }),
  ports: { clock, random, crypto, network: networkFrom(order.host) },
  log,
  control: controlSocket(filesIn(order.data).control),
  identity: { id: identity.id as ServerId, privateKey: identity.privateKey },
  cores: availableParallelism(),
  write: (level, text, more) => {
    if (level !== 'debug') note(`${level}: ${text}`, more)
  },
  tell: event => {
    if (event.event === 'ready') tell({ what: 'serving', server: order.name, id: identity.id, port: Number(new URL(event.url).port) })
    else note(event.event, event)
  },
  fatal: error => {
    note('fatal', error.stack)
    process.exit(1)
  },
})
process.on('unhandledRejection', error => {
  note('unhandled rejection', String(error))
})
process.on('message', (word: ServerWord) => {
  if (word.do === 'clock') clock.set(word.offsetMs)
  else
    void node.stop('the run is over').then(() => {
      process.exit(0)
    })
})
process.on('disconnect', () => {
  process.exit(0)
})
