/** What every part of a log that is written has: its database, its transactions between commits, and one maintenance at a time. */
import type Database from 'better-sqlite3'
import type { AppendQueue } from './append-queue.ts'
import { LogUnusable } from './log.ts'
import { isSqliteError, refused, unusable } from './sqlite-errors.ts'
import type { Insertion } from './sqlite-insertion.ts'
import type { MailTable } from './sqlite-mail.ts'
import type { ModelTables } from './sqlite-models.ts'
import type { FactReader } from './sqlite-rows.ts'
import type { Schemas } from './upcasters.ts'

export interface Writing<T extends { readonly type: string }> {
  readonly db: Database.Database
  readonly file: string
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  readonly schemas: Schemas
  readonly reader: FactReader<T>
  readonly queue: AppendQueue
  readonly insertion: Insertion
  readonly mail: MailTable
  /** The read models in the file; undefined when the log has none. */
  readonly models: ModelTables | undefined
  /**
   * A transaction between two commits of facts. When the disk is full or a page is damaged it is undone, rejects with `LogUnusable`, and the log
   * goes on; any other failure refuses the log, as that of a commit does.
   */
  transact<R>(job: (head: number) => R): Promise<R>
  /** The same, for a job that inserted `appended` facts. */
  transactFacts<R extends { readonly appended: number }>(job: (head: number) => R): Promise<R>
  /** Runs between two commits, but outside of a transaction, for what cannot be in one; what is appended meanwhile waits. */
  outside<R>(job: () => Promise<R>): Promise<R>
  /** One maintenance after the other. */
  alone<R>(run: () => Promise<R>): Promise<R>
  /** Lets what came in meanwhile be handled. */
  breathe(): Promise<void>
}

/** What was undone before anything was written: the log can go on, and its next append finds out whether it may. */
const isUndone = (error: unknown): boolean => isSqliteError(error) && /^SQLITE_(FULL|CORRUPT)/.test(error.code)

/** @param fence throws when another writer has taken over */
export const createTransactions = (
  { db, file, queue, insertion, models }: Pick<Writing<never>, 'db' | 'file' | 'queue' | 'insertion' | 'models'>,
  fence: () => void,
  endOfTick: (run: () => void) => void,
): Pick<Writing<never>, 'transact' | 'transactFacts' | 'outside' | 'alone' | 'breathe'> => {
  let last: Promise<unknown> = Promise.resolve()

  const explained = (error: unknown): unknown => {
    if (error instanceof LogUnusable || !isSqliteError(error)) return error
    return isUndone(error) ? unusable(file, error) : refused(file, error)
  }

  const inTransaction = <R>(job: (head: number) => R, head: number): R => {
    const transaction = db.transaction(() => {
      fence()
      return job(head)
    })
    try {
      return transaction.immediate()
    } catch (error) {
      // rows that are undone must not be chained to
      insertion.reset()
      models?.reset()
      throw explained(error)
    }
  }

  return {
    transact: async job => (await queue.between(head => ({ appended: 0, answer: inTransaction(job, head) }))).answer,
    transactFacts: job => queue.between(head => inTransaction(job, head)),
    outside: job =>
      queue.hold(async () => {
        try {
          return await job()
        } catch (error) {
          throw explained(error)
        }
      }),
    alone: run => {
      const mine = last.then(run)
      last = mine.catch(() => {})
      return mine
    },
    breathe: () =>
      new Promise(resolve => {
        endOfTick(resolve)
      }),
  }
}
