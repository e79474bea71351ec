/** An event log that shows what it holds: a second fold of what was committed stands beside it, for tests of a running node. */
import type { NamedEffect } from '../actors/contract.ts'
import type { Fact } from '../domain/facts.ts'
import { foldFromBase } from '../server/recovery.ts'
import type { NodeFold } from '../server/replay.ts'
import type { DurableLog } from '../store/durable-log.ts'
import type { NewFact } from '../store/log.ts'

export interface WatchedLog {
  /** To be given to the node instead of the log. */
  readonly log: DurableLog<Fact>
  /** What the committed facts fold to. */
  readonly fold: NodeFold
  /** What machines named for the facts that were committed since it is watched. */
  readonly effects: readonly NamedEffect[]
  /** The facts that were committed since it is watched. */
  readonly facts: readonly NewFact<Fact>[]
  /** Calls `look` after every commit from now on; the answer ends that. */
  onCommit(look: () => void): () => void
}

/** Folds what is in the log and keeps up with it. A stream that cannot be folded is set aside, as the node does. */
export const watchLog = async (log: DurableLog<Fact>): Promise<WatchedLog> => {
  const { fold } = await foldFromBase(log)
  const effects: NamedEffect[] = []
  const facts: NewFact<Fact>[] = []
  const watchers = new Set<() => void>()
  return {
    log: {
      ...log,
      append: async (batch, expected) => {
        const answer = await log.append(batch, expected)
        for (const fact of batch) {
          effects.push(...fold.host.apply(fact))
          facts.push(fact)
        }
        for (const look of watchers) look()
        return answer
      },
    },
    fold,
    effects,
    facts,
    onCommit: look => {
      watchers.add(look)
      return () => void watchers.delete(look)
    },
  }
}
