/** A mesh of real processes behind a fault proxy: whatever goes wrong, nothing that was accepted is lost or shown twice, and all is well soon after. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { isLong } from '../helpers/recovery-scale.ts'
import { createDice } from '../../src/simulation/dice.ts'
import { checkHistory, type Rule, rules } from './checker.ts'
import { type FaultName, faultNames } from './faults.ts'
import type { Line } from './history.ts'
import { recoveryTable } from './recovery-times.ts'
import { anySeed, run } from './run.ts'

interface Size {
  readonly servers: number
  readonly people: number
  readonly programs: number
  readonly scale: number
  readonly everyMs: number
  /** What goes wrong, from the seed. */
  readonly plan: (seed: number) => readonly (readonly FaultName[])[]
}

const mixed = (seed: number): readonly FaultName[] => {
  const dice = createDice(seed).fork('plan')
  return faultNames
    .map(name => ({ name, at: dice.fraction() }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name)
}

const sizes = {
  /** Twenty seconds of the most important. */
  short: {
    servers: 3,
    people: 8,
    programs: 2,
    scale: 0.2,
    everyMs: 2_000,
    plan: () => [['kill'], ['stop', 'people_kill'], ['halves'], ['clock']],
  },
  /** Six faults by themselves, then three at once. */
  long: {
    servers: 5,
    people: 50,
    programs: 5,
    scale: 1,
    everyMs: 8_000,
    plan: seed => {
      const names = mixed(seed)
      return [...names.slice(0, 6).map(name => [name]), names.slice(6, 9)]
    },
  },
} as const satisfies Readonly<Record<string, Size>>

/** `node test/faults/mesh.test.ts [SEED [short|long [FAULT,FAULT+FAULT,…]]]` */
const [seedGiven, sizeGiven = isLong() ? 'long' : 'short', planGiven] = process.argv.slice(2)
const size: Size = sizes[sizeGiven as keyof typeof sizes]
const planned = planGiven?.split(',').map(round => round.split('+') as FaultName[])
/** Milliseconds that runs of many seeds take in all. */
const LONG_MS = 1_800_000

const runs: (readonly Line[])[] = []
const checked = new Map<Rule, number>()

const play = (seed: number) =>
  t.test(`seed ${String(seed)}`, async t => {
    const place = mkdtempSync(join(tmpdir(), 'socp-faults-'))
    const history = join(place, 'history.jsonl')
    const { plan, ...options } = size
    const lines = await run({ ...options, seed, plan: planned ?? plan(seed), folder: join(place, 'mesh'), history })
    runs.push(lines)
    const verdict = checkHistory(lines)
    for (const rule of Object.keys(rules) as Rule[]) checked.set(rule, (checked.get(rule) ?? 0) + verdict.checked[rule])
    t.same(verdict.violations, [], 'whatever went wrong')
    t.comment(`${String(verdict.said)} things said, ${String(verdict.accepted)} accepted, ${String(verdict.shown)} shown`)
    if (verdict.violations.length === 0) rmSync(place, { recursive: true })
    else
      t.comment(
        `again: node test/faults/mesh.test.ts ${[seed, sizeGiven, ...(planGiven === undefined ? [] : [planGiven])].join(' ')}; history and data: ${place}`,
      )
  })

/** Of many seeds the one whose faults came least often so far. */
const rareSeed = (came: Map<FaultName, number>): number => {
  const alone = (seed: number): readonly FaultName[] => size.plan(seed).flatMap(names => (names.length === 1 ? names : []))
  const often = (seed: number): number => alone(seed).reduce((sum, name) => sum + (came.get(name) ?? 0), 0)
  const [seed = anySeed()] = Array.from({ length: 64 }, anySeed).sort((a, b) => often(a) - often(b))
  for (const name of alone(seed)) came.set(name, (came.get(name) ?? 0) + 1)
  return seed
}

if (seedGiven !== undefined) await play(Number(seedGiven))
// other seeds are for the long run: what fails here must be what was changed
else if (!isLong()) await play(1)
else {
  const from = performance.now()
  const came = new Map<FaultName, number>()
  while (performance.now() - from < LONG_MS) await play(rareSeed(came))
}

t.test('every rule was looked at', async t => {
  // who is accepted at once is never left with `sent`
  const never = Object.keys(rules).filter(rule => rule !== 'kept' && (checked.get(rule as Rule) ?? 0) === 0)
  t.same(never, [])
  t.comment(`checked: ${JSON.stringify(Object.fromEntries(checked))}`)
  t.comment('seconds until everybody can write and be reached, and all lists are the same:')
  for (const row of recoveryTable(runs)) t.comment(row)
})
