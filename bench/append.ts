/**
 * The event log as a node opens it, read models and all, against bare better-sqlite3 in the same run: time from append to release,
 * and rows a second in batches of 100. The facts are those of an hour of the demo, over and over. `node bench/append.ts`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Fact } from '../src/domain/facts.ts'
import type { NewFact } from '../src/store/log.ts'
import { openLog } from './filled-log.ts'
import { history } from './history.ts'
import { lines, median, spent } from './measure.ts'

/** A fact, and the text of it that the bare insert is given for nothing. */
interface Entry {
  readonly fact: NewFact<Fact>
  readonly text: string
}

/** One way to make facts durable: called many times a tick, `released` when they are safe. */
interface Subject {
  append(entries: readonly Entry[]): Promise<unknown>
  close(): Promise<void>
}

const ROUNDS = 7
const RATE = 2_000
const ROWS = 20_000
const entries = [...history({ facts: (ROUNDS + 1) * (RATE + ROWS), remote: 5_000, local: 500, servers: 10, files: 50 })].map(fact => ({
  fact,
  text: JSON.stringify(fact.fact),
}))

const eventLog = async (directory: string): Promise<Subject> => {
  const log = await openLog(join(directory, 'log.db'))
  return {
    append: added =>
      log.append(
        added.map(({ fact }) => fact),
        { expected: { epoch: log.epoch } },
      ),
    close: () => log.close(),
  }
}

/** What a program without a chain, index, trigger or fence would do: one transaction a tick, as durable, its data already text. */
const bareInsert = (directory: string): Subject => {
  const db = new Database(join(directory, 'bare.db'))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('CREATE TABLE facts (seq INTEGER PRIMARY KEY, stream TEXT, type TEXT, at INTEGER, data TEXT)')
  const insert = db.prepare('INSERT INTO facts (stream, type, at, data) VALUES (?, ?, ?, ?)')
  let waiting: { entries: readonly Entry[]; resolve: () => void }[] = []
  const commit = db.transaction((batches: typeof waiting) => {
    for (const { entries } of batches) for (const { fact, text } of entries) insert.run(fact.stream, fact.fact.type, fact.at, text)
  })
  const flush = (): void => {
    const batches = waiting
    waiting = []
    commit(batches)
    for (const { resolve } of batches) resolve()
  }
  return {
    append: entries =>
      new Promise<void>(resolve => {
        if (waiting.push({ entries, resolve }) === 1) setImmediate(flush)
      }),
    close() {
      db.close()
      return Promise.resolve()
    },
  }
}

/** Appends single facts, spread over a second; answers the median milliseconds from append to release. */
const release = (subject: Subject, facts: readonly Entry[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const times: number[] = []
    const start = performance.now()
    let sent = 0
    const tick = (): void => {
      const due = Math.min(facts.length, Math.floor(((performance.now() - start) / 1000) * RATE))
      for (const entry of facts.slice(sent, due)) {
        const began = performance.now()
        subject.append([entry]).then(() => {
          if (times.push(performance.now() - began) === facts.length) resolve(median(times))
        }, reject)
      }
      sent = due
      if (sent < facts.length) setTimeout(tick, 1)
    }
    tick()
  })

/** Appends batches of 100, each after the one before. */
const sustained = (subject: Subject, facts: readonly Entry[]) =>
  spent(async () => {
    for (let from = 0; from < facts.length; from += 100) await subject.append(facts.slice(from, from + 100))
  })

const directory = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'socp-bench-'))
const subjects = { log: await eventLog(directory), bare: bareInsert(directory) }
const empty = () => ({ release: [] as number[], cpu: [] as number[], wall: [] as number[] })
const results = { log: empty(), bare: empty() }
for (let round = 0; round <= ROUNDS; round += 1) {
  const from = round * (RATE + ROWS)
  // round 0 warms up; the two take turns, so that a slow disk slows both
  for (const who of ['log', 'bare'] as const) {
    const released = await release(subjects[who], entries.slice(from, from + RATE))
    const { cpu, wall } = await sustained(subjects[who], entries.slice(from + RATE, from + RATE + ROWS))
    if (round === 0) continue
    results[who].release.push(released)
    results[who].cpu.push(cpu)
    results[who].wall.push(wall)
  }
}
await subjects.log.close()
await subjects.bare.close()
rmSync(directory, { recursive: true })

const of = (who: 'log' | 'bare', what: keyof ReturnType<typeof empty>): number => median(results[who][what])
const rows = (seconds: number): string => `${Math.round(ROWS / seconds).toLocaleString('en')} rows`
lines([
  `append to release at ${RATE} facts/s, p50, median of ${ROUNDS} rounds:`,
  `  event log   ${of('log', 'release').toFixed(3)} ms`,
  `  bare insert ${of('bare', 'release').toFixed(3)} ms`,
  `  ratio       ${(of('log', 'release') / of('bare', 'release')).toFixed(2)} (wanted: 3 or less)`,
  `batches of 100, median of ${ROUNDS} rounds of ${ROWS} rows:`,
  `  event log   ${rows(of('log', 'wall'))} a second, ${rows(of('log', 'cpu'))} a CPU second`,
  `  bare insert ${rows(of('bare', 'wall'))} a second, ${rows(of('bare', 'cpu'))} a CPU second`,
  `  ratio       ${(of('bare', 'wall') / of('log', 'wall')).toFixed(2)} in time (wanted: 0.30 or more), ${(of('bare', 'cpu') / of('log', 'cpu')).toFixed(2)} in CPU time`,
])
