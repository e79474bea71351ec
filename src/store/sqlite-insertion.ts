/** Writes rows of the log: numbers them, hashes them, chains them. Runs inside the caller's transaction. */
import type Database from 'better-sqlite3'
import type { Crypto } from '../ports/crypto.ts'
import type { Random } from '../ports/random.ts'
import type { WaitingRow } from './append-queue.ts'
import { SALT_BYTES, createChain, genesis } from './chain.ts'
import { chainAt, headOf } from './sqlite-rows.ts'
import type { Schemas } from './upcasters.ts'

/** Streams are kept in memory in two generations of this size, the rest is looked up: strangers can make streams, so there is a bound. */
const GENERATION = 5_000
/** So many streams move on before it is written down where they stand: fewer than a generation, so that all of them are in memory until then. */
const UNWRITTEN = 1_000
const SALTS_AT_ONCE = 64

interface Stream {
  readonly id: number
  readonly salt: Uint8Array
  readonly nameHash: Uint8Array
  /** Of its last fact. */
  version: number
  seq: number
}

export interface Insertion {
  /** Inserts rows, the first as `firstSeq`. After a throw, or after streams were changed, comes `reset`. */
  insert(rows: readonly WaitingRow[], firstSeq: number): void
  /** Forgets what is remembered of the database. */
  reset(): void
}

/**
 * Brings `heads` to where the facts are: it is written only now and then, always with the newest fact. Comes within a transaction, before
 * anything is asked of it.
 */
export const completeHeads = (db: Database.Database): void => {
  db.exec(
    `INSERT INTO heads (stream, version, seq) SELECT stream, max(version), max(seq) FROM facts
     WHERE seq > (SELECT coalesce(max(seq), 0) FROM heads) GROUP BY stream
     ON CONFLICT (stream) DO UPDATE SET version = excluded.version, seq = excluded.seq`,
  )
}

/** Makes what inserts rows into a log. */
export const createInsertion = (
  db: Database.Database,
  epoch: number,
  schemas: Schemas,
  { sha256, randomBytes }: { readonly sha256: Crypto['sha256']; readonly randomBytes: Random['bytes'] },
): Insertion => {
  const chain = createChain(sha256)
  // two maps that take turns: cheaper than keeping one in the order of use
  let recent = new Map<string, Stream>()
  let older = recent
  let unwritten = new Set<Stream>()
  let isComplete = false
  const lastLink = (): Uint8Array => chainAt(db, headOf(db)) ?? genesis()
  let previous = lastLink()

  // two statements: one with a join costs SQLite several times as much, and most names are new
  const findName = db.prepare<[string], Pick<Stream, 'id' | 'salt' | 'nameHash'>>(
    'SELECT id, salt, name_hash AS nameHash FROM streams WHERE name = ?',
  )
  const findHead = db.prepare<[number], Pick<Stream, 'version' | 'seq'>>('SELECT version, seq FROM heads WHERE stream = ?')
  const addStream = db.prepare<[string, Uint8Array, Uint8Array]>('INSERT INTO streams (name, salt, name_hash) VALUES (?, ?, ?)')
  const addFact = db.prepare<[number, number, number, string, number, number, number, string, Uint8Array, Uint8Array]>(
    'INSERT INTO facts (seq, stream, version, type, schema, at, epoch, data, data_hash, chain) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const moveHead = db.prepare<[number, number, number]>(
    'INSERT INTO heads (stream, version, seq) VALUES (?, ?, ?) ON CONFLICT (stream) DO UPDATE SET version = excluded.version, seq = excluded.seq',
  )

  const writeHeads = (): void => {
    for (const { id, version, seq } of [...unwritten].sort((a, b) => a.id - b.id)) moveHead.run(id, version, seq)
    unwritten = new Set()
  }

  const findStream = (name: string): Stream | undefined => {
    const found = findName.get(name)
    return found && { version: 0, seq: 0, ...found, ...findHead.get(found.id) }
  }

  /** Random bytes are asked for in stock: each asking costs more than the rest of a stream's beginning. */
  let salts: Uint8Array = new Uint8Array(0)
  const nextSalt = (): Uint8Array => {
    if (salts.length === 0) salts = randomBytes(SALTS_AT_ONCE * SALT_BYTES)
    const salt = salts.slice(0, SALT_BYTES)
    salts = salts.subarray(SALT_BYTES)
    return salt
  }

  const beginStream = (name: string): Stream => {
    const salt = nextSalt()
    // a copy: it is kept for long, and a digest may share its memory with others
    const nameHash = chain.saltedHash(salt, name).slice()
    return { id: Number(addStream.run(name, salt, nameHash).lastInsertRowid), salt, nameHash, version: 0, seq: 0 }
  }

  const streamOf = (name: string): Stream => {
    let stream = recent.get(name)
    if (stream) return stream
    stream = older.get(name) ?? findStream(name) ?? beginStream(name)
    recent.set(name, stream)
    if (recent.size === GENERATION) {
      older = recent
      recent = new Map()
    }
    return stream
  }

  return {
    insert(rows, firstSeq) {
      let seq = firstSeq
      if (!isComplete) completeHeads(db)
      isComplete = true
      for (const { stream: name, at, type, data } of rows) {
        const stream = streamOf(name)
        stream.version += 1
        stream.seq = seq
        unwritten.add(stream)
        if (unwritten.size === UNWRITTEN) writeHeads()
        const { version } = stream
        const schema = schemas.of(type)
        const dataHash = chain.saltedHash(stream.salt, data)
        const hash = chain.link(previous, dataHash, stream.nameHash, { seq, version, schema, at, epoch, type })
        addFact.run(seq, stream.id, version, type, schema, at, epoch, data, dataHash, hash)
        previous = hash
        seq += 1
      }
    },
    reset() {
      recent = new Map()
      older = recent
      unwritten = new Set()
      isComplete = false
      previous = lastLink()
    },
  }
}
