/** Checks a log: its rows, and these against checkpoints and the base; names the first that is damaged. */
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import { toHex } from '../protocol/encoding.ts'
import type { Checkpoint } from './durable-log.ts'
import type { Verdict } from './log-reader.ts'
import { LogUnusable } from './log.ts'
import { faultOfBase, storedBase, statementOf } from './sqlite-base.ts'
import { readCheckpoints } from './sqlite-checkpoints.ts'
import { isSqliteError } from './sqlite-errors.ts'
import { baseSeqOf, chainAt, headOf } from './sqlite-rows.ts'
import { covers } from './spans.ts'
import { type Damage, checkRows, createChecking, faultOfHeads } from './sqlite-verify-rows.ts'
import { baseText, checkpointText } from './statements.ts'
import type { Writing } from './sqlite-writing.ts'

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
    const checking = createChecking(db, sha256)
    const wanted = new Set(checkpoints.map(({ seq }) => seq))
    const rows = checkRows(db, checking, { from, to: head, whole: from === 1, wanted })
    if ('ok' in rows) return rows
    const undeclared = rows.erased.find(span => !covers(rows.declared, span))
    if (undeclared) return { ok: false, seq: undeclared[0], why: 'its data is gone, and no fact data.erased says so' }
    for (const checkpoint of checkpoints) {
      const why = faultOf(checkpoint, head, rows.chains)
      if (why !== undefined) return { ok: false, seq: Math.min(checkpoint.seq, head + 1), why }
    }
    const lost = faultOfHeads(db, checking.places)
    if (lost) return { ok: false, ...lost }
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

/** Rows checked before others get their turn; a few µs each. */
const CHECKED = 1_000

/** Checks the rows `from` … `to`; rejects with `LogUnusable` at the first that is damaged. */
export const checkSpan = async (
  { db, file, sha256, breathe }: Pick<Writing<never>, 'db' | 'file' | 'sha256' | 'breathe'>,
  from: number,
  to: number,
): Promise<void> => {
  const checking = createChecking(db, sha256)
  for (let first = Math.max(from, baseSeqOf(db) + 1); first <= to; first += CHECKED) {
    const rows = checkRows(db, checking, { from: first, to: Math.min(first + CHECKED - 1, to) })
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
  const checking = createChecking(db, sha256)
  const rows = checkRows(db, checking, { from: Math.max(base + 1, head - CHECKED_TAIL + 1), to: head })
  if ('ok' in rows) throw damaged(file, rows)
  if (newest !== undefined && newest.seq >= base) {
    const link = chainAt(db, newest.seq)
    const why = faultOf(newest, head, new Map(link && [[newest.seq, toHex(link)]]))
    if (why !== undefined) throw damaged(file, { seq: Math.min(newest.seq, head + 1), why })
  }
  const lost = faultOfHeads(db, checking.places)
  if (lost) throw damaged(file, lost)
}
