/** `socp log tail | show | verify | export` and the filters of `ls`, on what a real node recorded, running or stopped. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Database from 'better-sqlite3'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { signPayload } from '../../src/crypto/transport-signature.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { foldNode, type NodeView } from '../../src/server/replay.ts'
import type { NewFact, RecordedFact } from '../../src/store/log.ts'
import { testKey } from '../helpers/test-keys.ts'
import { recordLife, writeLog } from './recorded-log.ts'
import { runSocp, socpFile } from './run-socp.ts'

const { data, facts, withAnn, ann, bob, self, peer } = await recordLife(t)
const head = facts.length

const log = (command: string, ...args: readonly string[]) => runSocp(['log', command, '--data', data, ...args])
interface Row extends Omit<RecordedFact, 'fact'> {
  readonly type: string
  readonly data: object
}
const rowsOf = (stdout: string): readonly Row[] =>
  stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Row)
const seqs = async (command: string, ...args: readonly string[]): Promise<number[]> => {
  const { code, stdout, stderr } = await log(command, '--json', ...args)
  if (code !== 0) throw new Error(stderr)
  return rowsOf(stdout).map(({ seq }) => seq)
}
const numbers = (matching: (fact: RecordedFact<Fact>) => boolean): number[] => facts.filter(matching).map(({ seq }) => seq)

t.test('ls chooses by stream, type and time', async t => {
  const noon = facts[withAnn - 1]?.at ?? 0
  const time = new Date(noon).toISOString()
  const [links, kinds, ended, since, until, both] = await Promise.all([
    seqs('ls', '--stream', 'link:'),
    seqs('ls', '--type', 'session.'),
    seqs('ls', '--type', 'session.ended'),
    seqs('ls', '--since', time),
    seqs('ls', '--until', time),
    seqs('ls', '--since', '3', '--until', '5', '--stream', 'node'),
  ])
  t.same(
    links,
    numbers(({ stream }) => stream.startsWith('link:')),
  )
  t.same(
    kinds,
    numbers(({ fact }) => fact.type.startsWith('session.')),
  )
  t.same(ended, [head])
  t.same(
    since,
    numbers(({ at }) => at >= noon),
  )
  t.same(
    until,
    numbers(({ at }) => at <= noon),
  )
  t.same(
    both,
    numbers(({ seq, stream }) => seq >= 3 && seq <= 5 && stream === 'node'),
  )
  t.equal((await log('ls', '--since', 'noon')).code, 2)
})

t.test('tail prints the last facts, of a stream too, even when they are far from the end', async t => {
  const [two, none, all, bootstrap] = await Promise.all([
    seqs('tail', '-n', '2'),
    seqs('tail', '-n', '0'),
    seqs('tail', '-n', '1000'),
    seqs('tail', '-n', '1', '--type', 'node.'),
  ])
  t.same(two, [head - 1, head])
  t.same(none, [])
  t.equal(all.length, head)
  t.same(bootstrap, numbers(({ fact }) => fact.type.startsWith('node.')).slice(-1))

  const place = t.testdir()
  const long = await writeLog(place, facts)
  const at = facts.at(-1)?.at ?? 0
  const noise = Array.from({ length: 5_000 }, (): NewFact<Fact> => ({
    stream: `link:${peer}`,
    at,
    fact: { type: 'link.silent', server: peer as never },
  }))
  await long.append(noise, { expected: { epoch: long.epoch } })
  await long.close()
  const { stdout } = await runSocp(['log', 'tail', '--data', place, '--json', '-n', '2', '--type', 'session.'])
  t.same(
    rowsOf(stdout).map(({ seq }) => seq),
    numbers(({ fact }) => fact.type.startsWith('session.')).slice(-2),
  )
})

t.test('tail -f prints what is committed while it runs, and ends with 0 on a signal', async t => {
  const place = t.testdir()
  const writer = await writeLog(place, facts)
  const child = spawn(process.execPath, [socpFile, 'log', 'tail', '-f', '-n', '1', '--json', '--type', 'link.', '--data', place], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value as string) as Row
  t.match(await next(), { seq: numbers(({ fact }) => fact.type.startsWith('link.')).at(-1) })
  for (let turn = 1; turn <= 3; turn += 1) {
    const at = (facts.at(-1)?.at ?? 0) + turn
    await writer.append(
      [
        { stream: 'node', at, fact: { type: 'node.stopped', why: 'SIGTERM' } },
        { stream: `link:${peer}`, at, fact: { type: 'link.silent', server: peer as never } },
      ],
      { expected: { epoch: writer.epoch } },
    )
    t.match(await next(), { seq: head + 2 * turn, type: 'link.silent', at })
  }
  child.kill('SIGINT')
  t.same(await exited, [0, null])
  await writer.close()
})

t.test('show tells a fact, what it changed and what was done because of it', async t => {
  const { code, stdout, stderr } = await log('show', String(head), '--json')
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), {
    seq: head,
    type: 'session.ended',
    data: { user: ann },
    changes: [
      { part: 'machines', key: `session:${ann}`, before: { state: 'attached' }, after: null },
      { part: 'directory', key: ann, after: null },
    ],
    effects: [{ effect: 'announceRemoval', address: `session:${ann}` }],
  })
  const human = await log('show', String(head))
  for (const text of ['session.ended', ann, 'what it changed (2)', 'what was done because of it (1)'])
    t.ok(human.stdout.includes(text), text)
  for (const [seq, words] of [
    [String(head + 1), /The log ends with fact/],
    ['0', /Facts are counted from 1/],
    ['x', /a whole number/],
  ] as const) {
    const wrong = await log('show', seq)
    t.equal(wrong.code, 2)
    t.match(wrong.stderr, words)
  }
})

t.test('verify says that a log is whole, and whose signatures it carries', async t => {
  const crypto = nodeCrypto()
  const [key, other] = await Promise.all([testKey(0), testKey(1)])
  const privateKey = await key.privateKey(crypto)
  const place = t.testdir()
  const writer = await writeLog(place, facts)
  await writer.checkpoint({ seq: 3, stateHash: 'a'.repeat(64), at: 1_000, sign: text => signPayload(crypto, privateKey, text) })
  await writer.close()
  const verify = (...args: readonly string[]) => runSocp(['log', 'verify', '--data', place, ...args])
  const [unchecked, good, bad, human, wrong] = await Promise.all([
    verify('--json'),
    verify('--json', '--pubkey', key.publicText),
    verify('--pubkey', other.publicText),
    verify('--pubkey', key.publicText),
    verify('--pubkey', 'nonsense'),
  ])
  t.match(JSON.parse(unchecked.stdout), { ok: true, seq: head, from: 1, erased: [], checkpoints: [{ seq: 3, result: 'unchecked' }] })
  t.match(unchecked.stderr, /no key was found beside the log, so signatures are not checked/)
  t.match(JSON.parse(good.stdout), { ok: true, checkpoints: [{ kind: 'checkpoint', seq: 3, result: 'good' }] })
  t.equal(bad.code, 78)
  t.match(bad.stderr, /is damaged: /)
  t.match(human.stdout, /whole: facts 1 to \d+, chain [0-9a-f]{64}\n {2}good {2}checkpoint at fact 3/)
  t.equal(wrong.code, 2)
})

t.test('verify names the first damaged row and ends with 78', async t => {
  const place = t.testdir()
  copyFileSync(join(data, 'log.db'), join(place, 'log.db'))
  const db = new Database(join(place, 'log.db'))
  for (const name of db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all())
    db.exec(`DROP TRIGGER ${name}`)
  db.exec("UPDATE facts SET data = replace(data, 'a', 'b') WHERE seq IN (4, 6)")
  db.close()
  const [{ code, stderr }, asJson] = await Promise.all([
    runSocp(['log', 'verify', '--data', place]),
    runSocp(['log', 'verify', '--data', place, '--json']),
  ])
  t.equal(code, 78)
  t.match(stderr, /Row 4 of the log is damaged: its data does not match its hash/)
  t.match(JSON.parse(asJson.stdout), { ok: false, seq: 4 })
  t.equal(asJson.code, 78)
})

t.test('export writes the rows of ls into a file of its owner, and never over another', async t => {
  const file = join(t.testdir(), 'facts.jsonl')
  const { code, stderr } = await log('export', file)
  t.equal(code, 0, stderr)
  t.match(stderr, `exported ${head} facts`)
  const [{ stdout: listed }, { stdout: piped }] = await Promise.all([
    log('ls', '--json'),
    log('export', '-', '--since', '3', '--until', '5'),
  ])
  t.equal(readFileSync(file, 'utf8'), listed)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.same(
    rowsOf(piped).map(({ seq }) => seq),
    [3, 4, 5],
  )
  writeFileSync(file, 'mine')
  const again = await log('export', file)
  t.equal(again.code, 1)
  t.match(again.stderr, /it is there already, and was left as it is/)
  t.equal(readFileSync(file, 'utf8'), 'mine')
  t.match((await log('export', join(file, 'x'))).stderr, /a part of its path is no directory/)
})

t.test('export --redact names nobody and folds as the log does', async t => {
  const { code, stdout, stderr } = await log('export', '-', '--redact')
  t.equal(code, 0, stderr)
  const keys = (await Promise.all([0, 1, 2, 3].map(testKey))).map(({ publicText }) => publicText)
  for (const secret of [ann, bob, self, peer, 'Example', '127.0.0.1', ...keys]) t.notOk(stdout.includes(secret), secret.slice(0, 40))
  const rows = rowsOf(stdout)
  t.equal(rows.length, head)
  const fold = async (all: readonly RecordedFact<Fact>[]) =>
    foldNode(
      (async function* () {
        yield* all
      })(),
    )
  const redacted = rows.map(({ data: said, type, ...row }) => ({ ...row, fact: { type, ...said } as Fact }))
  const [was, is] = [await fold(facts), await fold(redacted)]
  const states = (machines: NodeView['machines']) =>
    Object.values(machines)
      .map(({ state }) => state)
      .sort()
  t.same(states(is.machines), states(was.machines))
  t.equal(is.directory.length, was.directory.length)
  t.equal(new Set(rows.map(({ stream }) => stream)).size, new Set(facts.map(({ stream }) => stream)).size)
})
