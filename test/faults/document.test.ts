/** The table of docs/testing.md is that of the checker. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { rules } from './checker.ts'

t.test('docs/testing.md says what is checked', async t => {
  const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
  for (const [rule, what] of Object.entries(rules)) t.ok(page.includes(`| \`${rule}\` | ${what} |`), rule)
})
