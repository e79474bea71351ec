/** `scripts/count-tests.ts`: the numbers of `.ci/run` are those of the assertions, and nothing that did not run counts as passed. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const script = fileURLToPath(new URL('../../scripts/count-tests.ts', import.meta.url))
const count = (tap: string) => spawnSync(process.execPath, [script], { input: `TAP version 14\n${tap}`, encoding: 'utf8' })

const file = (name: string, body: string, ok = true): string =>
  `# Subtest: ${name}\n${body.replace(/^/gm, '    ')}\n${ok ? 'ok' : 'not ok'} 1 - ${name}\n`

t.test('assertions are counted at every depth, subtests are not', t => {
  const { stdout, stderr } = count(
    `${file('a.test.ts', `ok 1 - one\n${file('inner', 'ok 1 - two\n1..1').replace('ok 1 - inner', 'ok 2 - inner')}1..2`)}1..1\n`,
  )
  t.equal(stdout, '2 0\n')
  t.equal(stderr, '')
  t.end()
})

t.test('a failed assertion counts once, with its name', t => {
  const { stdout, stderr } = count(`${file('a.test.ts', 'ok 1 - one\nnot ok 2 - two\n1..2', false)}1..1\n`)
  t.equal(stdout, '1 1\n')
  t.match(stderr, /failed: .*two/)
  t.end()
})

t.test('a file that failed without a failed assertion counts as one', t => {
  const { stdout, stderr } = count(`${file('a.test.ts', 'ok 1 - one\n1..1', false)}1..1\n`)
  t.equal(stdout, '1 1\n')
  t.match(stderr, /failed: a\.test\.ts/)
  t.end()
})

t.test('what was skipped or is to be done counts as failed', t => {
  const { stdout, stderr } = count('ok 1 - one # SKIP no tool\nnot ok 2 - two # TODO\nok 3 - three\n1..3\n')
  t.equal(stdout, '1 2\n')
  t.match(stderr, /skipped: .*one.*\(no tool\)/)
  t.match(stderr, /unfinished: .*two/)
  t.end()
})

t.test('a run that broke off, or never began, failed', t => {
  t.equal(count('ok 1 - one\n1..2\n').stdout, '1 1\n')
  t.equal(count('ok 1 - one\nBail out! no more\n').stdout, '1 1\n')
  t.equal(count('').stdout, '0 1\n')
  t.end()
})
