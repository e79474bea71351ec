/** Logs of every released version, brought up to date and folded by today's code, lead to the states that were recorded. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compareWithGolden, type Golden } from '../../src/testing/golden.ts'
import { readGoldenFacts } from '../../src/testing/node-golden-log.ts'

const versions = readdirSync(import.meta.dirname, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []))

t.test('there is a golden log', async t => {
  t.ok(versions.includes('0.1.0'))
})

for (const version of versions) {
  t.test(`the log of ${version} leads to the states that were recorded with it`, async t => {
    const folder = join(import.meta.dirname, version)
    const { facts, after } = await readGoldenFacts(folder)
    const states = readdirSync(folder).filter(name => name.endsWith('.json'))
    t.ok(states.includes('state.json'))
    for (const name of states) {
      const golden = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Golden
      const { same, differences } = await compareWithGolden(facts.slice(0, golden.facts), golden, after)
      t.same(differences, [], `${name}: if the fold was changed on purpose, see docs/testing.md`)
      t.ok(same, `${name}: the hash`)
    }
    t.equal((JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as Golden).facts, facts.length, 'no fact was lost')
  })
}
