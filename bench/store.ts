/** The event log against bare better-sqlite3 in the same run: time from append to release, and rows a second in batches of 100. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import type { NewFact } from '../src/store/log.ts'
import { openSqliteLog } from '../src/store/sqlite-log.ts'

interface Sample {
  readonly type: 'user.advertised'
  readonly user: string
  readonly server: string
  readonly pubkey: string
  readonly meta: { readonly display_name: string }
  readonly caps: readonly string[]
  readonly seq: readonly [number, number]
  readonly digest: string
}

/** A fact, and the text of it that the bare insert is given for nothing. */
interface Entry {
  readonly fact: NewFact<Sample>
  readonly text: string
}

/** One way to make facts durable: called many times a tick, `released` when they are safe. */
interface Subject {
  append(entries: readonly Entry[]): Promise<unknown>
  close(): Promise<void>
}

const USERS = 5_000
const keys = Array.from({ length: USERS }, () => randomBytes(550).toString('base64url'))

/** Presence of remote users, the most frequent fact, with a real key's length every tenth time. */
const sample = (index: number): Entry => {
  const user = index % USERS
  const id = `00000000-0000-4000-8000-${String(user).padStart(12, '0')}`
  const fact: Sample = {
    type: 'user.advertised',
    user: id,
    server: '11111111-1111-4111-8111-111111111111',
    pubkey: index % 10 === 0 ? (keys[user] ?? '') : '',
    meta: { display_name: `User ${user}` },
    caps: ['proof', 'ack', 'blocks', 'bound'],
    seq: [1, index],
    digest: 'AAAAAAAAAAAAAAAAAAAAAA',
  }
  return { fact: { stream: `user:${id}`, at: 1_758_000_000_000 + index, fact }, text: JSON.stringify(fact) }
}

const eventLog = async (directory: string): Promise<Subject> => {
  const crypto = nodeCrypto()
  const log = await openSqliteLog<Sample>({
    file: join(directory, 'log.db'),
    sha256: bytes => crypto.sha256(bytes),
    randomBytes,
    endOfTick: run => void setImmediate(run),
  })
  return {
    append: entries =>
      log.append(
        entries.map(({ fact }) => fact),
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

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Appends single facts, spread over time at `rate` a second; answers the median milliseconds from append to release. */
const release = (subject: Subject, rate: number, seconds: number, from: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const total = rate * seconds
    const times: number[] = []
    const start = performance.now()
    let sent = 0
    const tick = (): void => {
      const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate))
      for (; sent < due; sent += 1) {
        const began = performance.now()
        subject.append([sample(from + sent)]).then(() => {
          if (times.push(performance.now() - began) === total) resolve(median(times))
        }, reject)
      }
      if (sent < total) setTimeout(tick, 1)
    }
    tick()
  })

/** Appends batches of 100, each after the one before; answers rows a second. */
const sustained = async (subject: Subject, rows: number, from: number): Promise<number> => {
  const batches = Array.from({ length: rows / 100 }, (_, batch) =>
    Array.from({ length: 100 }, (_, index) => sample(from + 100 * batch + index)),
  )
  const start = performance.now()
  for (const batch of batches) await subject.append(batch)
  return rows / ((performance.now() - start) / 1000)
}

const directory = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'socp-bench-'))
const [log, bare] = [await eventLog(directory), bareInsert(directory)]
const ROUNDS = 7
const results = { release: { log: [] as number[], bare: [] as number[] }, sustained: { log: [] as number[], bare: [] as number[] } }
let next = 0
for (let round = 0; round <= ROUNDS; round += 1) {
  // round 0 warms up; the two take turns, so that a slow disk slows both
  const released = { log: await release(log, 2_000, 1, next), bare: await release(bare, 2_000, 1, next) }
  const rows = { log: await sustained(log, 20_000, next + 2_000), bare: await sustained(bare, 20_000, next + 2_000) }
  next += 22_000
  if (round === 0) continue
  for (const who of ['log', 'bare'] as const) {
    results.release[who].push(released[who])
    results.sustained[who].push(rows[who])
  }
}
await log.close()
await bare.close()
rmSync(directory, { recursive: true })

const p50 = { log: median(results.release.log), bare: median(results.release.bare) }
const rate = { log: median(results.sustained.log), bare: median(results.sustained.bare) }
process.stdout.write(
  [
    `append to release at 2,000 facts/s, p50, median of ${ROUNDS} rounds:`,
    `  event log   ${p50.log.toFixed(3)} ms`,
    `  bare insert ${p50.bare.toFixed(3)} ms`,
    `  ratio       ${(p50.log / p50.bare).toFixed(2)} (wanted: 3 or less)`,
    `batches of 100, median of ${ROUNDS} rounds of 20,000 rows:`,
    `  event log   ${Math.round(rate.log)} rows/s`,
    `  bare insert ${Math.round(rate.bare)} rows/s`,
    `  ratio       ${(rate.log / rate.bare).toFixed(2)} (wanted: 0.30 or more)`,
    '',
  ].join('\n'),
)
