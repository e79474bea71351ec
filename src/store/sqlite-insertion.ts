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

interface Stream {
  readonly id: number
  readonly salt: Uint8Array
  readonly nameHash: Uint8Array
  /** Of its last fact. */
  version: number
}

export interface Insertion {
  /** Inserts rows, the first as `firstSeq`. After a throw, or after streams were changed, comes `reset`. */
  insert(rows: readonly WaitingRow[], firstSeq: number): void
  /** Forgets what is remembered of the database. */
  reset(): void
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
  const lastLink = (): Uint8Array => chainAt(db, headOf(db)) ?? genesis()
  let previous = lastLink()

  const findStream = db.prepare<[string], Stream>(
    `SELECT id, salt, name_hash AS nameHash, coalesce((SELECT max(version) FROM facts WHERE stream = streams.id), 0) AS version
     FROM streams WHERE name = ?`,
  )
  const addStream = db.prepare<[string, Uint8Array, Uint8Array]>('INSERT INTO streams (name, salt, name_hash) VALUES (?, ?, ?)')
  const addFact = db.prepare<[number, number, number, string, number, number, number, string, Uint8Array, Uint8Array]>(
    'INSERT INTO facts (seq, stream, version, type, schema, at, epoch, data, data_hash, chain) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )

  const beginStream = (name: string): Stream => {
    const salt = randomBytes(SALT_BYTES)
    const nameHash = chain.saltedHash(salt, name)
    return { id: Number(addStream.run(name, salt, nameHash).lastInsertRowid), salt, nameHash, version: 0 }
  }

  const streamOf = (name: string): Stream => {
    let stream = recent.get(name)
    if (stream) return stream
    stream = older.get(name) ?? findStream.get(name) ?? beginStream(name)
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
      for (const { stream: name, at, type, data } of rows) {
        const stream = streamOf(name)
        stream.version += 1
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
      previous = lastLink()
    },
  }
}
