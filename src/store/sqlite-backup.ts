/** Copies a log to another file while it is in use. */
import { closeSync, openSync, rmSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { LogUnusable } from './log.ts'
import { unusable } from './sqlite-errors.ts'

/** Pages copied before others get their turn; a writer in another process that is faster than this makes the copy begin again. */
const PAGES = 2_000

/** @param to a file that is not there yet; it is made for its owner only, and taken away again when the copy fails */
export const backUp = async (db: Database.Database, file: string, to: string): Promise<void> => {
  try {
    closeSync(openSync(to, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new LogUnusable(`There is a file ${to} already: a backup never replaces one, give another name.`, { cause: error })
    }
    throw unusable(to, error)
  }
  try {
    await db.backup(to, { progress: () => (db.readonly ? 0x7fff_ffff : PAGES) })
  } catch (error) {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(to + suffix, { force: true })
    throw db.open ? unusable(file, error) : new LogUnusable(`The log ${file} was closed while it was copied.`, { cause: error })
  }
}
