/** `scripts/with-setup.js`: installs only what is missing, then runs the command as if it stood there itself. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const script = fileURLToPath(new URL('../../scripts/with-setup.js', import.meta.url))
const lockOf = (version: string): string =>
  JSON.stringify({
    packages: { '': { name: 'x' }, 'node_modules/a': { version, integrity: 'i' }, 'node_modules/b': { version: '1', optional: true } },
  })

/** Stands in for npm: notes how it was called, and installs by writing what npm would write last. */
const npm = `
const fs = require('fs'), path = require('path')
fs.appendFileSync('npm-calls', process.argv.slice(2).join(' ') + '\\n')
if (process.env.NPM_FAILS) process.exit(3)
fs.mkdirSync('node_modules/node/bin', { recursive: true })
if (!fs.existsSync('node_modules/node/bin/node') && !process.env.NPM_IGNORES_SCRIPTS) fs.symlinkSync(process.execPath, 'node_modules/node/bin/node')
fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json')
console.log('words of npm')
`

const checkout = (t: Test): string => {
  const root = t.testdir({ 'package.json': '{"type":"module"}', 'package-lock.json': lockOf('1.0.0'), 'npm.cjs.js': '', scripts: {} })
  copyFileSync(script, join(root, 'scripts', 'with-setup.js'))
  mkdirSync(join(root, 'npm'))
  writeFileSync(join(root, 'npm', 'package.json'), '{"type":"commonjs"}')
  writeFileSync(join(root, 'npm', 'npm-cli.js'), npm)
  return root
}

const run = (root: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, [join(root, 'scripts', 'with-setup.js'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: join(root, 'npm', 'npm-cli.js'), ...env },
  })

const callsOf = (root: string): number =>
  existsSync(join(root, 'npm-calls')) ? readFileSync(join(root, 'npm-calls'), 'utf8').trimEnd().split('\n').length : 0

t.test('a bare clone is set up once, then only when the lock file says something else', t => {
  const root = checkout(t)
  for (const calls of [1, 1]) {
    const { status, stdout } = run(root, ['node', '-p', '1 + 1'])
    t.equal(status, 0)
    t.equal(stdout, '2\n', "standard output is the command's alone")
    t.equal(callsOf(root), calls)
  }
  writeFileSync(join(root, 'package-lock.json'), lockOf('1.0.1'))
  t.equal(run(root, ['node', '-p', '1']).status, 0)
  t.equal(callsOf(root), 2)
  t.match(readFileSync(join(root, 'npm-calls'), 'utf8'), /^ci --include=dev /)
  t.end()
})

t.test('a set-up that fails runs nothing and says so', t => {
  const failed = run(checkout(t), ['node', '-p', '1'], { NPM_FAILS: '1' })
  t.match(failed, { status: 1, stdout: '', stderr: /"npm ci" ended with exit code 3/ })
  const withoutNode = run(checkout(t), ['node', '-p', '1'], { NPM_IGNORES_SCRIPTS: '1' })
  t.match(withoutNode, { status: 1, stdout: '', stderr: /brought no Node 24.*ignore-scripts/ })
  t.end()
})

t.test('arguments reach the command as they are, and its exit code comes back', t => {
  const root = checkout(t)
  const odd = ['a b', '$HOME', '"; exit 9', '--json', '']
  const { stdout } = run(root, ['node', '-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...odd])
  t.same(JSON.parse(stdout), odd)
  t.equal(run(root, ['node', '-e', 'process.exit(78)']).status, 78)
  t.equal(run(root, ['node', '-e', 'process.kill(process.pid, "SIGKILL")']).signal, 'SIGKILL')
  t.end()
})

t.test('installed programs come first on the PATH', t => {
  const root = checkout(t)
  run(root, ['node', '-p', '1'])
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true })
  symlinkSync('/bin/echo', join(root, 'node_modules', '.bin', 'says'))
  t.equal(run(root, ['says', 'hello']).stdout, 'hello\n')
  t.match(run(root, ['node', '-p', 'process.env.PATH']).stdout, join(root, 'node_modules', '.bin'))
  t.match(run(root, ['nosuch']), { status: 1, stderr: /Cannot run .*nosuch/ })
  t.match(run(root, []), { status: 1, stderr: /^Usage: / })
  t.end()
})

t.test('signals are passed on', async t => {
  const root = checkout(t)
  run(root, ['node', '-p', '1'])
  const program = 'process.on("SIGTERM", () => process.exit(5)); setInterval(() => {}, 1e6); console.log("up")'
  const child = spawn(process.execPath, [join(root, 'scripts', 'with-setup.js'), 'node', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [5, null])
})
