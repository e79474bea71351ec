/** Checks stored rows against their hashes and numbers, and names the first that is damaged. */
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import { HASH_BYTES, SALT_BYTES, createChain, genesis, sameBytes, type Chain } from './chain.ts'
import { isSqliteError } from './sqlite-errors.ts'

const PAGE = 500

/** `chain` is the hash of row `seq` in hexadecimal: two logs with the same are the same. */
export type Verdict =
  { readonly ok: true; readonly seq: number; readonly chain: string } | { readonly ok: false; readonly seq: number; readonly why: string }

interface Row {
  readonly seq: number
  readonly version: number
  readonly type: string
  readonly schema: number
  readonly at: number
  readonly epoch: number
  readonly data: string | null
  readonly data_hash: Uint8Array
  readonly chain: Uint8Array
  readonly name: string | null
  readonly salt: Uint8Array | null
  readonly name_hash: Uint8Array | null
  /** Sequence of the fact before in the same stream. */
  readonly before: number | null
}

const SELECT = `SELECT f.seq, f.version, f.type, f.schema, f.at, f.epoch, f.data, f.data_hash, f.chain, s.name, s.salt, s.name_hash,
    (SELECT b.seq FROM facts AS b WHERE b.stream = f.stream AND b.version = f.version - 1) AS before
  FROM facts AS f LEFT JOIN streams AS s ON s.id = f.stream WHERE f.seq BETWEEN ? AND ? ORDER BY f.seq`

/** What is wrong with a row, in the order in which a person would want to know. */
const fault = (row: Row, expected: number, previous: Uint8Array, chain: Chain): string | undefined => {
  if (row.seq !== expected) return 'the row is missing'
  if (row.name_hash === null) return 'its stream is missing'
  if (row.salt && row.salt.length !== SALT_BYTES) return 'the salt of its stream was changed'
  if (row.name !== null && !(row.salt && sameBytes(chain.saltedHash(row.salt, row.name), row.name_hash))) {
    return 'the name of its stream was changed'
  }
  if (row.data !== null && !(row.salt && sameBytes(chain.saltedHash(row.salt, row.data), row.data_hash))) {
    return 'its data does not match its hash'
  }
  if (row.data_hash.length !== HASH_BYTES || row.name_hash.length !== HASH_BYTES) return 'a hash was cut'
  if (!sameBytes(chain.link(previous, row.data_hash, row.name_hash, row), row.chain)) return 'it does not continue the chain'
  if (row.version !== 1 && (row.before === null || row.before >= row.seq)) return `version ${row.version - 1} of its stream is missing`
  return undefined
}

/**
 * Checks the rows `from` … `to`, both included; the one before `from` is taken as it stands. Reads short pages. An error of
 * the disk counts as damage of the row that it stopped at; anything else is thrown.
 */
export const verifyRows = (db: Database.Database, sha256: Crypto['sha256'], from: number, to: number): Verdict => {
  const chain = createChain(sha256)
  let next = from
  try {
    const select = db.prepare<[number, number], Row>(SELECT)
    let previous =
      from === 1
        ? genesis()
        : (db
            .prepare<[number], Uint8Array>('SELECT chain FROM facts WHERE seq = ?')
            .pluck()
            .get(from - 1) ?? genesis())
    let size = PAGE
    while (next <= to) {
      const last = Math.min(next + size - 1, to)
      let rows: Row[]
      try {
        rows = select.all(next, last)
      } catch (error) {
        if (size === 1) throw error
        size = 1 // row by row from here, to find the one
        continue
      }
      for (const row of rows) {
        const why = fault(row, next, previous, chain)
        if (why !== undefined) return { ok: false, seq: next, why }
        previous = row.chain
        next += 1
      }
      if (next <= last) return { ok: false, seq: next, why: 'the row is missing' }
    }
    return { ok: true, seq: to, chain: Buffer.from(previous).toString('hex') }
  } catch (error) {
    if (!isSqliteError(error)) throw error
    return { ok: false, seq: next, why: `it cannot be read (${error.message})` }
  }
}
