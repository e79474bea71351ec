/** One seed is one world: the same trace, whenever and wherever it runs. */
import { readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { createTraceFile } from '../../src/simulation/node-trace-file.ts'
import { simulate, type SimulationOptions } from '../../src/simulation/simulation.ts'
import { createTrace, headOf, TRACE_VERSION, type TraceLine } from '../../src/simulation/trace.ts'
import { runSocp } from '../cli/run-socp.ts'
import { ground } from './ground.ts'

const world = { servers: 2, users: 5, timeMs: 40_000 } as const
const words = ['--servers', '2', '--users', '5', '--time', '40s'] as const

const traced = async (options: SimulationOptions): Promise<{ readonly lines: readonly string[]; readonly hash: string }> => {
  const lines: string[] = [headOf(options)]
  const file = createTraceFile()
  file.write(headOf(options))
  await simulate(options, ground, ({ witnesses, schedule }) => {
    witnesses.join(
      createTrace(line => {
        lines.push(line)
        file.write(line)
      }, schedule.now),
    )
  })
  return { lines, hash: file.close() }
}

t.test('two runs of one seed give one trace, here and in another process, and another seed another', async t => {
  const file = join(t.testdir(), 'trace.jsonl')
  const [one, two, other] = [
    await traced({ ...world, seed: 11 }),
    await traced({ ...world, seed: 11 }),
    await traced({ ...world, seed: 12 }),
  ]
  t.equal(two.hash, one.hash)
  t.same(two.lines, one.lines)
  t.not(other.hash, one.hash)
  const { code, stdout } = await runSocp(['simulate', '--seed', '11', ...words, '--trace', file, '--json'])
  const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { readonly trace_hash: string; readonly seed: number }
  t.equal(code, 0)
  t.equal(last.trace_hash, one.hash)
  const written = readFileSync(file)
  t.equal(createHash('sha256').update(written).digest('hex'), one.hash, 'the hash is that of the file')
  t.same(written.toString('utf8').trimEnd().split('\n'), one.lines)
})

t.test('a trace has a head, and then everything in the order of time', async t => {
  const { lines } = await traced({ ...world, seed: 13, faults: ['kill', 'cut'] })
  const [head, ...rest] = lines.map(line => JSON.parse(line) as TraceLine)
  t.match(head, { trace: TRACE_VERSION, seed: 13, servers: 2, users: 5, time_ms: 40_000, faults: ['kill', 'cut'] })
  const times = rest.map(({ at }) => at)
  t.same(
    times,
    [...times].sort((a, b) => a - b),
  )
  for (const kind of ['recorded', 'frame', 'shown', 'fault'])
    t.ok(
      rest.some(line => kind in line),
      kind,
    )
  const facts = rest.flatMap(line => ('recorded' in line && line.node === 's1' ? [line.recorded.seq] : []))
  t.same(
    facts,
    facts.map((_, index) => index + 1),
    'the facts of a server are all there',
  )
})

t.test('what is no frame of ours does not break the file', async t => {
  const lines: string[] = []
  const trace = createTrace(
    line => lines.push(line),
    () => 1.5,
  )
  const machine = (name: string) => ({ name, address: '', life: undefined, dark: false })
  for (const text of ['no JSON', '{"a":1}\n{"b":2}', '"', '{"type":"ACK"}']) trace.frameSent?.(machine('s1'), machine('s2'), text)
  t.same(
    lines.map(line => JSON.parse(line) as unknown),
    [
      { at: 1.5, from: 's1', to: 's2', is: 'out', text: 'no JSON' },
      { at: 1.5, from: 's1', to: 's2', is: 'out', text: '{"a":1}\n{"b":2}' },
      { at: 1.5, from: 's1', to: 's2', is: 'out', text: '"' },
      { at: 1.5, from: 's1', to: 's2', is: 'out', frame: { type: 'ACK' } },
    ],
  )
})
