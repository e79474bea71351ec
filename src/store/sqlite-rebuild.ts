/** Makes the read models anew: at opening when their description changed, or while the log is written. */
import type Database from 'better-sqlite3'
import type { DurableLog } from './durable-log.ts'
import type { Projections } from './projections.ts'
import { parseModels, storedBase } from './sqlite-base.ts'
import { foldModels } from './sqlite-compact.ts'
import { dropForeignModels } from './sqlite-erase.ts'
import { createModelTables, type ModelTables } from './sqlite-models.ts'
import { headOf, type FactReader } from './sqlite-rows.ts'
import type { Writing } from './sqlite-writing.ts'

interface Projected {
  readonly version: string
  readonly seq: number
}

const note = <T extends { readonly type: string }>(db: Database.Database, { version, tables }: Projections<T>, seq: number): void => {
  db.prepare<[string, string, number]>('INSERT OR REPLACE INTO projected (one, version, tables, seq) VALUES (1, ?, ?, ?)').run(
    version,
    JSON.stringify(Object.keys(tables)),
    seq,
  )
}

/** The read models in the file, up to date: made anew when another version made them, or facts were recorded without them. */
export const openModels = <T extends { readonly type: string }>(
  db: Database.Database,
  reader: FactReader<T>,
  projections: Projections<T>,
  troubled: (why: string) => void,
): ModelTables => {
  const models = createModelTables(db, projections, troubled)
  const head = headOf(db)
  const stands = db.prepare<[], Projected>('SELECT version, seq FROM projected').get()
  if (stands?.version === projections.version && stands.seq === head) return models
  db.transaction(() => {
    dropForeignModels(db)
    models.create()
    const base = storedBase(db)
    if (base) models.load(parseModels(base))
    for (const recorded of reader.facts(1, head)) models.take(recorded)
    note(db, projections, head)
  }).immediate()
  return models
}

/** Folds into scratch tables while facts come in, then puts these in the place of the read models, in one transaction. */
export const createRebuild =
  <T extends { readonly type: string }>(writing: Writing<T>, projections: Projections<T> | undefined): DurableLog<T>['rebuild'] =>
  () =>
    writing.alone(async () => {
      const { db, models, queue, reader, transact, breathe } = writing
      if (projections === undefined || models === undefined) return {}
      const base = storedBase(db)
      const upTo = queue.head()
      const scratch = await foldModels(reader.facts(1, upTo), base && parseModels(base), projections, breathe)
      try {
        return await transact(head => {
          for (const recorded of reader.facts(upTo + 1, head)) scratch.take(recorded)
          models.create()
          models.load(scratch.dump())
          note(db, projections, head)
          return models.counts()
        })
      } finally {
        scratch.close()
      }
    })
