/** The tables of docs/simulation.md are those of the code. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { faults } from '../../src/simulation/faults/faults.ts'
import { invariants } from '../../src/simulation/judge.ts'
import { plantedMistakes, SEEDS_ENOUGH } from '../mutants/mutants.ts'

const page = readFileSync(new URL('../../docs/simulation.md', import.meta.url), 'utf8')

/** The rows of the table under this head. */
const rowsUnder = (head: string): readonly string[] => {
  const lines = page.split('\n')
  const from = lines.indexOf(head) + 2
  return lines.slice(from, lines.indexOf('', from))
}
const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

const tables = {
  '| invariant | what it says |': Object.entries(invariants).map(([name, what]) => row(`\`${name}\``, what)),
  '| fault | what happens |': Object.entries(faults).map(([name, { what }]) => row(`\`${name}\``, what)),
  '| mistake | patch | seen by | world | seed |': plantedMistakes.map(({ name, mistake, seenBy, seed, faults: chosen, seconds = 60 }) =>
    row(mistake, `\`${name}\``, `\`${seenBy}\``, `${seconds} s, ${chosen === undefined ? 'all faults' : chosen.map(fault => `\`${fault}\``).join(' ')}`, seed),
  ),
}

for (const [head, rows] of Object.entries(tables))
  t.test(`the table ${head} is that of the code`, async t => {
    t.same(rowsUnder(head), rows)
  })

t.test('the page says how many seeds are enough', async t => {
  t.match(page, `within ${SEEDS_ENOUGH} seeds`)
})
