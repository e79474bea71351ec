/** What every backend's append has in common: one commit for all that was appended in a tick, in order, and none after a refusal. */
import type { Address } from '../protocol/ids.ts'
import type { Clock } from '../ports/clock.ts'
import { LogRefused, type EventLog, type NewFact } from './log.ts'
import type { MailChange } from './mail.ts'
import type { RowChange } from './projections.ts'

/** A fact ready to be written; it was made text when it was appended, so that nothing changes it until the commit. */
export interface WaitingRow {
  readonly stream: Address
  readonly at: number
  readonly type: string
  readonly data: string
  /** What it changes in the read models. */
  readonly changes?: readonly RowChange[] | undefined
  readonly mail?: readonly MailChange[] | undefined
}

/** Writes all rows or none, the first as `firstSeq`, and calls `done` once: without an argument when they are safe. */
export type Commit = (rows: readonly WaitingRow[], firstSeq: number, done: (refusal?: LogRefused) => void) => void

interface Batch {
  readonly rows: readonly WaitingRow[]
  readonly resolve: (answer: { readonly firstSeq: number }) => void
  readonly reject: (why: Error) => void
}

/** Other work of the writer, between two commits: sees the head, and answers how many facts it appended itself. */
type Job = (head: number) => { readonly appended: number }

interface WaitingJob {
  readonly run: () => void
  readonly reject: (why: Error) => void
}

export interface AppendQueue {
  readonly append: EventLog['append']
  /** Sequence of the last committed fact. */
  head(): number
  /**
   * Runs `job` once what was appended before is committed, while nothing else is. What it throws rejects; a `LogRefused` among that
   * refuses everything after it.
   */
  between<R extends ReturnType<Job>>(job: (head: number) => R): Promise<R>
  /** Runs `work` once what was appended before is committed; what is appended from then on waits until it has settled. */
  hold<R>(work: () => Promise<R>): Promise<R>
  /** Resolves when the fact `seq` is committed; rejects with `LogRefused` when that cannot happen any more. */
  reached(seq: number): Promise<void>
  /** Commits what waits without waiting for the end of the tick, and refuses every append from now on. */
  close(): Promise<void>
}

const toRow = ({ stream, at, fact, mail }: NewFact, changesOf: ((fact: NewFact) => readonly RowChange[]) | undefined): WaitingRow => {
  if (!Number.isSafeInteger(at) || at < 0) throw new TypeError(`the time of a fact is in whole Unix milliseconds, not ${at} (${fact.type})`)
  return { stream, at, type: fact.type, data: JSON.stringify(fact), changes: changesOf?.({ stream, at, fact }), mail }
}

/**
 * @param start where the backend stands: its epoch and the sequence of its last fact
 * @param changesOf what a fact changes in the read models, asked for when it is appended
 */
export const createAppendQueue = (
  start: { readonly epoch: number; readonly head: number },
  endOfTick: Clock['endOfTick'],
  commit: Commit,
  changesOf?: (fact: NewFact) => readonly RowChange[],
): AppendQueue => {
  let head = start.head
  let waiting: Batch[] = []
  let scheduled = false
  let committing = false
  let refusal: LogRefused | undefined
  /** The log itself failed, as opposed to being closed. */
  let failed: LogRefused | undefined
  let idle: (() => void)[] = []
  let jobs: WaitingJob[] = []
  const marks = new Map<object, { readonly seq: number; readonly resolve: () => void; readonly reject: (why: Error) => void }>()

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    endOfTick(flush)
  }

  const moveTo = (seq: number): void => {
    head = seq
    for (const [key, mark] of marks) {
      if (mark.seq > head) continue
      marks.delete(key)
      mark.resolve()
    }
  }

  const refuseAll = (why: LogRefused, batches: readonly Batch[], due: readonly WaitingJob[]): void => {
    refusal = why
    failed = why
    // what was appended while the commit ran stands on facts that are not there
    for (const { reject } of [...batches, ...waiting, ...due, ...jobs, ...marks.values()]) reject(why)
    waiting = []
    jobs = []
    marks.clear()
  }

  /** Runs other work of the writer, up to what holds the commits. */
  const runDue = (due: readonly WaitingJob[]): void => {
    for (const [index, job] of due.entries()) {
      job.run()
      if (!committing) continue
      jobs = [...due.slice(index + 1), ...jobs]
      return
    }
  }

  const goOn = (): void => {
    if (committing) return
    if (waiting.length > 0 || jobs.length > 0) flush()
    else {
      for (const wake of idle) wake()
      idle = []
    }
  }

  const settle = (batches: readonly Batch[], due: readonly WaitingJob[], failure: LogRefused | undefined): void => {
    committing = false
    if (failure) refuseAll(failure, batches, due)
    else {
      for (const batch of batches) {
        batch.resolve({ firstSeq: head + 1 })
        moveTo(head + batch.rows.length)
      }
      runDue(due)
    }
    goOn()
  }

  const flush = (): void => {
    scheduled = false
    if (committing || (waiting.length === 0 && jobs.length === 0)) return
    const batches = waiting
    const due = jobs
    waiting = []
    jobs = []
    committing = true
    const rows = batches.flatMap(batch => batch.rows)
    if (batches.length === 0) settle(batches, due, undefined)
    else {
      commit(rows, head + 1, failure => {
        settle(batches, due, failure)
      })
    }
  }

  const runJob = <R extends ReturnType<Job>>(
    job: (head: number) => R,
    resolve: (answer: R) => void,
    reject: (why: Error) => void,
  ): void => {
    if (failed) {
      reject(failed) // by the job before it
      return
    }
    try {
      const answer = job(head)
      moveTo(head + answer.appended)
      resolve(answer)
    } catch (error) {
      if (error instanceof LogRefused) refuseAll(error, [], [])
      reject(error instanceof Error ? error : new Error('the job failed', { cause: error }))
    }
  }

  const between: AppendQueue['between'] = job =>
    new Promise((resolve, reject) => {
      if (refusal) {
        reject(refusal)
        return
      }
      jobs.push({
        run: () => {
          runJob(job, resolve, reject)
        },
        reject,
      })
      schedule()
    })

  return {
    append(facts, { expected }) {
      return new Promise((resolve, reject) => {
        if (!refusal && expected.epoch !== start.epoch) {
          refusal = new LogRefused(
            `This log is written by epoch ${start.epoch}, and epoch ${expected.epoch} tried to append: it has to stop.`,
          )
        }
        if (refusal) {
          reject(refusal)
          return
        }
        waiting.push({ rows: facts.map(fact => toRow(fact, changesOf)), resolve, reject })
        schedule()
      })
    },
    head: () => head,
    between,
    hold: async work => {
      const { settled } = await between(() => {
        committing = true
        const settled = work().finally(() => {
          committing = false
          goOn()
        })
        return { appended: 0, settled }
      })
      return await settled
    },
    reached: seq =>
      new Promise((resolve, reject) => {
        if (head >= seq) resolve()
        else if (refusal) reject(refusal)
        else marks.set({}, { seq, resolve, reject })
      }),
    async close() {
      refusal ??= new LogRefused('The log is closed: nothing is appended any more.')
      flush()
      if (committing) await new Promise<void>(resolve => idle.push(resolve))
      for (const { reject } of marks.values()) reject(refusal)
      marks.clear()
    },
  }
}
