/** A whole node without its outside, for tests: all machines, the directory and the membership, folded from a list of facts. */
import type { MachineView, NamedEffect } from '../actors/contract.ts'
import type { Fact } from '../domain/facts.ts'
import type { NodeState } from '../domain/node-state.ts'
import type { Address } from '../protocol/ids.ts'
import { createNodeFold, restoreFold, viewOfNode, type FoldedState, type NodeView } from '../server/replay.ts'
import type { NewFact } from '../store/log.ts'
import { createDating, type Given } from './facts.ts'

export interface FoldUnderTest {
  /** Takes facts, in order. */
  given(facts: readonly Given[]): FoldUnderTest
  /** Takes one fact and answers the effects that machines named for it, in order. */
  record(fact: Given): readonly NamedEffect[]
  /** State of the machine at an address; undefined when there is none. */
  state(address: string): string | undefined
  context(address: string): MachineView['context'] | undefined
  /** Directory, pins, members: what is no machine. */
  readonly node: NodeState
  /** All of it as `socp state --json` prints it. */
  view(): NodeView
  /** All effects so far, in order. */
  readonly effects: readonly NamedEffect[]
  /** The facts with their streams and times: what `startNode` and `goldenOf` take. */
  readonly facts: readonly NewFact<Fact>[]
}

/** What the facts come after. */
export interface FoldStart {
  /** Time of the first fact, unless it says its own; Unix milliseconds. */
  readonly start?: number
  /** A state as `socp replay --as-test` writes it; a node that has not lived yet when left out. */
  readonly state?: unknown
}

/** Folds facts as a recovery does. Throws `ApplyFailed`, which names the fact and the machine that cannot take it. */
export const foldFacts = (facts: readonly Given[] = [], options: FoldStart = {}): FoldUnderTest => {
  const fold = createNodeFold()
  if (options.state !== undefined) restoreFold(fold, options.state as FoldedState)
  const dating = createDating(options)
  const effects: NamedEffect[] = []
  const taken: NewFact<Fact>[] = []

  const record = (given: Given): readonly NamedEffect[] => {
    const fact = dating.complete(given)
    const named = fold.host.apply(fact)
    taken.push(fact)
    effects.push(...named)
    return named
  }
  const folded: FoldUnderTest = {
    given: more => {
      more.forEach(record)
      return folded
    },
    record,
    state: address => fold.host.machine(address as Address)?.state,
    context: address => fold.host.machine(address as Address)?.context,
    node: fold.state,
    view: () => viewOfNode(fold, taken.length),
    effects,
    facts: taken,
  }
  return folded.given(facts)
}
