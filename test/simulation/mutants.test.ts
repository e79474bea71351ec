/** The simulation proves that it can see: mistakes planted in a copy of the program are caught, each by the invariant that is there for it. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { copyProgram } from '../helpers/mutant.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { plantedMistakes, SEEDS_ENOUGH, type PlantedMistake } from '../mutants/mutants.ts'
import { simulate } from '../../src/simulation/simulation.ts'
import { ground } from './ground.ts'

const folder = fileURLToPath(new URL('../mutants/', import.meta.url))
const patchOf = (name: string): string => readFileSync(`${folder}${name}.patch`, 'utf8')
const worldOf = ({ faults, seconds = 60 }: PlantedMistake): readonly string[] => [
  ...['--servers', '3', '--users', '12', '--time', `${seconds}s`],
  ...(faults === undefined ? [] : ['--faults', faults.join(',')]),
]

t.test('every patch is in the table, and nothing else', async t => {
  const patches = readdirSync(folder).flatMap(file => (file.endsWith('.patch') ? [file.slice(0, -'.patch'.length)] : []))
  t.same(patches.sort(), plantedMistakes.map(({ name }) => name).sort())
})

const mutant = copyProgram()
t.teardown(() => {
  mutant.remove()
})

t.test('every patch fits the program of today', async t => {
  for (const { name } of plantedMistakes) t.doesNotThrow(() => mutant.plant(patchOf(name)), name)
})

/** Every second one, and all of them under `npm run test:long`. */
const sought = plantedMistakes.filter((_, index) => isLong() || index % 2 === 0)

for (const planted of sought)
  t.test(`${planted.mistake}: seen by ${planted.seenBy}`, { timeout: 600_000 }, async t => {
    mutant.plant(patchOf(planted.name))
    const world = worldOf(planted)
    const caught = (violated: readonly string[]): boolean => violated.includes(planted.seenBy)
    // a change of the program moves it to another seed, which is a comment and no failure
    const atOnce = isLong() ? undefined : await mutant.search({ from: planted.seed, most: 1, world }, caught)
    const seed = atOnce ?? (await mutant.search({ from: 1, most: SEEDS_ENOUGH, world }, caught))
    t.not(seed, undefined, `within ${SEEDS_ENOUGH} seeds`)
    if (seed !== undefined && seed !== planted.seed) t.comment(`${planted.name} is seen in seed ${seed} now, not in ${planted.seed}`)
    if (seed === undefined) return
    const { faults, seconds = 60 } = planted
    // these are among the worlds that hold, in worlds.test.ts
    if (faults === undefined && seconds === 60) return
    const { violations } = await simulate(
      { seed, servers: 3, users: 12, timeMs: seconds * 1_000, ...(faults !== undefined && { faults }) },
      ground,
    )
    t.same(violations, [], 'and without the mistake nothing is wrong there')
  })
