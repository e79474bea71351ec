/** Reads facts out of the database in short pages, so that no cursor is ever open across a wait. */
import type Database from 'better-sqlite3'
import type { Address } from '../protocol/ids.ts'
import { asyncFacts } from './async-facts.ts'
import { LogUnusable, type RecordedFact } from './log.ts'
import { unusable } from './sqlite-errors.ts'
import type { Schemas, StoredFact } from './upcasters.ts'

const PAGE = 500

type Row = [
  seq: number,
  stream: string | null,
  version: number,
  type: string,
  schema: number,
  at: number,
  epoch: number,
  data: string | null,
]

/** Sequence of the last row, 0 when there is none. */
export const headOf = (db: Database.Database): number =>
  db.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM facts').pluck().get() ?? 0

const damaged = (file: string, seq: number, why: string, cause?: unknown): LogUnusable =>
  new LogUnusable(`Row ${seq} of the log ${file} ${why}: the log is damaged, put a backup in its place.`, { cause })

const parse = (file: string, seq: number, data: string): StoredFact => {
  try {
    return JSON.parse(data) as StoredFact
  } catch (error) {
    throw damaged(file, seq, 'is not JSON', error)
  }
}

/**
 * Makes the function that reads facts `from` … `to`, both included, upcast, in order. Facts that were erased are passed over; a
 * row that is missing or cannot be read is `LogUnusable`, because a fold must not go on without it.
 */
export const createFactReader = <T extends { readonly type: string }>(db: Database.Database, file: string, schemas: Schemas) => {
  // LEFT JOIN: a row whose stream is gone must be seen, not skipped
  const select = db
    .prepare<[number, number], Row>(
      `SELECT f.seq, s.name, f.version, f.type, f.schema, f.at, f.epoch, f.data
       FROM facts AS f LEFT JOIN streams AS s ON s.id = f.stream WHERE f.seq BETWEEN ? AND ? ORDER BY f.seq`,
    )
    .raw()

  const page = (from: number, to: number): Row[] => {
    if (!db.open) throw new LogUnusable(`The log ${file} was closed while it was read.`)
    try {
      return select.all(from, to)
    } catch (error) {
      throw unusable(file, error)
    }
  }

  const facts = function* (from: number, to: number): Generator<RecordedFact<T>, void> {
    for (let first = from; first <= to; first += PAGE) {
      const last = Math.min(first + PAGE - 1, to)
      let expected = first
      for (const [seq, stream, version, type, schema, at, epoch, data] of page(first, last)) {
        if (seq !== expected) break
        expected += 1
        if (data === null) continue
        if (stream === null) throw damaged(file, seq, 'has lost its stream')
        const fact = schemas.upcast(parse(file, seq, data), { seq, type, schema }) as unknown as T
        yield { seq, stream: stream as Address, version, at, epoch, fact }
      }
      if (expected <= last) throw damaged(file, expected, 'is missing')
    }
  }

  return (from: number, to: number): AsyncIterableIterator<RecordedFact<T>> => asyncFacts(facts(Math.max(from, 1), to))
}
