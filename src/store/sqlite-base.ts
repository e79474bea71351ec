/** The base in the log's file: what stands for the facts that compaction dropped. */
import type Database from 'better-sqlite3'
import { toHex } from '../protocol/encoding.ts'
import type { Base, Models, Sign } from './durable-log.ts'
import { LogUnusable } from './log.ts'
import { unusable } from './sqlite-errors.ts'
import { hexDigest, textOf } from './sqlite-rows.ts'
import { baseText, type BaseStatement } from './statements.ts'
import type { Schemas, StoredFact } from './upcasters.ts'

/** Under this name the state's steps stand in the table of upcasters; facts have a dot in theirs. */
export const BASE_STATE = 'base'

export interface StoredBase {
  readonly seq: number
  readonly chain: Uint8Array
  readonly schema: number
  readonly state: Uint8Array
  readonly state_hash: string
  readonly models: Uint8Array
  readonly models_hash: string
  readonly at: number
  readonly sig: string
}

export const storedBase = (db: Database.Database): StoredBase | undefined =>
  db.prepare<[], StoredBase>('SELECT seq, chain, schema, state, state_hash, models, models_hash, at, sig FROM bases').get()

/** What the signature of a base stands under. */
export const statementOf = ({
  seq,
  chain,
  schema,
  state_hash,
  models_hash,
  at,
}: Omit<StoredBase, 'sig' | 'state' | 'models'>): BaseStatement => ({
  seq,
  chain: toHex(chain),
  schema,
  stateHash: state_hash,
  modelsHash: models_hash,
  at,
})

/** What is wrong with a base, if anything. */
export const faultOfBase = (base: StoredBase, sha256: (bytes: Uint8Array) => Uint8Array): string | undefined => {
  if (hexDigest(sha256, base.state) !== base.state_hash) return 'the state that stands for the facts up to here does not match its hash'
  if (hexDigest(sha256, base.models) !== base.models_hash)
    return 'the read models that stand for the facts up to here do not match their hash'
  return undefined
}

export const parseModels = (base: StoredBase): Models => JSON.parse(textOf(base.models)) as Models

/** The base for a fold, its state brought to today's schema. Throws `LogUnusable` when it is damaged or newer; without `sha256` hashes are taken as they stand. */
export const readBase = (
  db: Database.Database,
  file: string,
  schemas: Schemas,
  sha256?: (bytes: Uint8Array) => Uint8Array,
): Base | undefined => {
  let base: StoredBase | undefined
  try {
    base = storedBase(db)
  } catch (error) {
    throw unusable(file, error)
  }
  if (base === undefined) return undefined
  const damaged = (why: string, cause?: unknown): LogUnusable =>
    new LogUnusable(`The base of the log ${file} at ${base.seq} is damaged (${why}): put a backup in its place.`, { cause })
  const fault = sha256 && faultOfBase(base, sha256)
  if (fault !== undefined) throw damaged(fault)
  const { seq, chain, schema, state_hash: stateHash, at, sig } = base
  try {
    const text = textOf(base.state)
    const state =
      schema === schemas.of(BASE_STATE)
        ? text
        : JSON.stringify(schemas.upcast(JSON.parse(text) as StoredFact, { seq, type: BASE_STATE, schema }))
    return { seq, chain: toHex(chain), state, stateHash, models: parseModels(base), at, sig }
  } catch (error) {
    throw error instanceof LogUnusable ? error : damaged('it is not JSON', error)
  }
}

/** Makes a base and signs it. */
export const signedBase = async (
  content: { readonly seq: number; readonly chain: Uint8Array; readonly schema: number; readonly state: string; readonly models: Models },
  at: number,
  sha256: (bytes: Uint8Array) => Uint8Array,
  sign: Sign,
): Promise<StoredBase> => {
  const state = Buffer.from(content.state)
  const models = Buffer.from(JSON.stringify(content.models))
  const unsigned = { ...content, state, models, state_hash: hexDigest(sha256, state), models_hash: hexDigest(sha256, models), at }
  return { ...unsigned, sig: await sign(baseText(statementOf(unsigned))) }
}

/** Puts a base in the place of the one before, within the caller's transaction. */
export const writeBase = (db: Database.Database, base: StoredBase): void => {
  db.prepare<[StoredBase]>(
    `INSERT INTO bases (one, seq, chain, schema, state, state_hash, models, models_hash, at, sig)
     VALUES (1, @seq, @chain, @schema, @state, @state_hash, @models, @models_hash, @at, @sig)
     ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, chain = excluded.chain, schema = excluded.schema, state = excluded.state,
       state_hash = excluded.state_hash, models = excluded.models, models_hash = excluded.models_hash, at = excluded.at, sig = excluded.sig`,
  ).run(base)
}
