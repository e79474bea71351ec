/** The examples in docs/testing.md are the files of `examples`, which run as tests, and there are no others. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const examples = join(import.meta.dirname, 'examples')
const page = readFileSync(join(import.meta.dirname, '../../docs/testing.md'), 'utf8')
const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '')
const published = (code: string): string => code.replaceAll('../../../src/testing/testing.ts', 'socp-node/testing')

for (const name of readdirSync(examples)) {
  t.test(`docs/testing.md shows ${name} as it runs`, async t => {
    const code = published(readFileSync(join(examples, name), 'utf8'))
    const shown = blocks.find(block => block.split('\n', 1)[0] === code.split('\n', 1)[0])
    t.equal(shown, code)
  })
}

t.test('every example on the page is run', async t => {
  t.equal(blocks.length, readdirSync(examples).length)
})

t.test('every name that the module exports is on the page', async t => {
  const entry = readFileSync(join(import.meta.dirname, '../../src/testing/testing.ts'), 'utf8')
  const names = [...entry.matchAll(/^export \{(.*?)\}/gms)].flatMap(([, list]) => (list ?? '').split(','))
  const values = names.map(name => name.trim()).filter(name => name !== '' && !name.startsWith('type '))
  t.ok(values.length > 5)
  for (const name of values) t.match(page, new RegExp(`\`${name}\\b`), name)
})
