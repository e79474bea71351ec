/** `socp log ls`: one row a fact, of a running or a stopped node, and clear words about a log that cannot be read. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import { nodeRandom } from '../../src/ports/node/random.ts'
import type { PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'
import type { NewFact } from '../../src/store/log.ts'
import { openSqliteLog, type SqliteLog } from '../../src/store/sqlite-log.ts'
import { runSocp, socpFile } from './run-socp.ts'

const server = '3f1b8a52-94c4-4a3e-8d7b-0c6f0f5f9a11' as ServerId
const user = '0d9c4d7e-6e0f-4a55-9a55-5f1d2a9b7c10' as UserId

const facts: readonly NewFact<Fact>[] = [
  { stream: 'node', at: 1_000, fact: { type: 'node.started', server, epoch: 1 } },
  { stream: `session:${user}`, at: 2_000, fact: { type: 'session.detached', user, why: 'red \u001b[31m \u009b31m ü' } },
  { stream: `link:${server}`, at: 3_000, fact: { type: 'link.silent', server } },
]

const openLog = async (t: Test): Promise<{ readonly data: string; readonly log: SqliteLog<Fact> }> => {
  const data = t.testdir()
  const log = await openSqliteLog<Fact>({
    file: join(data, 'log.db'),
    sha256: bytes => nodeCrypto().sha256(bytes),
    randomBytes: length => nodeRandom().bytes(length),
    endOfTick: run => nodeClock().endOfTick(run),
  })
  return { data, log }
}

const stoppedLog = async (t: Test, facts: readonly NewFact<Fact>[]): Promise<string> => {
  const { data, log } = await openLog(t)
  await log.append(facts, { expected: { epoch: log.epoch } })
  await log.close()
  return data
}

const rowsOf = (stdout: string): unknown[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)

t.test('with --json every fact is one object with the agreed keys', async t => {
  const { code, stdout, stderr } = await runSocp(['log', 'ls', '--data', await stoppedLog(t, facts), '--json'])
  t.equal(code, 0, stderr)
  t.same(rowsOf(stdout), [
    { seq: 1, stream: 'node', version: 1, type: 'node.started', at: 1_000, epoch: 1, data: { server, epoch: 1 } },
    {
      seq: 2,
      stream: `session:${user}`,
      version: 1,
      type: 'session.detached',
      at: 2_000,
      epoch: 1,
      data: { user, why: 'red \u001b[31m \u009b31m ü' },
    },
    { seq: 3, stream: `link:${server}`, version: 1, type: 'link.silent', at: 3_000, epoch: 1, data: { server } },
  ])
  t.notMatch(stdout, /[\u001b\u009b]/, 'nothing that a terminal would obey')
})

t.test('for people it is a table that a terminal shows as text', async t => {
  const { code, stdout } = await runSocp(['log', 'ls', '--data', await stoppedLog(t, facts)])
  t.equal(code, 0)
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.length, 4)
  t.match(lines[0], /seq +at +epoch +type +stream +data/)
  t.match(lines[1], /1 +1970-01-01T00:00:01\.000Z +1 +node\.started +node /)
  t.notMatch(stdout, /[\u001b\u009b]/)
})

t.test('keys are shortened for people, in a pipe too, and whole for scripts', async t => {
  const pubkey = `MIICIjAN${'A'.repeat(728)}` as PublicKeyText
  const pinned: Fact = { type: 'server.pinned', server, pubkey, host: '127.0.0.1', port: 9_001, vouchedBy: 'operator' }
  const data = await stoppedLog(t, [{ stream: `server:${server}`, at: 1_000, fact: pinned }])
  const { stdout } = await runSocp(['log', 'ls', '--data', data])
  t.match(stdout, `"pubkey":"${pubkey.slice(0, 24)}…"`)
  t.match(stdout, `"server":"${server}"`)
  t.match((await runSocp(['log', 'ls', '--data', data, '--json'])).stdout, pubkey)
})

t.test('--since and --stream choose', async t => {
  const data = await stoppedLog(t, facts)
  const seqs = async (...args: string[]): Promise<unknown[]> => {
    const { stdout } = await runSocp(['log', 'ls', '--json', '--data', data, ...args])
    return stdout === '' ? [] : rowsOf(stdout).map(row => (row as { seq: number }).seq)
  }
  t.same(await seqs('--since', '2'), [2, 3])
  t.same(await seqs('--since', '0'), [1, 2, 3])
  t.same(await seqs('--since', '99'), [])
  t.same(await seqs('--stream', 'node'), [1])
  t.same(await seqs('--stream', 'session:'), [2])
  t.same(await seqs('--stream', `link:${server}`, '--since', '2'), [3])
})

t.test('a node that runs can be read', async t => {
  const { data, log } = await openLog(t)
  t.teardown(() => log.close())
  await log.append(facts, { expected: { epoch: log.epoch } })
  const { code, stdout, stderr } = await runSocp(['log', 'ls', '--data', data, '--json'])
  t.equal(code, 0, stderr)
  t.equal(rowsOf(stdout).length, 3)
})

t.test('a reader that goes away ends it without a word', async t => {
  const many = Array.from({ length: 5_000 }, (_, at): NewFact<Fact> => ({
    stream: `link:${server}`,
    at,
    fact: { type: 'link.silent', server },
  }))
  const data = await stoppedLog(t, many)
  const child = spawn(process.execPath, [socpFile, 'log', 'ls', '--json', '--data', data], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = (await once(child, 'exit')) as [number | null]
  t.equal(code, 0)
  t.equal(stderr, '')
})

t.test('a log that cannot be read is one sentence and 78', async t => {
  const cases: readonly (readonly [what: string, harm: (file: string) => void, words: RegExp])[] = [
    ['not a database', file => writeFileSync(file, 'x'.repeat(8_192)), /is not a SQLite database/],
    ['damaged inside', damage, /is damaged/],
    ['from a newer version', newer, /newer version/],
    ["another program's", foreign, /another program/],
  ]
  for (const [what, harm, words] of cases) {
    const data = await stoppedLog(t, facts)
    harm(join(data, 'log.db'))
    const { code, stdout, stderr } = await runSocp(['log', 'ls', '--data', data, '--json'])
    t.equal(code, 78, `${what}: ${stderr}`)
    t.equal(stdout, '', what)
    t.match(stderr, words, what)
    t.equal(stderr.trimEnd().split('\n').length, 1, `${what}: one sentence, no stack`)
  }
})

t.test('no log at all is one sentence and 78', async t => {
  const { code, stderr } = await runSocp(['log', 'ls', '--data', t.testdir()])
  t.equal(code, 78)
  t.match(stderr, /^socp: There is no log at [^\n]+\n$/)
})

/** Every page but the first becomes noise. */
function damage(file: string): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.alloc(4_096 * 3, 0xa5), 0, 4_096 * 3, 4_096)
  closeSync(handle)
}

function newer(file: string): void {
  const db = new Database(file)
  db.pragma('user_version = 9999')
  db.close()
}

function foreign(file: string): void {
  const db = new Database(file)
  db.pragma('application_id = 1')
  db.close()
}
