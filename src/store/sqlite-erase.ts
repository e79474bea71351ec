/** Erases a person from a log: the one function that the triggers let change rows. The chain still verifies, and says which rows were erased. */
import type Database from 'better-sqlite3'
import type { DurableLog, Erasure } from './durable-log.ts'
import { LogUnusable } from './log.ts'
import type { Projections } from './projections.ts'
import { BASE_STATE, parseModels, signedBase, storedBase, writeBase, type StoredBase } from './sqlite-base.ts'
import { dropRemainder, wipe } from './sqlite-compact.ts'
import { scratchModels } from './sqlite-models.ts'
import type { Writing } from './sqlite-writing.ts'
import { ERASED, spansOf } from './spans.ts'

const NODE = 'node'

export const createErase = <T extends { readonly type: string }>(
  writing: Writing<T>,
  projections: Projections<T> | undefined,
): DurableLog<T>['erase'] => {
  const { db, file, sha256, schemas, insertion, mail, models, transactFacts, outside, alone } = writing

  const baseWithout = async ({ subject, base: given, at }: Erasure<T>): Promise<StoredBase | undefined> => {
    const base = storedBase(db)
    if (base === undefined) return undefined
    if (given === undefined) throw new TypeError('there is a base: its state without the person has to be given')
    const stored = parseModels(base)
    if (projections === undefined && Object.keys(stored).length > 0)
      throw new LogUnusable(`The base of the log ${file} has read models: open it together with them to erase somebody.`)
    let left = stored
    if (projections !== undefined) {
      const scratch = scratchModels(projections, stored, () => {})
      try {
        scratch.apply(projections.erase(subject))
        left = scratch.dump()
      } finally {
        scratch.close()
      }
    }
    const content = { seq: base.seq, chain: base.chain, schema: schemas.of(BASE_STATE), state: given.state, models: left }
    return signedBase(content, at, sha256, given.sign)
  }

  /** Sequences of the rows that are the person's, and the streams that are. */
  const find = ({ belongs, mentions }: Erasure<T>): { readonly seqs: readonly number[]; readonly streams: readonly number[] } => {
    const streams: number[] = []
    let node: number | undefined
    for (const { id, name } of db
      .prepare<[], { readonly id: number; readonly name: string }>('SELECT id, name FROM streams WHERE name IS NOT NULL')
      .iterate()) {
      if (belongs(name)) streams.push(id)
      else if (name === NODE) node = id
    }
    const seqs = streams.flatMap(id =>
      db.prepare<[number], number>('SELECT seq FROM facts WHERE stream = ? AND data IS NOT NULL').pluck().all(id),
    )
    if (mentions && node !== undefined) {
      for (const { seq, type, schema, data } of db
        .prepare<[number], { readonly seq: number; readonly type: string; readonly schema: number; readonly data: string }>(
          'SELECT seq, type, schema, data FROM facts WHERE stream = ? AND data IS NOT NULL',
        )
        .iterate(node)) {
        const fact = schemas.upcast(JSON.parse(data) as Record<string, unknown>, { seq, type, schema })
        if (mentions(fact as unknown as T)) seqs.push(seq)
      }
    }
    return { seqs: seqs.sort((a, b) => a - b), streams }
  }

  const run = (erasure: Erasure<T>, base: StoredBase | undefined, head: number) => {
    dropRemainder(db)
    const { seqs, streams } = find(erasure)
    db.exec("INSERT INTO permits (what) VALUES ('erase')")
    const emptyRow = db.prepare<[number]>('UPDATE facts SET data = NULL WHERE seq = ?')
    for (const seq of seqs) emptyRow.run(seq)
    const emptyStream = db.prepare<[number]>('UPDATE streams SET name = NULL, salt = NULL WHERE id = ?')
    for (const id of streams) emptyStream.run(id)
    db.exec('DELETE FROM permits; DELETE FROM snapshots')
    if (base) writeBase(db, base)
    mail.erase(erasure.subject)
    if (models && projections) models.apply(projections.erase(erasure.subject))
    else dropForeignModels(db)
    const fact = erasure.fact(spansOf(seqs))
    if (fact.type !== ERASED) throw new TypeError(`what was erased is declared by ${ERASED}, not by ${fact.type}`)
    // a stream of that name begins anew
    insertion.reset()
    insertion.insert([{ stream: NODE, at: erasure.at, type: fact.type, data: JSON.stringify(fact) }], head + 1)
    if (models) db.prepare<[number]>('UPDATE projected SET seq = ?').run(head + 1)
    return { appended: 1, rows: seqs.length, seq: head + 1 }
  }

  return erasure =>
    alone(async () => {
      const base = await baseWithout(erasure)
      const { rows, seq } = await transactFacts(head => run(erasure, base, head))
      return { rows, seq, wiped: await outside(() => wipe(db)) }
    })
}

/** Read models of which this program has no description; they are made anew by the one that has. */
export const dropForeignModels = (db: Database.Database): void => {
  const text = db.prepare<[], string>('SELECT tables FROM projected').pluck().get()
  if (text === undefined) return
  for (const name of JSON.parse(text) as readonly string[]) db.exec(`DROP TABLE IF EXISTS "${name.replaceAll('"', '""')}"`)
  db.exec('DELETE FROM projected')
}
