/** Many small worlds, each with whatever goes wrong in it: all hold, and every invariant was looked at. */
import t from 'tap'
import { faultNames } from '../../src/simulation/faults/faults.ts'
import { invariants, type Invariant } from '../../src/simulation/judge.ts'
import { simulate, type Outcome } from '../../src/simulation/simulation.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { ground } from './ground.ts'

const small = { servers: 3, users: 12, timeMs: 60_000 } as const
const large = { servers: 5, users: 40, timeMs: 600_000 } as const

/** Worlds that are added at most when something was not seen, and where their seeds begin. */
const MOST_MORE = 50
const FAR = 100_000

const failures = ({ seed, violations }: Outcome): readonly string[] =>
  violations.map(({ invariant, at, what }) => `seed ${seed}: ${invariant} at ${at}: ${what}`)

/** Runs so many small worlds from a seed on, and some larger ones under `npm run test:long`. */
export const holdWorlds = ({ from, count, larger }: { readonly from: number; readonly count: number; readonly larger: number }): void => {
  const checked = new Map<Invariant, number>()
  const happened = new Set<string>()
  const run = async (world: typeof small | typeof large, seed: number): Promise<Outcome> => {
    const outcome = await simulate({ ...world, seed }, ground)
    for (const [name, times] of Object.entries(outcome.checked))
      checked.set(name as Invariant, (checked.get(name as Invariant) ?? 0) + times)
    for (const name of Object.keys(outcome.faults)) happened.add(name)
    return outcome
  }

  t.test(`${count} worlds of three servers and twelve people hold for a minute`, { timeout: 3_600_000 }, async t => {
    const found: string[] = []
    for (let seed = from; seed < from + count; seed += 1) found.push(...failures(await run(small, seed)))
    t.same(found, [])
  })

  if (isLong())
    t.test(`${larger} worlds of five servers and forty people hold for ten minutes`, { timeout: 3_600_000 }, async t => {
      const found: string[] = []
      for (let seed = from; seed < from + larger; seed += 1) found.push(...failures(await run(large, seed)))
      t.same(found, [])
    })

  t.test('every invariant was checked, and every fault happened', { timeout: 3_600_000 }, async t => {
    const isMissed = () =>
      Object.keys(invariants).some(name => !checked.get(name as Invariant)) || faultNames.some(name => !happened.has(name))
    // what is rare may be in none of so many worlds: then in one of some more
    const found: string[] = []
    for (let seed = from + count; isMissed() && seed < from + count + MOST_MORE; seed += 1)
      found.push(...failures(await run(small, seed + FAR)))
    t.same(found, [])
    for (const name of Object.keys(invariants) as Invariant[]) t.ok((checked.get(name) ?? 0) > 0, name)
    for (const name of faultNames) t.ok(happened.has(name), name)
  })
}
