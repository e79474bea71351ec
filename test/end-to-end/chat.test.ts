/** What people meet at the terminal: lost servers, lost terminals, odd files, long texts, and their data directory. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t from 'tap'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import type { ChatProcess } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

// set-up and tests take turns here: without a plan tap takes a pause for the end
t.plan(9)
const rig = processes(t)
const identity = async (n: number): Promise<string> => {
  const data = rig.place('data')
  writeIdentity(data, newId(), await stockKey(n))
  return data
}
const serverData = await identity(0)
const server = await rig.serve({ data: serverData })
const aliceData = await identity(1)
const alice = await rig.chat({ server: server.url, name: 'alice', data: aliceData })
const bob = await rig.chat({ server: server.url, name: 'bob', data: await identity(2) })
await alice.waitFor('presence', event => event.user_id === bob.id)

/** Types a line with a reference and waits for what comes of it. */
let refs = 0
const outcome = async (chat: ChatProcess, line: string) => {
  refs += 1
  const ref = `c${String(refs)}`
  chat.say(`@${ref} ${line}`)
  return Promise.race([
    chat.waitFor('sent', event => event.ref === ref && event.status !== 'waiting'),
    chat.waitFor('error', event => event.ref === ref),
  ])
}
const file = (name: string, bytes: Buffer | string): string => {
  const path = join(rig.place('files'), name)
  writeFileSync(path, bytes)
  return path
}

t.test('a text that is too long is refused with a sentence, and the longest that fits arrives', async t => {
  const refused = await outcome(alice, `/tell bob ${'x'.repeat(100_000)}`)
  t.ok(refused.event === 'error' || (refused.status === 'failed' && refused.why), JSON.stringify(refused))
  const text = 'y'.repeat(16_000)
  t.match(await outcome(alice, `/tell bob ${text}`), { event: 'sent', status: 'sent' })
  t.match(await bob.waitFor('message', event => event.text === text), { verified: true })
})

t.test('files of no bytes, of one byte, of block borders and with odd names arrive under safe names', async t => {
  const folder = readdirSync(bob.data)
  for (const [name, size] of [
    ['empty', 0],
    ['one.txt', 1],
    ['446.bin', 446],
    ['447.bin', 447],
    ['-rf ~.sh', 10],
    ['.hidden', 10],
    ['日本語 ё.txt', 10],
  ] as const) {
    const since = bob.mark()
    const bytes = Buffer.alloc(size, 7)
    t.match(await outcome(alice, `/file bob "${file(name, bytes)}"`), { event: 'sent' }, name)
    const got = await bob.waitFor('file', undefined, { since })
    t.match(got, { size, sha256: createHash('sha256').update(bytes).digest('hex'), verified: true })
    t.ok(readFileSync(got.path).equals(bytes))
    t.ok(got.path.startsWith(bob.data) || !got.path.includes('..'), got.path)
  }
  t.ok(readdirSync(bob.data).length >= folder.length)
})

t.test('a file that is a directory or is missing, and commands without their words, are refused with a sentence', async t => {
  const folder = rig.place('folder')
  mkdirSync(join(folder, 'inner'))
  for (const line of [
    `/file bob ${folder}`,
    '/file bob',
    '/file',
    '/tell',
    '/tell bob',
    '/tell nobody x',
    '/trust',
    '/trust nobody',
    '/nonsense',
    '/file bob "unfinished',
  ]) {
    const got = await outcome(alice, line)
    t.equal(got.event, 'error', line)
  }
  t.match(await outcome(alice, '/tell bob still here'), { event: 'sent', status: 'sent' })
})

t.test('two people of one name are told apart: the name is ambiguous, their ids are not', async t => {
  const other = await rig.chat({ server: server.url, name: 'bob', data: await identity(3) })
  await alice.waitFor('presence', event => event.user_id === other.id)
  const refused = await outcome(alice, '/tell bob which one')
  t.equal(refused.event, 'error')
  t.match(JSON.stringify(refused), bob.id)
  t.match(JSON.stringify(refused), other.id)
  t.match(await outcome(alice, `/tell ${other.id} you`), { event: 'sent', status: 'sent' })
  t.ok((await other.waitFor('message', event => event.text === 'you')).verified)
  const since = alice.mark()
  other.say('/quit')
  t.same(await other.exited, { code: 0, signal: null })
  await alice.waitFor('presence', event => event.user_id === other.id && event.state === 'offline', { since })
})

t.test('a terminal that is killed is away, and back when it returns with its data', async t => {
  const data = await identity(4)
  const carol = await rig.chat({ server: server.url, name: 'carol', data })
  await alice.waitFor('presence', event => event.user_id === carol.id)
  await carol.kill()
  const again = await rig.chat({ server: server.url, name: 'carol', data })
  t.equal(again.id, carol.id)
  t.match(await outcome(alice, '/tell carol welcome back'), { event: 'sent', status: 'sent' })
  t.match(await again.waitFor('message', event => event.text === 'welcome back'), { verified: true })
  t.notOk(alice.events.some(event => event.event === 'presence' && event.user_id === carol.id && event.state === 'offline'))
  t.notOk(alice.events.some(event => event.event === 'alarm'))
  again.endInput()
  t.same(await again.exited, { code: 0, signal: null })
})

t.test('a second chat on the same data directory, and data of a newer version, are refused with 78', async t => {
  const second = await rig.run(['chat', '--json', '--server', server.url, '--name', 'alice', '--data', aliceData])
  t.equal(second.code, 78, second.stderr)
  t.notMatch(second.stderr, /^\s+at .+:\d+:\d+\)?$/m)
  const data = await identity(5)
  const dora = await rig.chat({ server: server.url, name: 'dora', data })
  dora.endInput()
  t.same(await dora.exited, { code: 0, signal: null })
  const log = readdirSync(data).find(name => name.endsWith('.db'))
  t.ok(log, readdirSync(data).join(', '))
  const database = new Database(join(data, log ?? ''))
  database.pragma('user_version = 999')
  database.close()
  const newer = await rig.run(['chat', '--json', '--server', server.url, '--name', 'dora', '--data', data])
  t.equal(newer.code, 78, newer.stderr)
  t.match(newer.stderr, /newer|version/i)
})

t.test('commands from a pipe run one after the other, and a failure makes the exit code 1', async t => {
  const good = await rig.run(['chat', '--json', '--server', server.url, '--name', 'pipe', '--data', await identity(6)], {
    input: '@a /list\n@b /tell bob through a pipe\n\n@c /all to all of you\n',
  })
  t.equal(good.code, 0, good.stderr + good.stdout.slice(-1000))
  t.match(await bob.waitFor('message', event => event.text === 'through a pipe'), { name: 'pipe', verified: true })
  t.match(await bob.waitFor('message', event => event.text === 'to all of you'), { kind: 'public', verified: true })
  const bad = await rig.run(['chat', '--json', '--server', server.url, '--name', 'pipe', '--data', await identity(7)], {
    input: '@x /tell nobody x\n',
  })
  t.equal(bad.code, 1, bad.stdout.slice(-1000))
})

t.test('what is typed while the server is gone is reported as failed or sent later, never lost in silence nor doubled', async t => {
  const marks = [alice.mark(), bob.mark()]
  await server.kill()
  for (const [n, chat] of [alice, bob].entries()) await chat.waitFor('offline', undefined, { since: marks[n] ?? 0 })
  alice.say('@later /tell bob typed in the dark')
  const first = await alice.waitFor('sent', event => event.ref === 'later')
  if (first.status === 'failed') t.ok(first.why, 'it says why')
  const again = await rig.serve({ data: serverData, port: server.port })
  t.equal(again.id, server.id)
  for (const [n, chat] of [alice, bob].entries()) await chat.waitFor('resumed', undefined, { since: marks[n] ?? 0, timeoutMs: 30_000 })
  const end = first.status === 'waiting' ? await alice.waitFor('sent', event => event.ref === 'later' && event.status !== 'waiting') : first
  t.match(await outcome(alice, '/tell bob and after'), { event: 'sent', status: 'sent' })
  t.match(await bob.waitFor('message', event => event.text === 'and after'), { verified: true })
  const copies = bob.events.filter(event => event.event === 'message' && event.text === 'typed in the dark').length
  t.equal(copies, end.status === 'failed' ? 0 : 1)
  t.notOk([...alice.events, ...bob.events].some(event => event.event === 'alarm'))
})

t.test('Ctrl-C ends a chat and a server in order', async t => {
  process.kill(bob.pid, 'SIGINT')
  t.match(await bob.exited, { signal: null })
  const left = await alice.waitFor('presence', event => event.user_id === bob.id && event.state === 'offline')
  t.equal(left.name, 'bob')
  alice.endInput()
  await alice.exited
})
