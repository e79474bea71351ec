/**
 * How long a server takes from the start of its process to `ready`: with a snapshot of 60,000 remote users and a tail of 10,000 facts,
 * and with an empty log, in turns. `node bench/restart.ts [users] [tail]`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { replay } from '../src/actors/replay.ts'
import { filesIn } from '../src/cli/data-directory.ts'
import type { Fact } from '../src/domain/facts.ts'
import type { ServerId } from '../src/protocol/ids.ts'
import { createNodeFold, FOLD_VERSION, foldedState } from '../src/server/replay.ts'
import type { NewFact } from '../src/store/log.ts'
import { testKey } from '../test/helpers/test-keys.ts'
import { filled, openLog } from './filled-log.ts'
import { history } from './history.ts'
import { lines, median } from './measure.ts'

const [users = 60_000, tail = 10_000] = process.argv.slice(2).map(Number)
const ROUNDS = 7
const program = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
/** Of /proc/PID/stat, on every Linux that Node runs on. */
const TICKS_A_SECOND = 100

const folder = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'socp-bench-'))
const self = '00000004-0000-4000-8000-000000000000' as ServerId

const dataDirectory = async (name: string): Promise<string> => {
  const directory = join(folder, name)
  mkdirSync(directory, { mode: 0o700 })
  writeFileSync(filesIn(directory).key, (await testKey(0)).pem, { mode: 0o600 })
  writeFileSync(filesIn(directory).identity, JSON.stringify({ id: self }), { mode: 0o600 })
  return directory
}

/** Fills the log, and keeps a snapshot where the tail begins. */
const bigNode = async (directory: string): Promise<number> => {
  const file = filesIn(directory).log
  const serverKeys = await Promise.all([1, 2, 3].map(async n => (await testKey(n)).publicText))
  const facts = history({ facts: tail, remote: users, local: 100, servers: 10, files: 20, populated: true, self, serverKeys })
  // the start of the node, the servers, the users
  await filled(file, taken(facts, 1 + 10 + users))
  const log = await openLog(file)
  const fold = createNodeFold()
  const { seq, lastAt } = await replay(log, fold.host)
  const state = JSON.stringify(foldedState(fold, { at: lastAt, failing: [] }))
  await log.snapshots.save({ seq, foldVersion: FOLD_VERSION, state })
  await log.close()
  await filled(file, facts)
  return state.length
}

const taken = function* (facts: Iterator<NewFact<Fact>>, count: number): Generator<NewFact<Fact>, void> {
  for (let n = 0; n < count; n += 1) {
    const { value } = facts.next() as IteratorResult<NewFact<Fact>, undefined>
    if (value === undefined) return
    yield value
  }
}

const cpuOf = (pid: number): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
  } catch {
    return Number.NaN
  }
}

/** Seconds from the start of the process to `ready`; then it is killed, so that it leaves no snapshot for the next round. */
const start = async (directory: string): Promise<{ readonly wall: number; readonly cpu: number }> => {
  const began = performance.now()
  const child = spawn(process.execPath, [program, 'serve', '--data', directory, '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) {
    if ((JSON.parse(line) as { event: string }).event !== 'ready') continue
    const measured = { wall: (performance.now() - began) / 1e3, cpu: cpuOf(child.pid ?? 0) }
    child.kill('SIGKILL')
    await ended
    return measured
  }
  throw new Error(`the server of ${directory} did not start`)
}

const [big, empty] = [await dataDirectory('big'), await dataDirectory('empty')]
const snapshot = await bigNode(big)
const cases = [
  { name: 'empty node', directory: empty, wall: [] as number[], cpu: [] as number[] },
  { name: `${users} remote users, ${tail} facts of tail`, directory: big, wall: [] as number[], cpu: [] as number[] },
] as const
for (let round = 0; round <= ROUNDS; round += 1)
  for (const { directory, wall, cpu } of cases) {
    const measured = await start(directory)
    // round 0 fills the caches of the file system
    if (round === 0) continue
    wall.push(measured.wall)
    cpu.push(measured.cpu)
  }
const bytes = statSync(filesIn(big).log).size
rmSync(folder, { recursive: true })

const [reference, restart] = [cases[0], cases[1]].map(({ wall, cpu }) => ({ wall: median(wall), cpu: median(cpu) })) as [
  { wall: number; cpu: number },
  { wall: number; cpu: number },
]
lines([
  `from the start of the process to ready, median of ${ROUNDS} rounds; log ${Math.round(bytes / 1e6)} MB, snapshot ${Math.round(snapshot / 1e6)} MB:`,
  ...cases.map(({ name, wall, cpu }) => `  ${name.padEnd(48)} ${median(wall).toFixed(2)} s, ${median(cpu).toFixed(2)} s of CPU time`),
  `  wanted: less than twice the empty node and 0.5 s, here ${(2 * reference.wall + 0.5).toFixed(2)} s (${(2 * reference.cpu + 0.5).toFixed(2)} s of CPU time); ` +
    `it took ${((100 * restart.wall) / (2 * reference.wall + 0.5)).toFixed(0)} % of that (${((100 * restart.cpu) / (2 * reference.cpu + 0.5)).toFixed(0)} %)`,
])
