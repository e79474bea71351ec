/** The packed tarball, installed into an empty directory as anybody would, serves and chats. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { programEnvironment } from '../helpers/program-environment.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(3)

// what is installed here is gone afterwards, so nothing compiled of it is kept
process.env['NODE_DISABLE_COMPILE_CACHE'] = '1'

const root = fileURLToPath(new URL('../../', import.meta.url))
const place = processes(t).place('installed')

/** npm as a person would call it, on the Node that runs this test. */
const npm = async (args: readonly string[], cwd: string): Promise<string> => {
  const environment = Object.fromEntries(Object.entries(programEnvironment()).filter(([name]) => !name.startsWith('npm_')))
  const PATH = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`
  const { stdout } = await promisify(execFile)('npm', [...args], { cwd, env: { ...environment, PATH }, maxBuffer: 64 << 20 })
  return stdout
}

const tarballs = join(place, 'tarballs')
mkdirSync(tarballs)
const [packed] = JSON.parse(await npm(['pack', '--json', '--silent', '--pack-destination', tarballs], root)) as {
  filename: string
  files: { path: string }[]
  size: number
}[]
if (packed === undefined) throw new Error('npm pack answered nothing')
const empty = join(place, 'empty')
mkdirSync(empty)
writeFileSync(join(empty, 'package.json'), '{"name":"somebody","version":"1.0.0","private":true}\n')
const began = performance.now()
await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', '--omit=dev', join(tarballs, packed.filename)], empty)
t.comment(`${String(packed.files.length)} files, ${String(packed.size)} bytes, installed in ${(performance.now() - began).toFixed(0)} ms`)

t.test('the tarball holds what runs and nothing else', t => {
  const paths = packed.files.map(file => file.path)
  t.ok(paths.includes('bin/socp'))
  t.ok(paths.some(path => path.startsWith('dist/')))
  for (const path of paths) t.notMatch(path, /^(test|src|bench|node_modules|\.ci|\.tap)\/|\.test\.|\.pem$|\.sqlite/, path)
  t.end()
})

t.test('socp of an installed package serves and chats', async t => {
  const installed = realpathSync(join(empty, 'node_modules', '.bin', 'socp'))
  t.ok(existsSync(installed))
  const rig = processes(t, installed)
  const folders = await Promise.all(
    [0, 1, 2].map(async n => {
      const data = rig.place('data')
      writeIdentity(data, newId(), await stockKey(n))
      return data
    }),
  )
  const [data, one, two] = folders
  if (data === undefined || one === undefined || two === undefined) return
  const server = await rig.serve({ data })
  const alice = await rig.chat({ server: server.url, name: 'alice', data: one })
  const bob = await rig.chat({ server: server.url, name: 'bob', data: two })
  await alice.waitFor('presence', event => event.user_id === bob.id)
  alice.say('/tell bob hello from a package')
  t.match(await bob.waitFor('message'), { from: alice.id, text: 'hello from a package', verified: true })
  bob.say('/all and to all')
  t.match(await alice.waitFor('message'), { from: bob.id, kind: 'public', text: 'and to all', verified: true })
  for (const chat of [alice, bob]) {
    chat.endInput()
    t.same(await chat.exited, { code: 0, signal: null })
  }
  const log = await rig.run(['log', 'ls', '--json', '--data', data])
  t.match(log.stdout, /"node\.started"/)
  t.same(await server.stop(), { code: 0, signal: null })
  t.match((await rig.run(['--version'])).stdout, /^\d+\.\d+\.\d+/)
})

t.test('a program beside the installed package starts a node from facts, and looks at it', async t => {
  const program = `
    import { startNode } from 'socp-node/testing'
    const node = await startNode({ facts: [{ type: 'user.advertised', user: 'ann', server: 's2', pubkey: 'key', meta: {}, caps: [], seq: [1, 1], digest: 'a' }] })
    const { directory } = await node.view()
    await node.stop()
    console.log(JSON.stringify(directory.map(({ user_id }) => user_id)))
  `
  writeFileSync(join(empty, 'program.mjs'), program)
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: empty })
  t.same(JSON.parse(stdout), ['ann'])
})
