/** Reading a log beside its writer and after it: nothing is disturbed, and the first damaged row is named. */
import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import t, { type Test } from 'tap'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { startChild } from './child.ts'
import { advertised, readAll, removed, type SampleFact } from './event-log-contract.ts'
import { logFile, openSample, sha256, tamper } from './sqlite-place.ts'

const USERS = ['a', 'b', 'c']

/** A closed log of `count` facts, those of the users a, b, c in turn. */
const written = async (t: Test, count = 9): Promise<string> => {
  const file = logFile(t.testdir({}))
  const log = await openSample(file)
  await log.append(
    Array.from({ length: count }, (_, index) => (index < 3 ? advertised : removed)(USERS[index % 3] ?? '', index)),
    { expected: { epoch: 1 } },
  )
  await log.close()
  return file
}

const verify = (file: string) => {
  const reader = openLogReader(file)
  const verdict = reader.verify(sha256)
  reader.close()
  return verdict
}

t.test('a reader sees what a running writer has committed, moment by moment', async t => {
  const file = logFile(t.testdir({}))
  const log = await openSample(file)
  await log.append([advertised('a')], { expected: { epoch: 1 } })
  const reader = openLogReader<SampleFact>(file)
  t.equal(reader.head(), 1)
  const facts = reader.read(1)
  await log.append([advertised('b')], { expected: { epoch: 1 } })
  t.equal(reader.head(), 2)
  const seen: number[] = []
  for await (const { seq } of facts) seen.push(seq)
  t.same(seen, [1], 'up to the head of the moment of the call')
  t.same(await readAll(reader), await readAll(log))
  t.match(reader.verify(sha256), { ok: true, seq: 2 })
  reader.close()
  await log.close()
})

t.test('a reader that stops in the middle does not keep the WAL from being written back', async t => {
  const file = await written(t, 2_000)
  const log = await openSample(file)
  const reader = openLogReader<SampleFact>(file)
  const facts = reader.read(1)[Symbol.asyncIterator]()
  t.equal((await facts.next()).value?.seq, 1)
  await log.append(
    Array.from({ length: 2_000 }, () => advertised('d')),
    { expected: { epoch: log.epoch } },
  )
  const other = new Database(file)
  t.match(other.pragma('wal_checkpoint(TRUNCATE)'), [{ busy: 0 }])
  t.equal(statSync(`${file}-wal`).size, 0)
  other.close()
  t.equal((await facts.next()).value?.seq, 2, 'and goes on')
  reader.close()
  await log.close()
})

t.test('a reader changes nothing: the file of a stopped node is the same before and after', async t => {
  const file = await written(t)
  const before = readFileSync(file)
  t.match(verify(file), { ok: true, seq: 9 })
  t.ok(before.equals(readFileSync(file)))
})

t.test('a reader that was closed says so', async t => {
  const reader = openLogReader(await written(t))
  reader.close()
  t.throws(() => reader.read(1), /closed|not open/)
})

t.test('a log of which nothing can be read says what to do', async t => {
  const directory = t.testdir({ empty: '', text: 'not a database, but long enough to be looked at as one'.repeat(20) })
  t.throws(() => openLogReader(join(directory, 'none')), {
    name: 'LogUnusable',
    message: /There is no log at .*: start a node there first/,
  })
  t.throws(() => openLogReader(join(directory, 'empty')), { name: 'LogUnusable', message: /is empty: nothing was ever recorded/ })
  t.throws(() => openLogReader(join(directory, 'text')), { name: 'LogUnusable', message: /is not a SQLite database: move it away/ })
  t.throws(() => openLogReader(directory), { name: 'LogUnusable', message: /has to be a file/ })
})

t.test('a log of another version says which program to use', async t => {
  const file = await written(t)
  tamper(file, 'PRAGMA user_version = 99')
  t.throws(() => openLogReader(file), { name: 'LogUnusable', message: /newer version .*: use that version/ })
})

const damage: Readonly<Record<string, readonly [sql: string, seq: number, why: RegExp]>> = {
  'changed data': [`UPDATE facts SET data = replace(data, 'user', 'User') WHERE seq = 4`, 4, /data does not match/],
  'changed data with its hash made to fit': [
    `UPDATE facts SET data_hash = randomblob(32), data = NULL WHERE seq = 4`,
    4,
    /continue the chain/,
  ],
  'a changed type': [`UPDATE facts SET type = 'user.removed' WHERE seq = 2`, 2, /continue the chain/],
  'a changed time': [`UPDATE facts SET at = at + 1 WHERE seq = 5`, 5, /continue the chain/],
  'a changed epoch': [`UPDATE facts SET epoch = 2 WHERE seq = 9`, 9, /continue the chain/],
  'a changed schema version': [`UPDATE facts SET schema = 2 WHERE seq = 1`, 1, /continue the chain/],
  'a changed link of the chain': [`UPDATE facts SET chain = randomblob(32) WHERE seq = 7`, 7, /continue the chain/],
  'a cut hash': [`UPDATE facts SET data_hash = x'00', data = NULL WHERE seq = 3`, 3, /hash was cut/],
  'a missing row': [`DELETE FROM facts WHERE seq = 6`, 6, /row is missing/],
  'a missing first row': [`DELETE FROM facts WHERE seq = 1`, 1, /row is missing/],
  'a fact under another stream': [`UPDATE facts SET stream = 3, version = 9 WHERE seq = 4`, 4, /data does not match/],
  'a version that is left out': [`UPDATE facts SET version = 9 WHERE seq = 8`, 8, /continue the chain/],
  'another name of a stream': [`UPDATE streams SET name = 'user:z' WHERE name = 'user:b'`, 2, /name of its stream was changed/],
  'another salt of a stream': [`UPDATE streams SET salt = randomblob(16) WHERE name = 'user:c'`, 3, /name of its stream was changed/],
  'a stream that is gone': [`DELETE FROM streams WHERE name = 'user:c'`, 3, /stream is missing/],
  'a salt that was erased alone': [`UPDATE streams SET salt = NULL WHERE name = 'user:c'`, 3, /name of its stream was changed/],
}

t.test('verify names the first damaged row', async t => {
  const sound = await written(t)
  t.match(verify(sound), { ok: true, seq: 9, chain: /^[0-9a-f]{64}$/ })
  for (const [what, [sql, seq, why]] of Object.entries(damage)) {
    const file = `${sound}.damaged`
    copyFileSync(sound, file)
    tamper(file, sql)
    t.match(verify(file), { ok: false, seq, why }, what)
    rmSync(file)
  }
})

t.test('verify and read stop at a page that the disk has lost, naming the row', async t => {
  const file = await written(t, 3_000)
  const bytes = readFileSync(file)
  // the middle of the file is full of rows
  writeFileSync(file, bytes.fill(0xff, 100 * 4_096, 101 * 4_096))
  const verdict = verify(file)
  t.notOk(verdict.ok)
  t.ok(verdict.seq > 1 && verdict.seq < 3_000, `row ${verdict.seq}`)
  const reader = openLogReader(file)
  await t.rejects(readAll(reader), { name: 'LogUnusable', message: /damaged: put a backup in its place/ })
  reader.close()
})

t.test('a row that is missing ends reading, because no state may be folded without it', async t => {
  const file = await written(t)
  tamper(file, 'DELETE FROM facts WHERE seq = 5')
  const reader = openLogReader(file)
  await t.rejects(readAll(reader), { name: 'LogUnusable', message: /Row 5 of the log .* is missing/ })
  reader.close()
})

t.test('a log in a directory where nothing may be written is refused with a sentence, or read if its side files can be', async t => {
  // nothing is forbidden to root, so that the child gives its rights up
  const nobody = process.getuid?.() === 0 ? ['65534'] : []
  const script = fileURLToPath(new URL('reading-child.ts', import.meta.url))
  const read = async (file: string): Promise<unknown> =>
    JSON.parse((await promisify(execFile)(process.execPath, [script, file, ...nobody])).stdout)
  const directory = t.testdir({ stopped: {}, killed: {} })

  const stopped = logFile(join(directory, 'stopped'))
  const log = await openSample(stopped)
  await log.append([advertised('a')], { expected: { epoch: 1 } })
  await log.close()
  chmodSync(stopped, 0o000)
  t.match(await read(stopped), { error: /^LogUnusable: The log .* cannot be opened: .* right/ })
  chmodSync(stopped, 0o444)
  chmodSync(join(directory, 'stopped'), 0o555)
  t.match(await read(stopped), {
    error: /^LogUnusable: The log .* directory in which this user may not write.*: copy log and -wal file elsewhere/,
  })

  const killed = logFile(join(directory, 'killed'))
  const { child, lines, gone } = startChild(killed, 'forever')
  for (let heard = 0; heard < 6; heard += 1) await lines.next()
  child.kill('SIGKILL')
  await gone
  for (const suffix of ['', '-wal', '-shm']) chmodSync(killed + suffix, 0o444)
  chmodSync(join(directory, 'killed'), 0o555)
  const answer = (await read(killed)) as { readonly head: number; readonly facts: number; readonly ok: boolean }
  t.ok(answer.ok && answer.head === answer.facts && answer.head >= 5 * 24, JSON.stringify(answer))
})
