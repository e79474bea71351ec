/**
 * Sets up what a fresh clone lacks, then runs its arguments on the Node that the lock file brings.
 *
 *   node scripts/with-setup.js [--tools] command [argument…]
 *
 * Plain JavaScript for Node 20: it runs before anything is installed. `command` is a program of the installed packages
 * (`node` is Node 24); no shell reads the arguments. With `--tools` it also looks for what tests need beside Node: a browser, strace, a C compiler.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const binaries = join(root, 'node_modules', '.bin')
const node = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
const locked = join(root, 'package-lock.json')
/** npm writes it last, so it tells what is really installed. */
const installed = join(root, 'node_modules', '.package-lock.json')

/**
 * What is installed here comes before what the machine has. Node keeps what it compiled, and TypeScript without its types, for the next
 * process: half of what the start of one costs.
 */
const environment = {
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compile'),
  ...process.env,
  PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}`,
}

const fail = sentence => {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}

const packagesOf = file => Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages ?? {})

/** True when all that the lock file lists is installed. Optional packages are for other machines than this, perhaps. */
const isInstalled = () => {
  if (!existsSync(installed) || !existsSync(node)) return false
  const present = new Map(packagesOf(installed))
  return packagesOf(locked).every(
    ([path, { version, integrity, optional }]) =>
      path === '' || optional || (present.get(path)?.version === version && present.get(path)?.integrity === integrity),
  )
}

/** Runs npm as the npm that runs us, which may be anywhere. Its words go to standard error: standard output is the command's. */
const npm = args => {
  const self = process.env.npm_execpath
  const [command, first] = self?.endsWith('.js') ? [process.execPath, [self]] : ['npm', []]
  return spawnSync(command, [...first, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
}

const installPackages = () => {
  if (isInstalled()) return
  process.stderr.write('Installing what package-lock.json lists (npm ci), once …\n')
  const { status, error } = npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
  if (error) fail(`Set-up needs npm, which could not be started: ${error.message}.`)
  if (status !== 0) fail(`Set-up failed: "npm ci" ended with exit code ${status}; its words stand above.`)
  if (!existsSync(node))
    fail(
      'Set-up brought no Node 24: install scripts seem to be switched off ("npm config get ignore-scripts"); switch them on and try again.',
    )
}

/** Tests need a browser and what makes disks fail. Where we may install them we do, as CI does; elsewhere the tests fail and name them. */
const installTools = () => {
  const { status, error } = spawnSync(join(root, 'scripts', 'install-tools'), { stdio: ['ignore', 2, 2] })
  if (error || status !== 0) process.stderr.write('Some tools are not there; the tests that need them will fail.\n')
}

/**
 * tap builds its test class from the plug-ins that .taprc names, but the run that finds it out of date still uses the old one,
 * which compiles TypeScript. So it is built before the first run.
 */
const buildTap = () => {
  const built = join(root, 'node_modules', '@tapjs', 'test', 'test-built', 'dist', 'esm', 'index.js')
  if (existsSync(built) && !readFileSync(built, 'utf8').includes('@tapjs/typescript')) return
  const { status, error } = spawnSync(node, [join(binaries, 'tap'), 'build'], { cwd: root, env: environment, stdio: ['ignore', 2, 2] })
  if (error || status !== 0) fail(`Set-up failed: "tap build" ended with ${error ? error.message : `exit code ${status}`}.`)
}

/** Runs the command to its end with our terminal, and ends as it ended. */
const run = (command, args) => {
  const program = command === 'node' ? node : join(binaries, command)
  const child = spawn(program, args, { stdio: 'inherit', env: environment })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
  const pass = signal => {
    // Ctrl-C reaches all processes of a terminal by itself; passed on it would count twice
    if (process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')) return
    child.kill(signal)
  }
  for (const signal of signals) process.on(signal, pass)
  child.on('error', error => fail(`Cannot run ${program}: ${error.message}.`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const name of signals) process.off(name, pass)
    process.kill(process.pid, signal)
    // a signal that this process outlives: the shell's convention
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100)
  })
}

const words = process.argv.slice(2)
const tools = words[0] === '--tools'
const [command, ...args] = tools ? words.slice(1) : words
if (command === undefined) fail('Usage: node scripts/with-setup.js [--tools] command [argument…]')
installPackages()
if (tools) installTools()
if (command === 'tap') buildTap()
run(command, args)
