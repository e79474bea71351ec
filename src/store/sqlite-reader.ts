/** Reads a log beside its writer or after it, read-only: for `socp log`, `socp state` and everything that looks back. */
import { statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
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
  /** Checks every row up to the head against the chain; blocks while it does (about 100,000 rows a second). */
  verify(sha256: Crypto['sha256']): Verdict
  close(): void
}

/** Bytes in a file, or undefined where there is none. */
const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size

const open = (file: string, known: number): Database.Database => {
  try {
    return openForReading(file, file, known)
  } catch (error) {
    // A reader of a WAL database needs its shared index and cannot make it in a read-only directory. After a clean stop
    // there is no WAL either, so that the file alone is the whole log and nobody can be writing it.
    const stopped = (sizeOf(`${file}-wal`) ?? 0) === 0
    const code = (error as { readonly code?: unknown }).code
    if (!stopped || typeof code !== 'string' || !/^SQLITE_(CANTOPEN|READONLY)/.test(code)) throw error
    return openForReading(`${pathToFileURL(file).href}?immutable=1`, file, known)
  }
}

/** Opens a log for reading, of a running, stopped or killed node. Throws `LogUnusable` with what to do. */
export const openLogReader = <T extends { readonly type: string }>(
  file: string,
  { upcasters, migrations = migrationsFolder() }: { readonly upcasters?: Upcasters; readonly migrations?: URL } = {},
): LogReader<T> => {
  if (sizeOf(file) === undefined) throw new LogUnusable(`There is no log at ${file}: start a node there first, or give another directory.`)
  let db: Database.Database
  try {
    db = open(file, readMigrations(migrations).length)
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
    read: from => facts(Math.max(from, 1), head()),
    head,
    verify: sha256 => verifyRows(db, sha256, 1, head()),
    close() {
      db.close()
    },
  }
}
