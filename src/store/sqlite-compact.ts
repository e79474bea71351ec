/** Drops the facts for which a base stands, a few at a time, and gives their place on the disk back. */
import type Database from 'better-sqlite3'
import type { DurableLog, Models } from './durable-log.ts'
import { LogUnusable, type RecordedFact } from './log.ts'
import type { Projections } from './projections.ts'
import { BASE_STATE, parseModels, signedBase, storedBase, writeBase } from './sqlite-base.ts'
import { completeHeads } from './sqlite-insertion.ts'
import { scratchModels, type ModelTables } from './sqlite-models.ts'
import { baseSeqOf, chainAt } from './sqlite-rows.ts'
import { checkSpan } from './sqlite-verify.ts'
import { wipe } from './sqlite-wipe.ts'
import type { Writing } from './sqlite-writing.ts'

/** Rows a transaction; a few milliseconds each. */
const CHUNK = 2_000
/** Facts folded before others get their turn. */
const FOLDED = 2_000

/** Drops what is left of what the base stands for, all at once: after a crash during a compaction. Within the caller's transaction. */
export const dropRemainder = (db: Database.Database): void => {
  const base = baseSeqOf(db)
  completeHeads(db)
  db.prepare<[number]>('DELETE FROM facts WHERE seq <= ?').run(base)
  // names of streams of which nothing is left go too: they name people
  db.prepare<[number]>('DELETE FROM streams WHERE id IN (SELECT stream FROM heads WHERE seq <= ?)').run(base)
  db.prepare<[number]>('DELETE FROM heads WHERE seq <= ?').run(base)
}

/** Folds facts into scratch read models and answers these, still open; others get their turn meanwhile. */
export const foldModels = async <T extends { readonly type: string }>(
  facts: Iterable<RecordedFact<T>>,
  base: Models | undefined,
  projections: Projections<T>,
  breathe: () => Promise<void>,
): Promise<ModelTables & { close(): void }> => {
  // what does not fit was said when it was recorded
  const scratch = scratchModels(projections, base, () => {})
  try {
    let count = 0
    for (const recorded of facts) {
      scratch.take(recorded)
      count += 1
      if (count % FOLDED === 0) await breathe()
    }
    return scratch
  } catch (error) {
    scratch.close()
    throw error
  }
}

/** The read models at `upTo`, from base and facts. */
const modelsAt = async <T extends { readonly type: string }>(
  { db, reader, breathe }: Pick<Writing<T>, 'db' | 'reader' | 'breathe'>,
  projections: Projections<T> | undefined,
  upTo: number,
): Promise<Models> => {
  if (projections === undefined) return {}
  const base = storedBase(db)
  const scratch = await foldModels(reader.facts((base?.seq ?? 0) + 1, upTo), base && parseModels(base), projections, breathe)
  try {
    return scratch.dump()
  } finally {
    scratch.close()
  }
}

export const createCompact = <T extends { readonly type: string }>(
  writing: Writing<T>,
  projections: Projections<T> | undefined,
): DurableLog<T>['compact'] => {
  const { db, file, sha256, schemas, queue, insertion, transact, outside, breathe, alone } = writing

  const dropFacts = async (upTo: number): Promise<number> => {
    let dropped = 0
    for (;;) {
      const changes = await transact(
        () =>
          db.prepare<[number, number]>('DELETE FROM facts WHERE seq <= min(?, (SELECT min(seq) FROM facts) + ?)').run(upTo, CHUNK).changes,
      )
      if (changes === 0) return dropped
      dropped += changes
      await breathe()
    }
  }

  /** As `dropRemainder`, some at a time; a stream that has facts again meanwhile stays. */
  const dropStreams = async (upTo: number): Promise<void> => {
    const page = db.prepare<[number, number], number>('SELECT stream FROM heads WHERE seq <= ? LIMIT ?').pluck()
    const statements = ['DELETE FROM streams WHERE id = ?', 'DELETE FROM heads WHERE stream = ?'].map(sql => db.prepare<[number]>(sql))
    const dropSome = (): number => {
      completeHeads(db)
      const found = page.all(upTo, CHUNK)
      for (const stream of found) for (const statement of statements) statement.run(stream)
      // their numbers are not to be used again from memory
      insertion.reset()
      return found.length
    }
    while ((await transact(dropSome)) > 0) await breathe()
  }

  return ({ upTo, state, at, sign }) =>
    alone(async () => {
      await queue.reached(upTo)
      const before = baseSeqOf(db)
      const chain = chainAt(db, upTo)
      if (upTo <= before || chain === undefined)
        throw new LogUnusable(`The log ${file} was compacted up to ${before} before: compacting goes forward, ${upTo} does not.`)
      // a base is for ever: nothing damaged may become a part of it
      await checkSpan(writing, before + 1, upTo)
      const models = await modelsAt(writing, projections, upTo)
      const base = await signedBase({ seq: upTo, chain, schema: schemas.of(BASE_STATE), state, models }, at, sha256, sign)
      await transact(() => {
        // while the facts can still say where their streams stand
        completeHeads(db)
        writeBase(db, base)
        for (const table of ['snapshots', 'checkpoints']) db.prepare<[number]>(`DELETE FROM ${table} WHERE seq < ?`).run(upTo)
      })
      // from here on the base stands for them; what a crash leaves of them, the next opening drops
      const dropped = await dropFacts(upTo)
      await dropStreams(upTo)
      await outside(() => wipe(db, file))
      return { dropped }
    })
}
