/** Drops the facts for which a base stands, a few at a time, and gives their place on the disk back. */
import type Database from 'better-sqlite3'
import type { DurableLog, Models } from './durable-log.ts'
import { LogUnusable, type RecordedFact } from './log.ts'
import type { Projections } from './projections.ts'
import { BASE_STATE, parseModels, signedBase, storedBase, writeBase } from './sqlite-base.ts'
import { scratchModels, type ModelTables } from './sqlite-models.ts'
import { baseSeqOf, chainAt } from './sqlite-rows.ts'
import { checkSpan } from './sqlite-verify.ts'
import type { Writing } from './sqlite-writing.ts'

/** Rows a transaction; a few milliseconds each. */
const CHUNK = 2_000
/** Facts folded before others get their turn. */
const FOLDED = 2_000

/** Drops what is left of the facts that the base stands for, all at once: after a crash during a compaction. Within the caller's transaction. */
export const dropRemainder = (db: Database.Database): void => {
  const { changes } = db.prepare('DELETE FROM facts WHERE seq <= coalesce((SELECT seq FROM bases), 0)').run()
  if (changes > 0) db.exec('DELETE FROM streams WHERE NOT EXISTS (SELECT 1 FROM facts WHERE facts.stream = streams.id)')
}

/** Writes the file anew without its free pages and empties the WAL; false when a reader or a full disk stood against it. */
export const wipe = (db: Database.Database): boolean => {
  try {
    db.exec('VACUUM')
  } catch (error) {
    const { code = '' } = error as { readonly code?: string }
    if (!/^SQLITE_(FULL|BUSY)/.test(code)) throw error
    return false
  }
  const [answer] = db.pragma('wal_checkpoint(TRUNCATE)') as readonly { readonly busy: number }[]
  return answer?.busy === 0
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
export const modelsAt = async <T extends { readonly type: string }>(
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

  /** Names of streams of which nothing is left go too: they name people. */
  const dropStreams = async (): Promise<void> => {
    const page = db.prepare<[number, number], { readonly id: number; readonly used: number }>(
      'SELECT id, EXISTS (SELECT 1 FROM facts WHERE stream = streams.id) AS used FROM streams WHERE id > ? ORDER BY id LIMIT ?',
    )
    const drop = db.prepare<[number]>('DELETE FROM streams WHERE id = ?')
    const dropSome = (after: number): number | undefined => {
      const found = page.all(after, CHUNK)
      for (const { id, used } of found) if (used === 0) drop.run(id)
      // their numbers are not to be used again from memory
      insertion.reset()
      return found.at(-1)?.id
    }
    let after: number | undefined = 0
    while (after !== undefined) {
      const from: number = after
      after = await transact(() => dropSome(from))
      await breathe()
    }
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
        writeBase(db, base)
        for (const table of ['snapshots', 'checkpoints']) db.prepare<[number]>(`DELETE FROM ${table} WHERE seq < ?`).run(upTo)
      })
      // from here on the base stands for them; what a crash leaves of them, the next opening drops
      const dropped = await dropFacts(upTo)
      await dropStreams()
      await outside(() => wipe(db))
      return { dropped }
    })
}
