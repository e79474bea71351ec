/** Golden logs: facts together with the state that they led to when they were recorded, so that today's code can be held against it. */
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { Fact } from '../domain/facts.ts'
import { snapshotOfNode } from '../domain/node-snapshot.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import { utf8 } from '../protocol/encoding.ts'
import { createNodeFold } from '../server/replay.ts'
import type { NewFact } from '../store/log.ts'
import { differences } from './differences.ts'

/** What facts lead to. `hash` is SHA-256, in hexadecimal, of the state as canonical JSON. */
export interface Golden {
  /** How many facts there are. */
  readonly facts: number
  readonly hash: string
  /** `{ node, machines }`: directory, pins and members; and state and context of every machine by its address. */
  readonly state: unknown
}

export interface Comparison {
  readonly same: boolean
  /** Of the state that today's code reaches. */
  readonly hash: string
  /** One line a place, at most 20; empty when the states are the same. */
  readonly differences: readonly string[]
}

/** Facts to fold: a list, or what `read` of a log answers. */
export type FactsToFold = Iterable<NewFact<Fact>> | AsyncIterable<NewFact<Fact>>

const LINES = 20

/** Folds facts with today's code. Rejects when one cannot be folded. */
export const goldenOf = async (facts: FactsToFold): Promise<Golden> => {
  const { host, state } = createNodeFold()
  let count = 0
  for await (const fact of facts) {
    host.apply(fact)
    count += 1
  }
  const machines = Object.fromEntries([...host.machines()].sort(([a], [b]) => (a < b ? -1 : 1)))
  const text = canonicalOf({ node: snapshotOfNode(state), machines })
  const hash = Buffer.from(nodeCrypto().sha256(utf8(text))).toString('hex')
  return { facts: count, hash, state: JSON.parse(text) as unknown }
}

/** Folds facts with today's code and compares the state with the one that was recorded. */
export const compareWithGolden = async (facts: FactsToFold, golden: Golden): Promise<Comparison> => {
  const now = await goldenOf(facts)
  const places = differences({ facts: golden.facts, ...(golden.state as object) }, { facts: now.facts, ...(now.state as object) })
  const more = places.length - LINES
  return {
    same: now.hash === golden.hash && now.facts === golden.facts,
    hash: now.hash,
    differences: more > 0 ? [...places.slice(0, LINES), `and ${more} more`] : places,
  }
}
