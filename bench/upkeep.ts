/**
 * How long a node that compacts and erases keeps its loop from answering, and how long its commits wait: a log of 200,000 facts and
 * 60,000 remote users, folded as a running node has it. `node bench/upkeep.ts [facts] [remote users]`
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRuntime } from '../src/actors/runtime.ts'
import type { Fact } from '../src/domain/facts.ts'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import { nodeClock } from '../src/ports/node/clock.ts'
import { createControl, type ControlCommand } from '../src/server/control.ts'
import { recoverNode } from '../src/server/recovery.ts'
import { createNodeFold } from '../src/server/replay.ts'
import { createUpkeep } from '../src/server/upkeep.ts'
import { filled, openLog } from './filled-log.ts'
import { history, remoteUser } from './history.ts'
import { lines } from './measure.ts'

const [FACTS = 200_000, USERS = 60_000] = process.argv.slice(2).map(Number)
const SERVERS = 10
const directory = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'socp-bench-'))
const file = join(directory, 'log.db')
await filled(file, history({ facts: FACTS, remote: USERS, local: 500, servers: SERVERS, files: 20, populated: true }))

const clock = nodeClock()
const crypto = nodeCrypto()
const log = await openLog(file)
const fold = createNodeFold()
const fatal = (error: Error): void => {
  throw error
}
const runtime = createRuntime<Fact>({ log, host: fold.host, clock, perform: () => {}, fatal, crashed: fatal as (error: unknown) => void })
const write = (): void => {}
const recovered = await recoverNode({ log, fold, runtime, write })
const premises = {
  log,
  fold,
  runtime,
  clock,
  sha256: (bytes: Uint8Array) => crypto.sha256(bytes),
  sign: () => Promise.resolve('no signature'),
  write,
  recovered,
}
const control = createControl(premises, createUpkeep(premises))

/** Runs a command; answers its seconds, the longest that the loop and that a commit waited meanwhile. */
const measured = async (command: ControlCommand, params: Readonly<Record<string, unknown>>) => {
  let [loop, commit, running, last] = [0, 0, true, performance.now()]
  const beat = (): void => {
    const now = performance.now()
    loop = Math.max(loop, now - last)
    last = now
    if (running) setTimeout(beat, 5)
  }
  beat()
  const commits = (async () => {
    while (running) {
      const began = performance.now()
      runtime.record('node', { type: 'node.stopped', why: 'bench' })
      await runtime.flushed()
      commit = Math.max(commit, performance.now() - began)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })()
  const began = performance.now()
  await control({ command, params })
  const seconds = (performance.now() - began) / 1e3
  beat()
  running = false
  await commits
  return { seconds, loop, commit }
}

const megabytes = (): string =>
  `${Math.round((statSync(file).size + (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0)) / 1e6)} MB`
const report: string[] = [`${FACTS} facts of ${USERS} remote users, ${fold.state.directory.users.size} online, ${megabytes()}:`]
for (const [what, command, params] of [
  ['purge', 'purge', { user: remoteUser(7, SERVERS).user }],
  ['compact, leaving 1,000 facts', 'compact', { keep: 1_000 }],
  ['purge behind a base', 'purge', { user: remoteUser(8, SERVERS).user }],
] as const) {
  const { seconds, loop, commit } = await measured(command, params)
  report.push(
    `  ${what.padEnd(30)} ${seconds.toFixed(1).padStart(5)} s; the loop waited at most ${Math.round(loop)} ms, a commit ${Math.round(commit)} ms; ${megabytes()} after`,
  )
}
await log.close()
rmSync(directory, { recursive: true })
lines(report)
