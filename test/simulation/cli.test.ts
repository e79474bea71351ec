/** `socp simulate` and `socp replay --trace` as a script sees them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { faultNames } from '../../src/simulation/faults/faults.ts'
import { invariants } from '../../src/simulation/judge.ts'
import { runSocp } from '../cli/run-socp.ts'

const small = ['--servers', '2', '--users', '3', '--time', '15s'] as const
const folder = t.testdir()
const file = join(folder, 'trace.jsonl')
const traced = await runSocp(['simulate', '--seed', '5', ...small, '--trace', file, '--json'])

t.test('the last line says what happened and what was checked, and a clean world ends with 0', async t => {
  t.equal(traced.code, 0, traced.stderr)
  const line = JSON.parse(traced.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>
  t.same(Object.keys(line), ['seed', 'trace_hash', 'virtual_ms', 'facts', 'sent', 'displayed', 'faults', 'checked', 'violations'])
  t.same(Object.keys(line['checked'] as object), Object.keys(invariants))
  t.match(line, { seed: 5, trace_hash: /^[0-9a-f]{64}$/, violations: [] })
  t.ok((line['virtual_ms'] as number) >= 15_000)
})

const refused = async (args: readonly string[], why: RegExp) => {
  const { code, stdout, stderr } = await runSocp(args)
  return { code, stdout, stderr, why }
}
const inputs: readonly (readonly [name: string, args: readonly string[], why: RegExp])[] = [
  ['a fault that does not exist', ['simulate', '--faults', 'kill,thunder'], /There is no fault "thunder": they are kill, /],
  ['no server at all', ['simulate', '--servers', '0'], /servers/],
  ['more servers than a world holds', ['simulate', '--servers', '51'], /50/],
  ['a number of people that is none', ['simulate', '--users', 'many'], /users/],
  ['a time that is none', ['simulate', '--time', 'soon'], /time/],
  ['a time that is too short', ['simulate', '--time', '1s'], /time/],
  ['a seed that is none', ['simulate', '--seed', '-1'], /seed/],
  ['a trace of many worlds', ['simulate', '--seeds', '2', '--trace', join(folder, 'many.jsonl')], /leave --seeds out/],
  ['a trace that cannot be written', ['simulate', ...small, '--trace', join(folder, 'no', 'such', 'folder')], /cannot be written/],
  ['shrinking what is never the same', ['simulate', '--keys', 'real', '--shrink'], /leave --shrink out/],
  ['a node of no trace', ['replay', '--node', 's1'], /give --trace too/],
  ['a trace without a node', ['replay', '--trace', file], /choose one with --node, of liar, s1, s2/],
  ['a node that the trace does not know', ['replay', '--trace', file, '--node', 's9'], /knows no server s9: there are liar, s1, s2/],
  ['a trace that is not there', ['replay', '--trace', join(folder, 'none'), '--node', 's1'], /cannot be read/],
  ['a fact that the trace does not have', ['replay', '--trace', file, '--node', 's1', '--until', '99999'], /99999/],
]
for (const [name, args, why] of inputs)
  t.test(`${name} is a sentence and exit code 2`, async t => {
    const { code, stdout, stderr } = await refused(args, why)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, why)
    t.notMatch(stderr, /\n {4}at /, 'no stack')
  })

const files: readonly (readonly [name: string, content: string, why: RegExp])[] = [
  ['an empty file', '', /is empty/],
  ['garbage', 'once upon a time\n', /its line 1 is no JSON/],
  ['something else in JSON', '{"hello":1}\n', /names no version/],
  ['a trace of another version', '{"trace":99,"seed":1}\n', /is of version 99, and this program reads version 1/],
  ['a trace with a broken line', '{"trace":1,"seed":1}\n{"at":1,\n', /its line 2 is no JSON/],
]
for (const [name, content, why] of files)
  t.test(`${name} is refused as a trace with a sentence and exit code 2`, async t => {
    const path = join(t.testdir(), 'trace.jsonl')
    writeFileSync(path, content)
    const { code, stderr } = await runSocp(['replay', '--trace', path, '--node', 's1'])
    t.equal(code, 2)
    t.match(stderr, why)
  })

t.test('every way of looking at a log works on a trace', async t => {
  const replay = (...args: readonly string[]) => runSocp(['replay', '--trace', file, '--node', 's1', ...args])
  const state = await replay('--until', '5', '--json')
  t.equal(state.code, 0, state.stderr)
  t.match(JSON.parse(state.stdout), { seq: 5, running: true })
  const changes = await replay('--diff', '2..6', '--json')
  t.match(JSON.parse(changes.stdout), { from: { seq: 2 }, to: { seq: 6 } })
  const { stdout } = await replay('--json')
  const [address = ''] = Object.keys((JSON.parse(stdout) as { readonly machines: object }).machines)
  t.equal((await replay('--why', address)).code, 0)
  t.equal((await replay('--machine', address)).code, 0)
  t.equal((await replay('--without', '3', '--json')).code, 0)
  t.equal((await replay('--as-test', join(t.testdir(), 'a.test.ts'))).code, 0)
})

t.test('faults are chosen by name, all but some, or none, and the help names them', async t => {
  const faultsOf = async (list: string) => {
    const { stdout } = await runSocp(['simulate', '--seed', '5', ...small, '--json', `--faults=${list}`])
    return Object.keys((JSON.parse(stdout) as { readonly faults: object }).faults)
  }
  t.same(await faultsOf('none'), [])
  t.same(await faultsOf('cut'), ['cut'])
  t.notOk((await faultsOf('-cut,-kill')).includes('cut'))
  const { stdout } = await runSocp(['simulate', '--help'])
  for (const name of faultNames) t.match(stdout, new RegExp(`^ +${name} `, 'm'))
})
