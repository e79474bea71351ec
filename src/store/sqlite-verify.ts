/** Checks stored rows against their hashes and numbers, against checkpoints and the base, and names the first that is damaged. */
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import { HASH_BYTES, SALT_BYTES, createChain, genesis, sameBytes, type Chain } from './chain.ts'
import type { Checkpoint } from './durable-log.ts'
import type { Verdict } from './log-reader.ts'
import { LogUnusable } from './log.ts'
import { faultOfBase, storedBase, statementOf } from './sqlite-base.ts'
import { readCheckpoints } from './sqlite-checkpoints.ts'
import { isSqliteError } from './sqlite-errors.ts'
import { baseSeqOf, chainAt, headOf, toHex } from './sqlite-rows.ts'
import { addTo, covers, declaredBy, type SpanList } from './spans.ts'
import { baseText, checkpointText } from './statements.ts'
import type { Writing } from './sqlite-writing.ts'

const PAGE = 500

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
  /** Sequence of the fact before in the same stream, and of the first that is left of it. */
  readonly before: number | null
  readonly first: number
}

const SELECT = `SELECT f.seq, f.version, f.type, f.schema, f.at, f.epoch, f.data, f.data_hash, f.chain, s.name, s.salt, s.name_hash,
    (SELECT b.seq FROM facts AS b WHERE b.stream = f.stream AND b.version = f.version - 1) AS before,
    (SELECT b.seq FROM facts AS b WHERE b.stream = f.stream ORDER BY b.version LIMIT 1) AS first
  FROM facts AS f LEFT JOIN streams AS s ON s.id = f.stream WHERE f.seq BETWEEN ? AND ? ORDER BY f.seq`

type Damage = Extract<Verdict, { readonly ok: false }>

interface Rows {
  /** Hash of the chain at the last row. */
  readonly chain: Uint8Array
  /** Rows whose data is gone, and those of which a fact says so. */
  readonly erased: SpanList
  readonly declared: SpanList
  /** Chain at each of the wanted sequences. */
  readonly chains: ReadonlyMap<number, string>
}

/** What is wrong with a row, in the order in which a person would want to know. */
const fault = (row: Row, expected: number, previous: Uint8Array, chain: Chain, base: number): string | undefined => {
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
  // behind a base the beginning of a stream is gone
  const begins = row.version === 1 || (base > 0 && row.before === null && row.first === row.seq)
  if (!begins && (row.before === null || row.before >= row.seq)) return `version ${row.version - 1} of its stream is missing`
  return undefined
}

/** Checks the rows `from` … `to`, both included; the one before `from` is taken as it stands. Reads short pages. */
const checkRows = (
  db: Database.Database,
  sha256: Crypto['sha256'],
  from: number,
  to: number,
  wanted: ReadonlySet<number> = new Set(),
): Rows | Damage => {
  const chain = createChain(sha256)
  const erased: SpanList = []
  const declared: SpanList = []
  const chains = new Map<number, string>()
  let next = from
  try {
    const base = baseSeqOf(db)
    const select = db.prepare<[number, number], Row>(SELECT)
    let previous = chainAt(db, from - 1) ?? genesis()
    if (wanted.has(from - 1)) chains.set(from - 1, toHex(previous))
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
        const why = fault(row, next, previous, chain, base)
        if (why !== undefined) return { ok: false, seq: next, why }
        if (row.data === null) addTo(erased, next, next)
        else for (const [first, end] of declaredBy(row.type, row.data)) addTo(declared, first, end)
        if (wanted.has(next)) chains.set(next, toHex(row.chain))
        previous = row.chain
        next += 1
      }
      if (next <= last) return { ok: false, seq: next, why: 'the row is missing' }
    }
    return { chain: previous, erased, declared, chains }
  } catch (error) {
    if (!isSqliteError(error)) throw error
    return { ok: false, seq: next, why: `it cannot be read (${error.message})` }
  }
}

/** What a checkpoint says against the rows. */
const faultOf = ({ seq, chain, at }: Checkpoint, head: number, chains: ReadonlyMap<number, string>): string | undefined => {
  if (seq > head) return `the row is missing: a checkpoint of ${new Date(at).toISOString()} says that the log went on to row ${seq}`
  return chains.get(seq) === chain ? undefined : 'it is not the row that a checkpoint was signed over'
}

/**
 * Checks all rows after the base, that what was erased is declared, and that the checkpoints and the base agree with them; no
 * signature. An error of the disk counts as damage of the row that it stopped at; anything else is thrown.
 */
export const verifyLog = (db: Database.Database, sha256: Crypto['sha256']): Verdict => {
  // one moment of the log, or a compaction or erasure that comes in between would look like damage
  db.exec('BEGIN')
  try {
    return verdictOn(db, sha256)
  } finally {
    // an error of the disk may have ended it already
    if (db.inTransaction) db.exec('ROLLBACK')
  }
}

const verdictOn = (db: Database.Database, sha256: Crypto['sha256']): Verdict => {
  let head = 0
  try {
    head = headOf(db)
    const base = storedBase(db)
    const fault = base && faultOfBase(base, sha256)
    if (base && fault !== undefined) return { ok: false, seq: base.seq, why: fault }
    const from = (base?.seq ?? 0) + 1
    const checkpoints = readCheckpoints(db).filter(({ seq }) => seq >= from - 1)
    const rows = checkRows(db, sha256, from, head, new Set(checkpoints.map(({ seq }) => seq)))
    if ('ok' in rows) return rows
    const undeclared = rows.erased.find(span => !covers(rows.declared, span))
    if (undeclared) return { ok: false, seq: undeclared[0], why: 'its data is gone, and no fact data.erased says so' }
    for (const checkpoint of checkpoints) {
      const why = faultOf(checkpoint, head, rows.chains)
      if (why !== undefined) return { ok: false, seq: Math.min(checkpoint.seq, head + 1), why }
    }
    const bases = base ? [{ kind: 'base' as const, seq: base.seq, at: base.at, result: 'unchecked' as const }] : []
    const others = checkpoints.map(({ seq, at }) => ({ kind: 'checkpoint' as const, seq, at, result: 'unchecked' as const }))
    return { ok: true, seq: head, chain: toHex(rows.chain), from, erased: rows.erased, checkpoints: [...bases, ...others] }
  } catch (error) {
    if (!isSqliteError(error)) throw error
    return { ok: false, seq: head, why: `the log cannot be read (${error.message})` }
  }
}

/** `verifyLog`, and every signature. */
export const verifySigned = async (
  db: Database.Database,
  sha256: Crypto['sha256'],
  valid: (text: string, sig: string) => Promise<boolean>,
): Promise<Verdict> => {
  const verdict = verifyLog(db, sha256)
  if (!verdict.ok) return verdict
  const base = storedBase(db)
  if (base && !(await valid(baseText(statementOf(base)), base.sig)))
    return { ok: false, seq: base.seq, why: 'the signature of the base does not verify under this key' }
  // looked at by what the verdict is about: a running node may have signed another one meanwhile
  const known = new Set(verdict.checkpoints.map(({ seq }) => seq))
  for (const checkpoint of readCheckpoints(db)) {
    if (known.has(checkpoint.seq) && !(await valid(checkpointText(checkpoint), checkpoint.sig)))
      return { ok: false, seq: checkpoint.seq, why: 'the signature of its checkpoint does not verify under this key' }
  }
  return { ...verdict, checkpoints: verdict.checkpoints.map(result => ({ ...result, result: 'good' as const })) }
}

const damaged = (file: string, { seq, why }: Omit<Damage, 'ok'>): LogUnusable =>
  new LogUnusable(`Row ${seq} of the log ${file} is damaged (${why}): put a backup in its place.`)

/** Rows checked before others get their turn; about 10 µs each. */
const CHECKED = 1_000

/** Checks the rows `from` … `to`; rejects with `LogUnusable` at the first that is damaged. */
export const checkSpan = async (
  { db, file, sha256, breathe }: Pick<Writing<never>, 'db' | 'file' | 'sha256' | 'breathe'>,
  from: number,
  to: number,
): Promise<void> => {
  for (let first = Math.max(from, baseSeqOf(db) + 1); first <= to; first += CHECKED) {
    const rows = checkRows(db, sha256, first, Math.min(first + CHECKED - 1, to))
    if ('ok' in rows) throw damaged(file, rows)
    await breathe()
  }
}

/** How many of the last rows are checked before anything is chained to them; what is folded is checked by `checkSpan`, the whole by `verifyLog`. */
const CHECKED_TAIL = 100

/** Throws `LogUnusable` when the last rows are damaged, or the newest checkpoint says that there were more. */
export const checkTail = (db: Database.Database, file: string, sha256: Crypto['sha256']): void => {
  const head = headOf(db)
  const base = baseSeqOf(db)
  const newest = readCheckpoints(db).at(-1)
  const rows = checkRows(db, sha256, Math.max(base + 1, head - CHECKED_TAIL + 1), head)
  if ('ok' in rows) throw damaged(file, rows)
  if (newest === undefined || newest.seq < base) return
  const link = chainAt(db, newest.seq)
  const why = faultOf(newest, head, new Map(link && [[newest.seq, toHex(link)]]))
  if (why !== undefined) throw damaged(file, { seq: Math.min(newest.seq, head + 1), why })
}
