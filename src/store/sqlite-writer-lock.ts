/** Holds the right to write a log: an exclusive lock on a side file, which the kernel frees however the process ends. */
import Database from 'better-sqlite3'
import { LogUnusable } from './log.ts'
import { isSqliteError, unusable } from './sqlite-errors.ts'
import { makePrivateFile } from './sqlite-open.ts'

/** Who holds the lock, as it wrote when it took over; undefined when that cannot be read, which changes nothing but the sentence. */
const holder = (file: string): number | undefined => {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 })
    try {
      return db.prepare<[], number>('SELECT pid FROM writer').pluck().get()
    } finally {
      db.close()
    }
  } catch {
    return undefined
  }
}

/**
 * Takes the lock, or throws `LogUnusable` at once when another process has it.
 * @returns what releases it
 */
export const lockForWriting = (file: string): (() => void) => {
  const side = `${file}.writer`
  let db: Database.Database | undefined
  try {
    makePrivateFile(side)
    db = new Database(side, { timeout: 0 })
    // the transaction never ends and writes nothing: it only is a lock that works wherever SQLite does
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    if (!(isSqliteError(error) && error.code.startsWith('SQLITE_BUSY'))) throw unusable(file, error)
    const pid = holder(file)
    const who = pid === undefined || pid === 0 ? 'another process' : `process ${pid}`
    throw new LogUnusable(`The log ${file} is in use by ${who}: stop it first, or give another directory.`, { cause: error })
  }
  const lock = db
  return () => {
    lock.close()
  }
}
