/** What wins over what in the configuration of a server, and what each mistake is called (78 in files, 2 in options). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readConfig, type ServeOptions } from '../../src/cli/config-file.ts'
import { CommandFailure } from '../../src/cli/failure.ts'
import { testKey } from '../helpers/test-keys.ts'

const folder = await mkdtemp(join(tmpdir(), 'socp-config-'))
t.teardown(() => rm(folder, { recursive: true }))
const { publicText: pubkey } = await testKey(0)
let files = 0
const file = async (text: string): Promise<string> => {
  const path = join(folder, `${(files += 1)}.yaml`)
  await writeFile(path, text)
  return path
}
const read = (options: Partial<ServeOptions> = {}) => readConfig({ data: folder, ...options })
const failure = async (options: Partial<ServeOptions>): Promise<{ readonly exitCode: number; readonly message: string }> => {
  const error: unknown = await read(options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof CommandFailure)) throw new Error(`no failure but ${String(error)}`)
  return error
}
const list = (port: number) => `bootstrap_servers: [{host: chat.example, port: ${port}, pubkey: ${pubkey}}]\n`

t.test('without files and options it is a server on this machine alone', async t => {
  t.match(await read(), { host: '127.0.0.1', port: 9_000, bootstrap_servers: [] })
  t.notHas(await read(), { advertise: String })
})

t.test('an empty file changes nothing', async t => {
  for (const text of ['', '# nothing\n', '---\n']) t.same(await read({ config: await file(text) }), await read())
})

t.test('a file wins over the defaults, and options win over the file', async t => {
  const config = await file('host: 10.0.0.1\nport: 7\nadvertise: a.example:1\nlimits: {sessions: 3}\n')
  t.match(await read({ config }), { host: '10.0.0.1', port: 7, advertise: 'a.example:1', limits: { sessions: 3, sockets: 10_000 } })
  const options = { host: '10.0.0.2', port: 0, advertise: 'b.example:2' }
  t.match(await read({ config, ...options }), { ...options, limits: { sessions: 3 } })
})

t.test('a bootstrap list takes the place of the one in the configuration', async t => {
  const config = await file(list(1))
  t.match((await read({ config })).bootstrap_servers, [{ host: 'chat.example', port: 1, pubkey }])
  const { bootstrap_servers } = await read({ config, bootstrap: await file(list(2)) })
  t.match(bootstrap_servers, [{ port: 2 }])
})

t.test('a file that is missing, is not YAML or has a mistake ends with 78 and its name', async t => {
  const missing = join(folder, 'missing.yaml')
  t.match(await failure({ config: missing }), { exitCode: 78, message: /missing\.yaml: there is no such file/ })
  t.match(await failure({ bootstrap: missing }), { exitCode: 78, message: /missing\.yaml/ })
  t.match(await failure({ config: folder }), { exitCode: 78, message: /EISDIR/ })
  for (const [text, message] of [
    ['a: [', /is not YAML/],
    ['hots: x', /hots/],
    ['limits: {sockets: -1}', /limits\.sockets/],
    ['- a\n- b', /cannot be used/],
    ['just text', /cannot be used/],
  ] as const) {
    const config = await file(text)
    const failed = await failure({ config })
    t.match(failed, { exitCode: 78, message }, text)
    t.ok(failed.message.includes(config), 'it names the file')
  }
})

t.test('a bootstrap list without introducers ends with 78', async t => {
  for (const text of ['', 'bootstrap_servers: []', 'servers: []'])
    t.match(await failure({ bootstrap: await file(text) }), { exitCode: 78 }, text)
})

t.test('a key that cannot be used is named with its server, wherever it stands', async t => {
  const bad = '{host: chat.example, port: 5, pubkey: bm90LWEta2V5}'
  const message = /chat\.example:5/
  t.match(await failure({ config: await file(`bootstrap_servers: [${bad}]`) }), { exitCode: 78, message })
  t.match(await failure({ bootstrap: await file(`bootstrap_servers: [${bad}]`) }), { exitCode: 78, message })
  t.match(await failure({ config: await file(`servers: [{server_id: a, ${bad.slice(1)}]`) }), { exitCode: 78, message })
})

t.test('an --advertise that is no address is wrong usage', async t => {
  for (const advertise of ['chat.example', 'chat.example:0', ':9000', 'http://a:1'])
    t.match(await failure({ advertise }), { exitCode: 2, message: /HOST:PORT/ }, advertise)
})

t.test('listening on a wildcard without saying how one is reached is wrong usage', async t => {
  for (const host of ['0.0.0.0', '::']) {
    t.match(await failure({ host }), { exitCode: 2, message: /--advertise/ })
    t.match(await read({ host, advertise: 'chat.example:9000' }), { host })
  }
})
