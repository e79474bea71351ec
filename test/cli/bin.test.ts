/** `bin/socp` on good Nodes, old Nodes and no Node: it runs the program, hands over, or says what it needs. */
import { spawn, execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writeIdentity } from '../helpers/processes.ts'
import { programEnvironment } from '../helpers/program-environment.ts'
import { stockKey } from '../helpers/stock-crypto.ts'
import { oldNode, runSocp, socpFile } from './run-socp.ts'

/** A package tree whose program is `main`; `node` puts the Node that npm would bring beside it. */
const installed = (t: Test, main: string, { node }: { readonly node: boolean }): string => {
  const root = join(t.testdir({ node_modules: { 'socp-node': {} } }), 'node_modules', 'socp-node')
  for (const folder of ['bin', 'dist/cli']) mkdirSync(join(root, folder), { recursive: true })
  copyFileSync(socpFile, join(root, 'bin', 'socp'))
  chmodSync(join(root, 'bin', 'socp'), 0o755)
  writeFileSync(join(root, 'bin', 'package.json'), '{"type":"commonjs"}')
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(join(root, 'dist', 'cli', 'main.js'), main)
  if (node) {
    mkdirSync(join(root, '..', 'node', 'bin'), { recursive: true })
    symlinkSync(process.execPath, join(root, '..', 'node', 'bin', 'node'))
  }
  return join(root, 'bin', 'socp')
}

t.test('a Node that calls itself old hands over to the one of npm ci', async t => {
  const { code, stdout } = await runSocp(['--version'], { node: [process.execPath, ...oldNode] })
  t.equal(code, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test("this machine's own Node runs it, by itself or by handing over", async t => {
  const system = ['/usr/bin/node', '/usr/local/bin/node'].find(file => existsSync(file)) ?? process.execPath
  const version = execFileSync(system, ['--version'], { encoding: 'utf8' }).trim()
  const { code, stdout } = await runSocp(['--version'], { node: [system] })
  t.equal(code, 0, `on ${version}`)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('the hand-over passes arguments, exit code and both outputs on', async t => {
  const program = installed(t, 'console.log(JSON.stringify(process.argv.slice(2))); console.error("words"); process.exitCode = 78', {
    node: true,
  })
  const { code, stdout, stderr } = await runSocp(['a b', '$HOME', '"; ls'], { program, node: [process.execPath, ...oldNode] })
  t.equal(code, 78)
  t.same(JSON.parse(stdout), ['a b', '$HOME', '"; ls'])
  t.equal(stderr, 'words\n')
})

t.test('the hand-over passes signals on, and ends as the program ended', async t => {
  const program = installed(
    t,
    'process.on("SIGTERM", () => { console.log("stopping"); process.exit(5) }); setInterval(() => {}, 1e6); console.log("up")',
    { node: true },
  )
  const child = spawn(process.execPath, [...oldNode, program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  t.equal(first.toString(), 'up\n')
  child.kill('SIGTERM')
  const [[second], [code]] = await Promise.all([once(child.stdout, 'data'), once(child, 'exit')])
  t.equal(String(second), 'stopping\n')
  t.equal(code, 5)
})

t.test('a program that dies of a signal makes the hand-over die of it', async t => {
  const program = installed(t, 'process.kill(process.pid, "SIGKILL")', { node: true })
  const { signal } = await runSocp([], { program, node: [process.execPath, ...oldNode] })
  t.equal(signal, 'SIGKILL')
})

t.test('a hand-over that is killed takes the program along, so that it can be started again', async t => {
  const data = t.testdir()
  writeIdentity(data, randomUUID(), await stockKey(0))
  const args = [...oldNode, socpFile, 'serve', '--json', '--port', '0', '--data', data]
  const child = spawn(process.execPath, args, { env: programEnvironment(), stdio: ['ignore', 'pipe', 'ignore'] })
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  t.match(String(first), /"event":"ready"/)
  child.kill('SIGKILL')
  // its other end is open as long as the program lives
  await once(child.stdout, 'close')
  t.match((await runSocp(['status', '--data', data])).stderr, /No server runs on/)
})

t.test('a good Node runs the program in its own process', async t => {
  const program = installed(t, 'console.log(process.ppid)', { node: false })
  const { code, stdout } = await runSocp([], { program })
  t.equal(code, 0)
  t.equal(Number(stdout), process.pid)
})

t.test('without a suitable Node it says in one sentence what it needs', async t => {
  const program = installed(t, '', { node: false })
  const { code, stdout, stderr } = await runSocp([], { program, node: [process.execPath, ...oldNode] })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^socp: needs Node 22\.18 or later, and this is v18\.20\.8; [^\n]+\.\n$/)
})

t.test('a package without its program says so', async t => {
  const root = t.testdir({ bin: { 'package.json': '{"type":"commonjs"}' } })
  copyFileSync(socpFile, join(root, 'bin', 'socp'))
  const { code, stderr } = await runSocp([], { program: join(root, 'bin', 'socp') })
  t.equal(code, 1)
  t.match(stderr, /^socp: the program is missing at [^\n]+\n$/)
})
