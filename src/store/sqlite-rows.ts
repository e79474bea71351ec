/** Reads facts out of the database in short pages, so that no cursor is ever open across a wait. */
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import { toHex } from '../protocol/encoding.ts'
import type { Address } from '../protocol/ids.ts'
import { asyncFacts } from './async-facts.ts'
import type { ReadFilter } from './log-reader.ts'
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

/** Sequence of the last fact, the base's when all rows were dropped, 0 when there never was one. */
export const headOf = (db: Database.Database): number =>
  db.prepare<[], number>('SELECT max((SELECT coalesce(max(seq), 0) FROM facts), coalesce((SELECT seq FROM bases), 0))').pluck().get() ?? 0

/** Sequence up to which a base stands for the facts, 0 without one. */
export const baseSeqOf = (db: Database.Database): number => db.prepare<[], number>('SELECT seq FROM bases').pluck().get() ?? 0

/** Hash of the chain at a sequence; undefined when neither a row nor the base stands there. */
export const chainAt = (db: Database.Database, seq: number): Uint8Array | undefined =>
  db
    .prepare<[number, number], Uint8Array>('SELECT chain FROM bases WHERE seq = ? UNION ALL SELECT chain FROM facts WHERE seq = ? LIMIT 1')
    .pluck()
    .get(seq, seq)

/** SHA-256 of a text's UTF-8, hexadecimal. */
export const hexDigest = (sha256: Crypto['sha256'], text: string | Uint8Array): string =>
  toHex(sha256(typeof text === 'string' ? Buffer.from(text) : text))

/** Bytes of the database as text, without copying them first: a big node's state is tens of megabytes. */
export const textOf = ({ buffer, byteOffset, length }: Uint8Array): string => Buffer.from(buffer, byteOffset, length).toString()

const damaged = (file: string, seq: number, why: string, cause?: unknown): LogUnusable =>
  new LogUnusable(`Row ${seq} of the log ${file} ${why}: the log is damaged, put a backup in its place.`, { cause })

const parse = (file: string, seq: number, data: string): StoredFact => {
  try {
    return JSON.parse(data) as StoredFact
  } catch (error) {
    throw damaged(file, seq, 'is not JSON', error)
  }
}

const isNamed = (wanted: string | undefined, name: string | null, end: string): boolean =>
  wanted === undefined || name === wanted || (wanted.endsWith(end) && name !== null && name.startsWith(wanted))

export interface FactReader<T extends { readonly type: string }> {
  /** Facts `from` … `to`, both included, upcast, in order; page by page, so that nothing is held open between two of them. */
  facts(from: number, to: number, filter?: ReadFilter): Generator<RecordedFact<T>, void>
  /** The same, asynchronous. */
  read(from: number, to: number, filter?: ReadFilter): AsyncIterableIterator<RecordedFact<T>>
}

/**
 * Makes the functions that read facts. Facts that were erased are passed over, those for which the base stands too; any other
 * row that is missing or cannot be read is `LogUnusable`, because a fold must not go on without it.
 */
export const createFactReader = <T extends { readonly type: string }>(
  db: Database.Database,
  file: string,
  schemas: Schemas,
): FactReader<T> => {
  // LEFT JOIN: a row whose stream is gone must be seen, not skipped
  const select = db
    .prepare<[number, number], Row>(
      `SELECT f.seq, s.name, f.version, f.type, f.schema, f.at, f.epoch, f.data
       FROM facts AS f LEFT JOIN streams AS s ON s.id = f.stream WHERE f.seq BETWEEN ? AND ? ORDER BY f.seq`,
    )
    .raw()

  const usable = <R>(run: () => R): R => {
    if (!db.open) throw new LogUnusable(`The log ${file} was closed while it was read.`)
    try {
      return run()
    } catch (error) {
      throw unusable(file, error)
    }
  }

  const missing = (seq: number): LogUnusable =>
    usable(() => baseSeqOf(db)) >= seq
      ? new LogUnusable(`The log ${file} was compacted while it was read: read it again.`)
      : damaged(file, seq, 'is missing')

  const facts = function* (from: number, to: number, { stream: wanted, type: kind, since = 0, until = Infinity }: ReadFilter = {}) {
    for (let first = from; first <= to; first += PAGE) {
      const last = Math.min(first + PAGE - 1, to)
      let expected = first
      for (const [seq, stream, version, type, schema, at, epoch, data] of usable(() => select.all(first, last))) {
        if (seq !== expected) break
        expected += 1
        if (data === null || at < since || at > until || !isNamed(wanted, stream, ':') || !isNamed(kind, type, '.')) continue
        if (stream === null) throw damaged(file, seq, 'has lost its stream')
        const fact = schemas.upcast(parse(file, seq, data), { seq, type, schema }) as unknown as T
        yield { seq, stream: stream as Address, version, at, epoch, fact }
      }
      if (expected <= last) throw missing(expected)
    }
  }

  const clamped = (from: number, to: number, filter: ReadFilter = {}): Generator<RecordedFact<T>, void> =>
    facts(Math.max(from, usable(() => baseSeqOf(db)) + 1), Math.min(to, filter.to ?? to), filter)

  return { facts: clamped, read: (from, to, filter) => asyncFacts(clamped(from, to, filter)) }
}
