/** Golden logs in folders: `log.db`, a database as a node left it, or `log.jsonl`, rows as `socp log ls --json` prints them; and `state.json`. */
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { Fact } from '../domain/facts.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { nodeRandom } from '../ports/node/random.ts'
import type { Address } from '../protocol/ids.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import type { NewFact, RecordedFact } from '../store/log.ts'
import { openSqliteLog } from '../store/sqlite-log.ts'
import { createSchemas, type StoredFact } from '../store/upcasters.ts'
import { type Golden, goldenOf } from './golden.ts'

export interface GoldenFacts {
  /** Brought to today's schema. */
  readonly facts: readonly RecordedFact<Fact>[]
  /** What they come after; undefined unless the log was compacted. */
  readonly after: unknown
}

export interface GoldenLog extends GoldenFacts {
  readonly golden: Golden
}

/** A row of `log.jsonl`. `schema` is left out when it is 1. */
interface Row {
  readonly seq: number
  readonly stream: string
  readonly version: number
  readonly type: string
  readonly schema?: number
  readonly at: number
  readonly epoch: number
  readonly data: StoredFact
}

const readRows = (text: string): readonly RecordedFact<Fact>[] => {
  const schemas = createSchemas(nodeUpcasters)
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => {
      const { seq, stream, version, type, schema = 1, at, epoch, data } = JSON.parse(line) as Row
      const fact = schemas.upcast({ type, ...data }, { seq, type, schema }) as unknown as Fact
      return { seq, stream: stream as Address, version, at, epoch, fact }
    })
}

/** Reads a copy: opening a log brings it up to date, and the golden one has to stay as that version wrote it. */
const readDatabase = async (file: string): Promise<GoldenFacts> => {
  const folder = await mkdtemp(join(tmpdir(), 'socp-golden-'))
  try {
    const copy = join(folder, 'log.db')
    await copyFile(file, copy)
    const crypto = nodeCrypto()
    const random = nodeRandom()
    const clock = nodeClock()
    const log = await openSqliteLog<Fact>({
      file: copy,
      sha256: bytes => crypto.sha256(bytes),
      randomBytes: length => random.bytes(length),
      endOfTick: run => {
        clock.endOfTick(run)
      },
      upcasters: nodeUpcasters,
    })
    try {
      const base = await log.base()
      return { facts: await Array.fromAsync(log.read((base?.seq ?? 0) + 1)), after: base && (JSON.parse(base.state) as unknown) }
    } finally {
      await log.close()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The facts of a golden log. Rejects when the folder holds none, or one that a newer version wrote. */
export const readGoldenFacts = async (folder: string): Promise<GoldenFacts> => {
  const database = join(folder, 'log.db')
  if (existsSync(database)) return readDatabase(database)
  return { facts: readRows(await readFile(join(folder, 'log.jsonl'), 'utf8')), after: undefined }
}

/** Reads a golden log and the state that was recorded with it. Rejects as `readGoldenFacts`. */
export const readGoldenLog = async (folder: string): Promise<GoldenLog> => ({
  ...(await readGoldenFacts(folder)),
  golden: JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as Golden,
})

/** Records facts and the state that today's code folds them to as `log.jsonl` and `state.json`; makes the folder. Answers that state. */
export const writeGoldenLog = async (folder: string, facts: readonly NewFact<Fact>[]): Promise<Golden> => {
  const golden = await goldenOf(facts)
  const schemas = createSchemas(nodeUpcasters)
  const versions = new Map<string, number>()
  const rows = facts.map(({ stream, at, fact: { type, ...data } }, index): Row => {
    const version = (versions.get(stream) ?? 0) + 1
    versions.set(stream, version)
    const schema = schemas.of(type)
    return { seq: index + 1, stream, version, type, ...(schema === 1 ? {} : { schema }), at, epoch: 1, data }
  })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'log.jsonl'), rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  await writeFile(join(folder, 'state.json'), `${JSON.stringify(golden, undefined, 2)}\n`)
  return golden
}
