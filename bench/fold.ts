/**
 * Folding a log against reading and parsing the same rows with bare better-sqlite3, in turns in one process: a million facts in the
 * proportions of a recorded hour of the demo. `node bench/fold.ts [facts] [remote users]`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { replay } from '../src/actors/replay.ts'
import type { Fact } from '../src/domain/facts.ts'
import { createNodeFold } from '../src/server/replay.ts'
import { openLogReader } from '../src/store/sqlite-reader.ts'
import { filled, openLog } from './filled-log.ts'
import { history, machineShare } from './history.ts'
import { cpuSeconds, lines, median } from './measure.ts'

const [FACTS = 1_000_000, USERS = 1_000] = process.argv.slice(2).map(Number)
const ROUNDS = 3
const PAGE = 500

const directory = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'socp-bench-'))
const file = join(directory, 'log.db')
const counts = new Map<string, number>()
const counted = function* () {
  for (const fact of history({ facts: FACTS, remote: USERS, local: USERS / 10, servers: 10, files: 20 })) {
    counts.set(fact.fact.type, (counts.get(fact.fact.type) ?? 0) + 1)
    yield fact
  }
}
await filled(file, counted())

/** The reference: the rows with the names of their streams, in the same short pages, parsed and dropped. */
const readAndParse = (): void => {
  const db = new Database(file, { readonly: true })
  const page = db.prepare<[number, number], [number, string, number, string, number, number, number, string]>(
    `SELECT f.seq, s.name, f.version, f.type, f.schema, f.at, f.epoch, f.data
     FROM facts AS f JOIN streams AS s ON s.id = f.stream WHERE f.seq BETWEEN ? AND ? ORDER BY f.seq`,
  )
  let types = 0
  for (let from = 1; from <= FACTS; from += PAGE)
    for (const [, , , , , , , data] of page.raw().all(from, from + PAGE - 1)) types += (JSON.parse(data) as Fact).type.length
  if (types === 0) throw new Error('nothing was read')
  db.close()
}

const drain = async (): Promise<void> => {
  const reader = openLogReader<Fact>(file)
  let facts = 0
  for await (const { fact } of reader.read(1)) facts += Math.sign(fact.type.length)
  reader.close()
  if (facts !== FACTS) throw new Error(`${facts} facts were read`)
}

let users = 0
const fold = async (): Promise<void> => {
  const reader = openLogReader<Fact>(file)
  const { state, host } = createNodeFold()
  const { facts } = await replay(reader, host)
  reader.close()
  users = state.directory.users.size
  if (facts !== FACTS) throw new Error(`${facts} facts were folded`)
}

const cases = [
  { name: 'reference: bare read and parse', body: readAndParse, times: [] as number[] },
  { name: "the log's own reader, facts dropped", body: drain, times: [] as number[] },
  { name: 'fold: read, parse, machines and directory', body: fold, times: [] as number[] },
]
for (let round = 0; round < ROUNDS; round += 1) for (const { body, times } of cases) times.push(await cpuSeconds(body))
// once: it is no part of the fold, but a start checks what it folds
const log = await openLog(file)
const CHECKED = Math.min(FACTS, 100_000)
const checked = await cpuSeconds(() => log.check(FACTS - CHECKED + 1))
await log.close()
rmSync(directory, { recursive: true })

const reference = median(cases[0]?.times ?? [])
lines([
  `${FACTS} facts, ${(100 * machineShare(counts)).toFixed(1)} % of them with a machine; ${USERS} remote users, ${users} online at the end; median of ${ROUNDS} rounds, in CPU time`,
  ...cases.map(({ name, times }) => {
    const seconds = median(times)
    const each = (1e6 * seconds) / FACTS
    return `  ${name.padEnd(44)} ${each.toFixed(2).padStart(6)} µs a fact  ${Math.round(FACTS / seconds)
      .toLocaleString('en')
      .padStart(9)} /s  speed ${(reference / seconds).toFixed(2)} of the reference`
  }),
  `  beside it, once: the chain of the last ${CHECKED} rows is checked at ${((1e6 * checked) / CHECKED).toFixed(2)} µs a fact, as a start does before it folds them`,
  '  wanted: the fold at 0.50 or more of the reference',
])
