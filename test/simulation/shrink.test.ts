/** A world that fails is made smaller as long as it fails in the same way. */
import t from 'tap'
import { faultNames } from '../../src/simulation/faults/faults.ts'
import { createJudge, type Invariant } from '../../src/simulation/judge.ts'
import { shrink } from '../../src/simulation/shrink.ts'
import type { Outcome, SimulationOptions } from '../../src/simulation/simulation.ts'

/** A run that violates `invariant`, or nothing. */
const outcomeOf = ({ seed, timeMs }: SimulationOptions, invariant: Invariant | undefined, at = timeMs): Outcome => {
  const judge = createJudge(() => at)
  if (invariant !== undefined) judge.check(invariant, false, () => 'planted')
  const { checked, violations } = judge
  return { seed, virtualMs: timeMs, facts: 0, sent: 0, displayed: 0, faults: {}, drawn: 20, checked, violations }
}

const world: SimulationOptions = { seed: 1, servers: 5, users: 40, timeMs: 600_000, faults: faultNames }

t.test('faults, time, people and servers without which it still fails are left out', async t => {
  const tried: SimulationOptions[] = []
  /** Fails when faults 3 and 17 happen to at least four people, within the first three minutes. */
  const run = (options: SimulationOptions): Promise<Outcome> => {
    tried.push(options)
    const { keep = new Set([3, 17]), users, timeMs } = options
    const fails = keep.has(3) && keep.has(17) && users >= 4 && timeMs >= 170_000
    return Promise.resolve(outcomeOf(options, fails ? 'presence' : undefined, 169_500))
  }
  const smaller: SimulationOptions[] = []
  const found = await shrink(world, await run(world), { run, smaller: options => void smaller.push(options) })
  t.match(found.options, { seed: 1, servers: 2, users: 4, timeMs: 170_000 })
  t.same([...(found.options.keep ?? [])], [3, 17])
  t.match(found.outcome.violations, [{ invariant: 'presence' }])
  t.equal(found.runs, tried.length - 1)
  t.same(smaller.at(-1), found.options, 'every smaller one was told')
})

t.test('a world that fails in another way is not taken for the same', async t => {
  const run = (options: SimulationOptions): Promise<Outcome> =>
    Promise.resolve(outcomeOf(options, options.users < 40 ? 'sound' : options.servers >= 3 ? 'keys' : undefined))
  const { options } = await shrink(world, outcomeOf(world, 'keys'), { run, smaller: () => {} })
  t.equal(options.users, 40)
  t.equal(options.servers, 3)
})

t.test('it tries no more worlds than it may', async t => {
  let runs = 0
  const run = (options: SimulationOptions): Promise<Outcome> => {
    runs += 1
    return Promise.resolve(outcomeOf(options, undefined))
  }
  const found = await shrink(world, outcomeOf(world, 'keys'), { run, smaller: () => t.fail('none fails'), most: 7 })
  t.equal(runs, 7)
  t.equal(found.runs, 7)
  t.same(found.options, world)
})
