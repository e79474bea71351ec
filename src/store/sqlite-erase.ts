/** Erases a person from a log: the one function that the triggers let change rows. The chain still verifies, and says which rows were erased. */
import type Database from 'better-sqlite3'
import type { DurableLog, Erasure } from './durable-log.ts'
import { LogUnusable } from './log.ts'
import type { Projections } from './projections.ts'
import { BASE_STATE, parseModels, signedBase, storedBase, writeBase, type StoredBase } from './sqlite-base.ts'
import { dropRemainder } from './sqlite-compact.ts'
import { scratchModels } from './sqlite-models.ts'
import { wipe } from './sqlite-wipe.ts'
import type { Writing } from './sqlite-writing.ts'
import { ERASED, spansOf } from './spans.ts'
import type { StoredFact } from './upcasters.ts'

const NODE = 'node'
/** Rows looked at before others get their turn. */
const SOME = 5_000

interface Row {
  readonly seq: number
  readonly stream: number
  readonly type: string
  readonly schema: number
  /** Of facts of the node itself; of others it is not looked at. */
  readonly data: string | null
}

export const createErase = <T extends { readonly type: string }>(
  writing: Writing<T>,
  projections: Projections<T> | undefined,
): DurableLog<T>['erase'] => {
  const { db, file, sha256, schemas, queue, insertion, mail, models, transactFacts, outside, breathe, alone } = writing

  /** The base as it will be; undefined when there is none, or it does not know the person. */
  const baseWithout = async ({ subject, base: given, at }: Erasure<T>): Promise<StoredBase | undefined> => {
    const base = storedBase(db)
    if (base === undefined) return undefined
    if (given === undefined) throw new TypeError('there is a base: its state without the person has to be given')
    const stored = parseModels(base)
    await breathe()
    if (projections === undefined && Object.keys(stored).length > 0)
      throw new LogUnusable(`The base of the log ${file} has read models: open it together with them to erase somebody.`)
    let left = stored
    if (projections !== undefined) {
      const scratch = scratchModels(projections, stored, () => {})
      try {
        await breathe()
        scratch.apply(projections.erase(subject))
        left = scratch.dump()
      } finally {
        scratch.close()
      }
      await breathe()
    }
    const content = { seq: base.seq, chain: base.chain, schema: schemas.of(BASE_STATE), state: given.state, models: left }
    const signed = await signedBase(content, at, sha256, given.sign)
    const isSame = signed.state_hash === base.state_hash && signed.models_hash === base.models_hash
    return isSame ? undefined : signed
  }

  const findStreams = db.prepare<[number, number], { readonly id: number; readonly name: string }>(
    'SELECT id, name FROM streams WHERE id > ? AND name IS NOT NULL ORDER BY id LIMIT ?',
  )
  const findRows = db.prepare<[number, number, number], Row>(
    `SELECT seq, type, schema, CASE stream WHEN (SELECT id FROM streams WHERE name = '${NODE}') THEN data END AS data, stream
     FROM facts WHERE seq > ? AND seq <= ? AND data IS NOT NULL ORDER BY seq LIMIT ?`,
  )

  /** Looks for what is the person's, `some` rows at a time; goes on where it ended when more were recorded. */
  const createSearch = ({ belongs, mentions }: Erasure<T>) => {
    const streams = new Set<number>()
    const seqs: number[] = []
    let [stream, seq] = [0, 0]
    const mentioned = ({ data, ...row }: Row): boolean =>
      mentions !== undefined && data !== null && mentions(schemas.upcast(JSON.parse(data) as StoredFact, row) as unknown as T)

    /** False when there is nothing more up to the fact `upTo`. */
    const step = (upTo: number, some: number): boolean => {
      const named = findStreams.all(stream, some)
      for (const { id, name } of named) {
        if (belongs(name)) streams.add(id)
        stream = id
      }
      if (named.length > 0) return true
      const rows = findRows.all(seq, upTo, some)
      for (const row of rows) {
        if (streams.has(row.stream) || mentioned(row)) seqs.push(row.seq)
        seq = row.seq
      }
      return rows.length > 0
    }
    return { streams, seqs, step }
  }

  const modelRows = (): number => Object.values(models?.counts() ?? {}).reduce((sum, rows) => sum + rows, 0)

  const run = (
    erasure: Erasure<T>,
    { seqs, streams, step }: ReturnType<typeof createSearch>,
    base: StoredBase | undefined,
    head: number,
  ) => {
    dropRemainder(db)
    while (step(head, SOME));
    const modelled = modelRows()
    if (models && projections) models.apply(projections.erase(erasure.subject))
    const mailed = mail.erase(erasure.subject)
    if (mailed === 0 && streams.size === 0 && seqs.length === 0 && base === undefined && modelRows() === modelled)
      return { appended: 0, rows: 0, seq: undefined }
    db.exec("INSERT INTO permits (what) VALUES ('erase')")
    const emptyRow = db.prepare<[number]>('UPDATE facts SET data = NULL WHERE seq = ?')
    for (const seq of seqs) emptyRow.run(seq)
    const emptyStream = db.prepare<[number]>('UPDATE streams SET name = NULL, salt = NULL WHERE id = ?')
    for (const id of streams) emptyStream.run(id)
    db.exec('DELETE FROM permits; DELETE FROM snapshots')
    if (base) writeBase(db, base)
    if (!models) dropForeignModels(db)
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
      await breathe()
      const search = createSearch(erasure)
      // what comes in from now on is looked at in the transaction; there may be some in every tick
      const head = queue.head()
      while (search.step(head, SOME)) await breathe()
      const { rows, seq } = await transactFacts(head => run(erasure, search, base, head))
      return { rows, seq, wiped: await outside(() => wipe(db, file)) }
    })
}

/** Read models of which this program has no description; they are made anew by the one that has. */
export const dropForeignModels = (db: Database.Database): void => {
  const text = db.prepare<[], string>('SELECT tables FROM projected').pluck().get()
  if (text === undefined) return
  for (const name of JSON.parse(text) as readonly string[]) db.exec(`DROP TABLE IF EXISTS "${name.replaceAll('"', '""')}"`)
  db.exec('DELETE FROM projected')
}
