/** Reads a log beside its writer or after it, read-only: for `socp log`, `socp state` and everything that looks back. */
import { statSync } from 'node:fs'
import type Database from 'better-sqlite3'
import type { LogReader } from './log-reader.ts'
import { LogUnusable } from './log.ts'
import { backUp } from './sqlite-backup.ts'
import { readBase } from './sqlite-base.ts'
import { readCheckpoints } from './sqlite-checkpoints.ts'
import { foldModels } from './sqlite-compact.ts'
import { unusable } from './sqlite-errors.ts'
import { migrationsFolder, openForReading, readMigrations } from './sqlite-open.ts'
import { createFactReader, headOf } from './sqlite-rows.ts'
import { listSnapshots } from './sqlite-snapshots.ts'
import { verifyLog, verifySigned } from './sqlite-verify.ts'
import { createSchemas, type Upcasters } from './upcasters.ts'

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
  const schemas = createSchemas(upcasters)
  const usable = <R>(run: () => R): R => {
    try {
      return run()
    } catch (error) {
      throw unusable(file, error)
    }
  }
  // a damaged schema may be one in which a column has another name
  const { facts, read } = usable(() => createFactReader<T>(db, file, schemas))
  const head = (): number => usable(() => headOf(db))

  return {
    read: (from, filter) => read(from, head(), filter),
    head,
    base: () => readBase(db, file, schemas),
    checkpoints: () => usable(() => readCheckpoints(db)),
    snapshots: () => usable(() => listSnapshots(db)),
    async models(projections, upTo = head()) {
      const base = readBase(db, file, schemas)
      const scratch = await foldModels(facts(1, upTo), base?.models, projections, () => Promise.resolve())
      try {
        return scratch.dump()
      } finally {
        scratch.close()
      }
    },
    verify: sha256 => verifyLog(db, sha256),
    verifySigned: (sha256, valid) => verifySigned(db, sha256, valid),
    backup: to => backUp(db, file, to),
    close() {
      db.close()
    },
  }
}
