/** Several users in one process, each with a client of their own, who say what they are told to say. */
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { testKey } from '../helpers/test-keys.ts'
import { historyWriter } from './history.ts'
import { type PersonOptions, type Saying, startPerson } from './person.ts'
import { settableClock } from './ports.ts'

export interface PeopleOrder {
  readonly history: string
  readonly name: string
  readonly people: readonly (PersonOptions & { readonly key: number })[]
  readonly offsetMs: number
}

/** What they are told while they run. */
export type PeopleWord =
  ({ readonly do: 'say'; readonly who: string } & Saying) | { readonly do: 'clock'; readonly offsetMs: number } | { readonly do: 'end' }

const order = JSON.parse(process.argv[2] ?? '') as PeopleOrder
const tell = historyWriter(order.history)
const clock = settableClock(order.offsetMs)
const crypto = nodeCrypto()
process.on('unhandledRejection', error => {
  tell({ what: 'note', who: order.name, text: 'unhandled rejection', more: error instanceof Error ? error.stack : String(error) })
})
const people = new Map(
  await Promise.all(
    order.people.map(async ({ key, ...options }) => {
      const privateKey = await (await testKey(key)).privateKey(crypto)
      return [options.name, await startPerson(options, { clock, crypto, privateKey, tell })] as const
    }),
  ),
)
process.on('message', (word: PeopleWord) => {
  if (word.do === 'say') people.get(word.who)?.say(word)
  else if (word.do === 'clock') clock.set(word.offsetMs)
  else
    void Promise.all([...people.values()].map(person => person.close())).then(() => {
      process.exit(0)
    })
})
process.on('disconnect', () => {
  process.exit(0)
})
