/** An event log whose commits happen when the test says so, in order, as on a slow disk. */
import type { EventLog, NewFact } from '../../src/store/log.ts'

export interface HeldLog<F extends { readonly type: string }> extends EventLog<F> {
  /** The batches that were appended, committed or not. */
  readonly batches: readonly (readonly NewFact<F>[])[]
  /** Commits the oldest batch that waits. Resolves after whoever appended it has heard. */
  commit(): Promise<void>
  /** Refuses the oldest batch that waits. */
  refuse(error: Error): Promise<void>
  /** How many batches wait. */
  waiting(): number
}

/** Lets all microtasks that are due run: what waits for a settled promise has heard of it afterwards. */
export const microtasks = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** `recorded` is what the log holds when it is opened. */
export const createHeldLog = <F extends { readonly type: string }>(recorded: readonly NewFact<F>[] = []): HeldLog<F> => {
  const batches: (readonly NewFact<F>[])[] = []
  const waiting: { readonly resolve: (answer: { firstSeq: number }) => void; readonly reject: (error: Error) => void }[] = []
  return {
    epoch: 1,
    batches,
    waiting: () => waiting.length,
    append: facts => {
      batches.push(facts)
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    commit: () => {
      waiting.shift()?.resolve({ firstSeq: 1 })
      return microtasks()
    },
    refuse: error => {
      waiting.shift()?.reject(error)
      return microtasks()
    },
    read: async function* (from) {
      const rows = recorded.map((fact, index) => ({ ...fact, seq: index + 1, version: index + 1, epoch: 1 }))
      for (const row of rows.slice(from - 1)) yield await Promise.resolve(row)
    },
    head: () => Promise.resolve(recorded.length),
    mail: { read: () => Promise.resolve([]), size: () => Promise.resolve({ count: 0, bytes: 0 }) },
    close: () => Promise.resolve(),
  }
}
