/** Golden logs: facts together with the state that they led to when they were recorded, so that today's code can be held against it. */
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { Fact } from '../domain/facts.ts'
import { snapshotOfNode } from '../domain/node-snapshot.ts'
import { canonicalOf } from '../protocol/canonical.ts'
import { utf8 } from '../protocol/encoding.ts'
import { createNodeFold, type FoldedState, restoreFold } from '../server/replay.ts'
import type { NewFact } from '../store/log.ts'
import { differences } from './differences.ts'

interface State {
  readonly node: Readonly<Record<string, unknown>>
  readonly machines: Readonly<Record<string, unknown>>
}

/** What facts lead to. `hash` is SHA-256, in hexadecimal, of the state as canonical JSON. */
export interface Golden {
  /** How many facts there are. */
  readonly facts: number
  readonly hash: string
  /** Directory, pins and members; and state and context of every machine by its address. */
  readonly state: State
}

export interface Comparison {
  readonly same: boolean
  /** Of the state that today's code reaches, as far as it is compared. */
  readonly hash: string
  /** One line a place, the first 20 of them; empty when the states are the same. */
  readonly differences: readonly string[]
}

/** Facts to fold: a list, or what `read` of a log answers. */
export type FactsToFold = Iterable<NewFact<Fact>> | AsyncIterable<NewFact<Fact>>

const LINES = 20

const goldenFrom = (facts: number, state: unknown): Golden => {
  const text = canonicalOf(state)
  const hash = Buffer.from(nodeCrypto().sha256(utf8(text))).toString('hex')
  return { facts, hash, state: JSON.parse(text) as State }
}

/**
 * Folds facts with today's code. Rejects when one cannot be folded.
 * @param after the state that the facts come after, as a compacted log keeps it; a node that has not lived yet when left out
 */
export const goldenOf = async (facts: FactsToFold, after?: unknown): Promise<Golden> => {
  const fold = createNodeFold()
  // it was written from a fold; anything else does not restore
  if (after !== undefined) restoreFold(fold, after as FoldedState)
  const { host, state } = fold
  let count = 0
  for await (const fact of facts) {
    host.apply(fact)
    count += 1
  }
  const machines = Object.fromEntries([...host.machines()].sort(([a], [b]) => (a < b ? -1 : 1)))
  return goldenFrom(count, { node: snapshotOfNode(state), machines })
}

/**
 * Folds facts with today's code and compares the state with the one that was recorded. Parts of a node that there were not when it
 * was recorded (keys of `node`) are not compared: what there was has to be as it was. `after` is as for `goldenOf`.
 */
export const compareWithGolden = async (facts: FactsToFold, golden: Golden, after?: unknown): Promise<Comparison> => {
  const today = await goldenOf(facts, after)
  const node = Object.fromEntries(Object.entries(today.state.node).filter(([part]) => Object.hasOwn(golden.state.node, part)))
  const now = goldenFrom(today.facts, { node, machines: today.state.machines })
  const places = differences({ facts: golden.facts, ...golden.state }, { facts: now.facts, ...now.state })
  const more = places.length - LINES
  return {
    same: now.hash === golden.hash && now.facts === golden.facts,
    hash: now.hash,
    differences: more > 0 ? [...places.slice(0, LINES), `and ${more} more`] : places,
  }
}
