/** What operators and people get wrong on the command line and on disk: one clear sentence and the right exit code. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t from 'tap'
import type { Test } from 'tap'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeBootstrap, writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(11)

const rig = processes(t)
const key = await stockKey(0)
const place = (): string => {
  const data = rig.place('data')
  writeIdentity(data, newId(), key)
  return data
}

const serve = ['serve', '--json', '--port', '0']

// it takes its time, in which the other tests run
const unanswered = rig.run(['chat', '--json', '--server', 'ws://127.0.0.1:9', '--name', 'x', '--data', place()], { timeoutMs: 60_000 })

type Outcome = Awaited<ReturnType<typeof rig.run>>
/** One sentence for a person: no stack, no object dump, no more than a few lines. */
const isOneSentence = (t: Test, { code, stderr, stdout }: Outcome, expected: number, about?: RegExp): void => {
  t.equal(code, expected, `exit code; stderr: ${stderr}`)
  t.notMatch(stderr, /^\s+at .+:\d+:\d+\)?$/m, 'no stack')
  const lines = stderr.split('\n').filter(line => line.trim() !== '')
  t.ok(lines.length >= 1 && lines.length <= 4, `${String(lines.length)} lines: ${stderr}`)
  if (about !== undefined) t.match(stderr, about)
  t.notMatch(stdout, /"event":"ready"/)
}

t.test('wrong usage exits 2', async t => {
  const cases: readonly (readonly string[])[] = [
    ['nonsense'],
    ['serve', '--nonsense'],
    ['serve', '--port', 'eighty', '--data', place()],
    ['serve', '--port', '70000', '--data', place()],
    ['serve', '--port', '-1', '--data', place()],
    ['serve', '--host', '0.0.0.0', '--port', '0', '--data', place()],
    ['serve', '--host', '::', '--port', '0', '--data', place()],
    ['serve', '--advertise', 'nowhere', '--port', '0', '--data', place()],
    ['chat', '--json'],
    ['chat', '--server', 'ws://127.0.0.1:1'],
    ['chat', '--server', 'not a url', '--name', 'x', '--data', place()],
    ['log', 'ls', '--since', 'yesterday', '--data', place()],
    ['keys', 'nonsense'],
  ]
  for (const { args, code, stderr } of await Promise.all(cases.map(async args => ({ args, ...(await rig.run(args)) })))) {
    t.equal(code, 2, `socp ${args.filter(arg => !arg.startsWith('/')).join(' ')}: ${stderr.slice(0, 300)}`)
    t.notMatch(stderr, /unknown command '(serve|chat|keys|log|state)'/)
    t.ok(stderr.trim().length > 0)
  }
})

t.test('listening on a wildcard works when it says where it can be reached', async t => {
  const server = await rig.serve({ data: place(), args: ['--host', '0.0.0.0', '--advertise', '127.0.0.1:4711'] })
  t.ok(server.id)
  t.same(await server.stop(), { code: 0, signal: null })
})

t.test('--help answers with examples everywhere and exits 0', async t => {
  const commands: readonly (readonly string[])[] = [[], ['serve'], ['chat'], ['keys'], ['log'], ['log', 'ls'], ['state']]
  for (const { command, code, stdout } of await Promise.all(
    commands.map(async command => ({ command, ...(await rig.run([...command, '--help'])) })),
  )) {
    t.equal(code, 0)
    t.match(stdout, ['socp', ...command].join(' '))
    t.match(stdout, /example/i, `socp ${command.join(' ')} --help`)
  }
})

t.test('a data directory that another server holds is refused with 78, and the holder goes on', async t => {
  const data = place()
  const holder = await rig.serve({ data })
  isOneSentence(t, await rig.run([...serve, '--data', data]), 78, /use|lock|held|running|another/i)
  const state = await rig.run(['state', '--json', '--data', data])
  t.equal(state.code, 0, state.stderr)
  t.match(JSON.parse(state.stdout.trim().split('\n')[0] ?? ''), Object)
  t.same(await holder.stop(), { code: 0, signal: null })
})

t.test('a log of a newer version, a damaged log and a file in its place are refused with 78', async t => {
  const used = place()
  const server = await rig.serve({ data: used })
  await server.stop()
  const isDatabase = (name: string): boolean => /\.(db|sqlite3?)$/.test(name)
  const file = readdirSync(used).find(isDatabase)
  t.ok(file, `a database in ${readdirSync(used).join(', ')}`)
  if (file === undefined) return
  const database = new Database(join(used, file))
  database.pragma('user_version = 999')
  database.close()
  isOneSentence(t, await rig.run([...serve, '--data', used]), 78, /newer|version/i)
  isOneSentence(t, await rig.run(['state', '--json', '--data', used]), 78, /newer|version/i)
  isOneSentence(t, await rig.run(['log', 'ls', '--json', '--data', used]), 78, /newer|version/i)

  const damaged = place()
  writeFileSync(join(damaged, file), 'this is not a database, and long enough to be read as a header of one'.repeat(100))
  isOneSentence(t, await rig.run([...serve, '--data', damaged]), 78)
  const folder = place()
  mkdirSync(join(folder, file))
  isOneSentence(t, await rig.run([...serve, '--data', folder]), 78)
})

t.test('a data directory that cannot be used is refused with 78', async t => {
  const parent = rig.place('parent')
  const isFile = join(parent, 'a-file')
  writeFileSync(isFile, '')
  isOneSentence(t, await rig.run([...serve, '--data', isFile]), 78)
  isOneSentence(t, await rig.run([...serve, '--data', join(isFile, 'below')]), 78)
  isOneSentence(t, await rig.run(['state', '--data', join(parent, 'nothing-here')]), 78)
  isOneSentence(t, await rig.run(['log', 'ls', '--data', join(parent, 'nothing-here')]), 78)
  if (process.getuid?.() === 0) t.comment('run by root, whom no mode bits stop: unreadable directories are covered by the cases above')
  else {
    const locked = place()
    chmodSync(locked, 0o000)
    t.teardown(() => {
      chmodSync(locked, 0o700)
    })
    isOneSentence(t, await rig.run([...serve, '--data', locked]), 78)
  }
})

t.test('a key file that is damaged or not RSA-4096 is refused with 78', async t => {
  const small = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const files = [small, elliptic, 'garbage', ''].map(pem => {
    const data = place()
    writeFileSync(join(data, 'key.pem'), pem)
    return data
  })
  for (const outcome of await Promise.all(files.map(data => rig.run([...serve, '--data', data])))) isOneSentence(t, outcome, 78, /key/i)
  const data = place()
  writeFileSync(join(data, 'identity.json'), '{"id": 7}')
  isOneSentence(t, await rig.run([...serve, '--data', data]), 78, /identity/i)
})

t.test('a port that is taken is said in a sentence', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const outcome = await rig.run([...serve, '--data', place(), '--port', String(port)])
  t.ok([1, 78].includes(outcome.code ?? -1), `exit ${String(outcome.code)}`)
  isOneSentence(t, outcome, outcome.code ?? -1, new RegExp(String(port)))
})

t.test('a bootstrap list that is missing, malformed or holds a bad key is refused with 78', async t => {
  const folder = rig.place('lists')
  const list = (text: string): string => {
    const file = join(rig.place('list'), 'bootstrap.yaml')
    writeFileSync(file, text)
    return file
  }
  const files = [
    join(folder, 'missing.yaml'),
    folder,
    list('bootstrap_servers: ['),
    list('bootstrap_servers: 7'),
    list('something_else: []'),
    list('bootstrap_servers:\n  - host: 127.0.0.1\n'),
    list(`bootstrap_servers:\n  - host: 127.0.0.1\n    port: 70000\n    pubkey: ${key.text}\n`),
    writeBootstrap(folder, [{ host: '127.0.0.1', port: 1, pubkey: 'not-a-key' }]),
    writeBootstrap(folder, [{ host: '127.0.0.1', port: 1, pubkey: key.text.slice(0, 400) }]),
  ]
  for (const outcome of await Promise.all(files.map(file => rig.run([...serve, '--data', place(), '--bootstrap', file])))) {
    isOneSentence(t, outcome, 78)
  }
  const config = list('nonsense_setting: true')
  isOneSentence(t, await rig.run([...serve, '--data', place(), '--config', config]), 78, /nonsense_setting/)
})

t.test('a chat to a server that is not there ends with a sentence', async t => {
  const outcome = await unanswered
  t.equal(outcome.code, 1)
  t.notMatch(outcome.stderr, /^\s+at .+:\d+:\d+\)?$/m)
  t.ok((outcome.stderr + outcome.stdout).length > 0)
})

t.test('keys new makes a key that keys show prints, and never overwrites one', async t => {
  const data = place()
  const shown = await rig.run(['keys', 'show', '--data', data])
  t.equal(shown.code, 0, shown.stderr)
  t.match(shown.stdout, key.text)
  t.notMatch(shown.stdout + shown.stderr, /PRIVATE KEY/)
  const again = await rig.run(['keys', 'new', '--data', data])
  t.not(again.code, 0)
  t.equal((await rig.run(['keys', 'show', '--data', data])).stdout, shown.stdout)
})
