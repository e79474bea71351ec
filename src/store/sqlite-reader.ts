/** Reads a log beside its writer or after it, read-only: for `socp log`, `socp state` and everything that looks back. */
import { statSync } from 'node:fs'
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import { LogUnusable, type EventLog } from './log.ts'
import { unusable } from './sqlite-errors.ts'
import { migrationsFolder, openForReading, readMigrations } from './sqlite-open.ts'
import { createFactReader, headOf } from './sqlite-rows.ts'
import { verifyRows, type Verdict } from './sqlite-verify.ts'
import { createSchemas, type Upcasters } from './upcasters.ts'

export interface LogReader<T extends { readonly type: string } = { readonly type: string }> extends Pick<EventLog<T>, 'read'> {
  /** Sequence of the last committed fact at this moment, 0 when there is none. */
  head(): number
  /** Checks every row up to the head against the chain; blocks while it does (measured: 100,000 rows a CPU second). */
  verify(sha256: Crypto['sha256']): Verdict
  close(): void
}

/** Opens a log for reading, of a running, stopped or killed node. Throws `LogUnusable` with what to do. */
export const openLogReader = <T extends { readonly type: string }>(
  file: string,
  { upcasters, migrations = migrationsFolder() }: { readonly upcasters?: Upcasters; readonly migrations?: URL } = {},
): LogReader<T> => {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) throw new LogUnusable(`There is no log at ${file}: start a node there first, or give another directory.`)
  if (!found.isFile())
    throw new LogUnusable(`The log ${file} has to be a file, and is a directory or something else: give the path of a log.`)
  let db: Database.Database
  try {
    db = openForReading(file, readMigrations(migrations).length)
  } catch (error) {
    throw unusable(file, error)
  }
  const head = (): number => {
    try {
      return headOf(db)
    } catch (error) {
      throw unusable(file, error)
    }
  }
  const facts = createFactReader<T>(db, file, createSchemas(upcasters))
  return {
    read: from => facts(from, head()),
    head,
    verify: sha256 => verifyRows(db, sha256, 1, head()),
    close() {
      db.close()
    },
  }
}
