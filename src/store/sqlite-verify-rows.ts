/** Checks stored rows against their hashes, numbers and streams, page by page: what every check of a log is made of. */
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import { toHex } from '../protocol/encoding.ts'
import { HASH_BYTES, SALT_BYTES, createChain, genesis, sameBytes, type Chain } from './chain.ts'
import type { Verdict } from './log-reader.ts'
import { isSqliteError } from './sqlite-errors.ts'
import { chainAt } from './sqlite-rows.ts'
import { addTo, declaredBy, type SpanList } from './spans.ts'

const PAGE = 500

interface Row {
  readonly seq: number
  readonly stream: number
  readonly version: number
  readonly type: string
  readonly schema: number
  readonly at: number
  readonly epoch: number
  readonly data: string | null
  readonly data_hash: Uint8Array
  readonly chain: Uint8Array
}

const SELECT =
  'SELECT seq, stream, version, type, schema, at, epoch, data, data_hash, chain FROM facts WHERE seq BETWEEN ? AND ? ORDER BY seq'

/** A row of `streams` whose salt and name were found to be right. */
interface Stream {
  readonly salt: Uint8Array | null
  readonly name_hash: Uint8Array
}

interface StoredStream extends Stream {
  readonly name: string | null
}

export type Damage = Extract<Verdict, { readonly ok: false }>

interface Rows {
  /** Hash of the chain at the last row. */
  readonly chain: Uint8Array
  /** Rows whose data is gone, and those of which a fact says so. */
  readonly erased: SpanList
  readonly declared: SpanList
  /** Chain at each of the wanted sequences. */
  readonly chains: ReadonlyMap<number, string>
}

/** What is wrong with a stream, if anything. */
const faultOfStream = ({ name, salt, name_hash }: StoredStream, chain: Chain): string | undefined => {
  if (salt && salt.length !== SALT_BYTES) return 'the salt of its stream was changed'
  if (name !== null && !(salt && sameBytes(chain.saltedHash(salt, name), name_hash))) return 'the name of its stream was changed'
  return name_hash.length === HASH_BYTES ? undefined : 'a hash was cut'
}

/** What is wrong with a row, in the order in which a person would want to know. */
const faultOfRow = (row: Row, { salt, name_hash }: Stream, previous: Uint8Array, chain: Chain): string | undefined => {
  if (row.data !== null && !(salt && sameBytes(chain.saltedHash(salt, row.data), row.data_hash))) return 'its data does not match its hash'
  if (row.data_hash.length !== HASH_BYTES) return 'a hash was cut'
  return sameBytes(chain.link(previous, row.data_hash, name_hash, row), row.chain) ? undefined : 'it does not continue the chain'
}

interface Place {
  readonly version: number
  readonly seq: number
}

/** Where each stream stands, by the rows that were checked: stream → its last. */
type Places = Map<number, Place>

/** Whether a row comes after the one before of its stream; the beginning of a stream may lie before the rows that are checked. */
const faultOfVersion = ({ version }: Row, before: Place | undefined, whole: boolean): string | undefined => {
  const continues = before === undefined ? version === 1 || !whole : version === before.version + 1
  return continues ? undefined : `version ${version - 1} of its stream is missing`
}

/** The first row after which the log does not know where its stream stands, if any: what is appended would get a wrong version. */
export const faultOfHeads = (db: Database.Database, places: Places): Omit<Damage, 'ok'> | undefined => {
  // what came later, the writer looks up in the facts
  const written = db.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM heads').pluck().get() ?? 0
  const head = db.prepare<[number], Place>('SELECT version, seq FROM heads WHERE stream = ?')
  let first = Infinity
  for (const [stream, { version, seq }] of places) {
    if (seq > written) continue
    const found = head.get(stream)
    if (found?.version !== version || found.seq !== seq) first = Math.min(first, seq)
  }
  return first === Infinity ? undefined : { seq: first, why: 'the log has lost where its stream stands' }
}

/** Streams whose hashes were computed are remembered, so many of them: most facts are of a few. */
const REMEMBERED = 10_000

/** Looks up streams, checking each the first time. Answers a sentence instead when there is something wrong. */
const createStreamCheck = (db: Database.Database, chain: Chain): ((id: number) => Stream | string) => {
  const select = db.prepare<[number], StoredStream>('SELECT name, salt, name_hash FROM streams WHERE id = ?')
  const checked = new Map<number, Stream>()
  return id => {
    const known = checked.get(id)
    if (known) return known
    const stream = select.get(id)
    const why = stream ? faultOfStream(stream, chain) : 'its stream is missing'
    if (!stream || why !== undefined) return why ?? ''
    if (checked.size === REMEMBERED) checked.clear()
    checked.set(id, stream)
    return stream
  }
}

/** What checks rows shares from one span to the next. */
interface Checking {
  readonly chain: Chain
  readonly streamOf: (id: number) => Stream | string
  readonly places: Places
}

export const createChecking = (db: Database.Database, sha256: Crypto['sha256']): Checking => {
  const chain = createChain(sha256)
  return { chain, streamOf: createStreamCheck(db, chain), places: new Map() }
}

/**
 * Checks the rows `from` … `to`, both included; the one before `from` is taken as it stands. Reads short pages.
 * @param whole that no stream began before `from`
 */
export const checkRows = (
  db: Database.Database,
  { chain, streamOf, places }: Checking,
  {
    from,
    to,
    whole = false,
    wanted = new Set(),
  }: {
    readonly from: number
    readonly to: number
    readonly whole?: boolean
    readonly wanted?: ReadonlySet<number>
  },
): Rows | Damage => {
  const erased: SpanList = []
  const declared: SpanList = []
  const chains = new Map<number, string>()
  let next = from
  try {
    const select = db.prepare<[number, number], Row>(SELECT)
    let previous = chainAt(db, from - 1) ?? genesis()
    const fault = (row: Row): string | undefined => {
      if (row.seq !== next) return 'the row is missing'
      const stream = streamOf(row.stream)
      if (typeof stream === 'string') return stream
      return faultOfRow(row, stream, previous, chain) ?? faultOfVersion(row, places.get(row.stream), whole)
    }
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
        const why = fault(row)
        if (why !== undefined) return { ok: false, seq: next, why }
        if (row.data === null) addTo(erased, next, next)
        else for (const [first, end] of declaredBy(row.type, row.data)) addTo(declared, first, end)
        if (wanted.has(next)) chains.set(next, toHex(row.chain))
        places.set(row.stream, { version: row.version, seq: next })
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
