/** The event log in a SQLite file: one writer, one durable transaction for all facts of a tick, every row chained to the one before. */
import type Database from 'better-sqlite3'
import { createAppendQueue, type Commit, type WaitingRow } from './append-queue.ts'
import type { DurableLog } from './durable-log.ts'
import { LogRefused, LogUnusable } from './log.ts'
import type { Projections } from './projections.ts'
import { backUp } from './sqlite-backup.ts'
import { readBase } from './sqlite-base.ts'
import { createCheckpoint, readCheckpoints } from './sqlite-checkpoints.ts'
import { createCompact, dropRemainder } from './sqlite-compact.ts'
import { createErase } from './sqlite-erase.ts'
import { refused, unusable } from './sqlite-errors.ts'
import { createInsertion } from './sqlite-insertion.ts'
import { createMailTable } from './sqlite-mail.ts'
import { migrationsFolder, openForWriting, prepareForWriting, readMigrations } from './sqlite-open.ts'
import { createRebuild, openModels } from './sqlite-rebuild.ts'
import { baseSeqOf, createFactReader, headOf } from './sqlite-rows.ts'
import { createSnapshots } from './sqlite-snapshots.ts'
import { checkSpan, checkTail } from './sqlite-verify.ts'
import { sizeOf } from './sqlite-wipe.ts'
import { createTransactions, type Writing } from './sqlite-writing.ts'
import { lockForWriting } from './sqlite-writer-lock.ts'
import { createSchemas, type Upcasters } from './upcasters.ts'

export interface SqliteLogOptions<T extends { readonly type: string } = { readonly type: string }> {
  /** Path of the database; its directory must exist. `<file>.writer` beside it is the lock. */
  readonly file: string
  /** An open database to use instead, for a disk in memory: it is not locked, and stays open when the log is closed; `file` only names it. */
  readonly database?: Database.Database
  /** Of the Crypto port. */
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** Of the Random port: salts, so that nobody can guess from a hash what was erased. */
  readonly randomBytes: (length: number) => Uint8Array
  /** Of the Clock port: what was appended in a tick is committed at its end. */
  readonly endOfTick: (run: () => void) => void
  /** Steps for facts of older schema versions, and for the base's state under `base`; none when left out. */
  readonly upcasters?: Upcasters
  /** Read models that are written in the transaction of the facts; made anew here when their version is another. */
  readonly projections?: Projections<T>
  /** Hears of what is no reason to stop: a fact that does not fit the read models. */
  readonly troubled?: (why: string) => void
  /** Folder of the numbered SQL files, for tests. */
  readonly migrations?: URL
}

export interface SqliteLog<T extends { readonly type: string } = { readonly type: string }> extends DurableLog<T> {
  readonly file: string
  /** Copies the log to a new file as it is at one moment, while facts are appended. Rejects with `LogUnusable` when there is a file. */
  backup(file: string): Promise<void>
}

/** Takes over as the next epoch, durably. */
const takeOver = (db: Database.Database): number => {
  const take = db.prepare<[number], number>('UPDATE writer SET epoch = epoch + 1, pid = ? WHERE one = 1 RETURNING epoch').pluck()
  const epoch = db.transaction(() => take.get(process.pid)).immediate()
  if (epoch === undefined) throw new LogUnusable('The log has lost the row that says who writes it: put a backup in its place.')
  // into the file itself: whoever loses a -wal file must not lose what came before this start, nor count an epoch twice
  db.pragma('wal_checkpoint(PASSIVE)')
  return epoch
}

/** The running log on an open database of which this process is the writer. */
const writeTo = <T extends { readonly type: string }>(
  db: Database.Database,
  release: () => void,
  options: SqliteLogOptions<T>,
): SqliteLog<T> => {
  const { file, sha256, endOfTick, upcasters, projections, troubled = () => {} } = options
  const schemas = createSchemas(upcasters)
  const epoch = takeOver(db)
  if (baseSeqOf(db) > 0) {
    db.transaction(() => {
      dropRemainder(db)
    }).immediate()
  }
  const insertion = createInsertion(db, epoch, schemas, options)
  const reader = createFactReader<T>(db, file, schemas)
  const models = projections && openModels(db, reader, projections, troubled)
  const mail = createMailTable(db, file)
  const writer = db.prepare<[], number>('SELECT epoch FROM writer').pluck()
  /** Bytes of a database that is no file. */
  const pages = db.prepare<[], number>('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()').pluck()
  const projected = db.prepare<[number]>('UPDATE projected SET seq = ?')

  const fence = (): void => {
    const now = writer.get()
    if (now !== epoch)
      throw new LogRefused(`Epoch ${now ?? 'unknown'} has taken over the log ${file} from epoch ${epoch}: this process has to stop.`)
  }

  const transaction = db.transaction((rows: readonly WaitingRow[], firstSeq: number) => {
    fence()
    insertion.insert(rows, firstSeq)
    for (const row of rows) if (row.mail) mail.change(row.mail)
    if (models === undefined) return
    for (const row of rows) if (row.changes) models.carryOut(row, row.changes)
    projected.run(firstSeq + rows.length - 1)
  })

  const commit: Commit = (rows, firstSeq, done) => {
    try {
      transaction.immediate(rows, firstSeq)
    } catch (error) {
      done(refused(file, error))
      return
    }
    done()
  }

  const queue = createAppendQueue({ epoch, head: headOf(db) }, endOfTick, commit, models?.changesOf)

  const transactions = createTransactions({ db, file, queue, insertion, models }, fence, endOfTick)
  const writing: Writing<T> = { db, file, sha256, schemas, reader, queue, insertion, mail, models, ...transactions }
  const soon = <R>(run: () => R): Promise<R> =>
    new Promise(resolve => {
      resolve(run())
    })

  return {
    file,
    epoch,
    append: queue.append,
    read: from => reader.read(from, queue.head()),
    head: () => Promise.resolve(queue.head()),
    mail,
    snapshots: createSnapshots(writing),
    check: from => checkSpan(writing, from, queue.head()),
    base: () => soon(() => readBase(db, file, schemas, sha256)),
    checkpoint: createCheckpoint(writing),
    checkpoints: () => soon(() => readCheckpoints(db)),
    compact: createCompact(writing, projections),
    erase: createErase(writing, projections),
    rebuild: createRebuild(writing, projections),
    models: () => soon(() => models?.dump() ?? {}),
    bytes: () => soon(() => (db.memory ? (pages.get() ?? 0) : sizeOf(file))),
    backup: to => backUp(db, file, to),
    async close() {
      await queue.close()
      release()
    },
  }
}

const open = <T extends { readonly type: string }>(options: SqliteLogOptions<T>): SqliteLog<T> => {
  const { file, database } = options
  const migrations = readMigrations(options.migrations ?? migrationsFolder())
  const unlock = database === undefined ? lockForWriting(file) : () => {}
  let db = database
  const release = (): void => {
    if (database === undefined) db?.close()
    unlock()
  }
  try {
    if (db === undefined) db = openForWriting(file, migrations)
    else prepareForWriting(db, file, migrations)
    checkTail(db, file, options.sha256)
    return writeTo<T>(db, release, options)
  } catch (error) {
    release()
    throw unusable(file, error)
  }
}

/**
 * Opens a log for writing, makes it where there is none, and takes over as the next epoch. Rejects with `LogUnusable` when it is
 * locked, damaged, newer, or not to be reached.
 */
export const openSqliteLog = <T extends { readonly type: string }>(options: SqliteLogOptions<T>): Promise<SqliteLog<T>> =>
  new Promise(resolve => {
    resolve(open<T>(options))
  })
