/** The event log in a SQLite file: one writer, one durable transaction for all facts of a tick, every row chained to the one before. */
import type Database from 'better-sqlite3'
import { createAppendQueue, type WaitingRow } from './append-queue.ts'
import { LogRefused, LogUnusable, type EventLog } from './log.ts'
import { refused, unusable } from './sqlite-errors.ts'
import { createInsertion } from './sqlite-insertion.ts'
import { migrationsFolder, openForWriting, readMigrations } from './sqlite-open.ts'
import { createFactReader, headOf } from './sqlite-rows.ts'
import { verifyRows } from './sqlite-verify.ts'
import { lockForWriting } from './sqlite-writer-lock.ts'
import { createSchemas, type Upcasters } from './upcasters.ts'

/** How many of the last rows are checked before anything is chained to them; the whole is checked by `verify`. */
const CHECKED_TAIL = 100

export interface SqliteLogOptions {
  /** Path of the database; its directory must exist. `<file>.writer` beside it is the lock. */
  readonly file: string
  /** Of the Crypto port. */
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** Of the Random port: salts, so that nobody can guess from a hash what was erased. */
  readonly randomBytes: (length: number) => Uint8Array
  /** Of the Clock port: what was appended in a tick is committed at its end. */
  readonly endOfTick: (run: () => void) => void
  /** Steps for facts of older schema versions; none when left out. */
  readonly upcasters?: Upcasters
  /** Folder of the numbered SQL files, for tests. */
  readonly migrations?: URL
}

export interface SqliteLog<T extends { readonly type: string } = { readonly type: string }> extends EventLog<T> {
  readonly file: string
}

/** Takes over as the next epoch, durably. */
const takeOver = (db: Database.Database): number => {
  const take = db.prepare<[number], number>('UPDATE writer SET epoch = epoch + 1, pid = ? WHERE one = 1 RETURNING epoch').pluck()
  const epoch = db.transaction(() => take.get(process.pid)).immediate()
  if (epoch === undefined) throw new LogUnusable('The log has lost the row that says who writes it: put a backup in its place.')
  return epoch
}

const checkTail = (db: Database.Database, { file, sha256 }: SqliteLogOptions): void => {
  const head = headOf(db)
  const verdict = verifyRows(db, sha256, Math.max(1, head - CHECKED_TAIL + 1), head)
  if (!verdict.ok) {
    throw new LogUnusable(`Row ${verdict.seq} of the log ${file} is damaged (${verdict.why}): put a backup in its place.`)
  }
}

/** The running log on an open database of which this process is the writer. */
const writeTo = <T extends { readonly type: string }>(
  db: Database.Database,
  unlock: () => void,
  options: SqliteLogOptions,
): SqliteLog<T> => {
  const { file, endOfTick, upcasters } = options
  const schemas = createSchemas(upcasters)
  const epoch = takeOver(db)
  const insert = createInsertion(db, epoch, schemas, options)
  const facts = createFactReader<T>(db, file, schemas)
  const writer = db.prepare<[], number>('SELECT epoch FROM writer').pluck()

  const transaction = db.transaction((rows: readonly WaitingRow[], firstSeq: number) => {
    const now = writer.get()
    if (now !== epoch)
      throw new LogRefused(`Epoch ${now ?? 'unknown'} has taken over the log ${file} from epoch ${epoch}: this process has to stop.`)
    insert(rows, firstSeq)
  })

  const queue = createAppendQueue({ epoch, head: headOf(db) }, endOfTick, (rows, firstSeq, done) => {
    try {
      transaction.immediate(rows, firstSeq)
    } catch (error) {
      done(refused(file, error))
      return
    }
    done()
  })

  return {
    file,
    epoch,
    append: queue.append,
    read: from => facts(from, queue.head()),
    head: () => Promise.resolve(queue.head()),
    async close() {
      await queue.close()
      db.close()
      unlock()
    },
  }
}

const open = <T extends { readonly type: string }>(options: SqliteLogOptions): SqliteLog<T> => {
  const { file } = options
  const migrations = readMigrations(options.migrations ?? migrationsFolder())
  const unlock = lockForWriting(file)
  let db: Database.Database | undefined
  try {
    db = openForWriting(file, migrations)
    checkTail(db, options)
    return writeTo<T>(db, unlock, options)
  } catch (error) {
    db?.close()
    unlock()
    throw unusable(file, error)
  }
}

/**
 * Opens a log for writing, makes it where there is none, and takes over as the next epoch. Rejects with `LogUnusable` when it is
 * locked, damaged, newer, or not to be reached.
 */
export const openSqliteLog = <T extends { readonly type: string }>(options: SqliteLogOptions): Promise<SqliteLog<T>> =>
  new Promise(resolve => {
    resolve(open<T>(options))
  })
