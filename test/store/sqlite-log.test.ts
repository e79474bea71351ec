/** What the SQLite log does beyond the contract: its settings, its refusals, its history of schemas, and that nothing changes a row. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Address } from '../../src/protocol/ids.ts'
import { openSqliteLog } from '../../src/store/sqlite-log.ts'
import { compareVersions, migrationsFolder, openForWriting, readMigrations } from '../../src/store/sqlite-open.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { advertised, readAll, removed, type SampleFact } from './event-log-contract.ts'
import { logFile, openSample, sha256, tamper } from './sqlite-place.ts'

/** A log with three facts, closed. */
const written = async (t: Test, file = logFile(t.testdir({}))): Promise<string> => {
  const log = await openSample(file)
  await log.append([advertised('a'), advertised('b'), removed('a')], { expected: { epoch: 1 } })
  await log.close()
  return file
}

t.test('the file is durable at each commit, wipes what is deleted, maps no memory, and is for its owner only', async t => {
  const file = await written(t)
  const db = openForWriting(file, readMigrations(migrationsFolder()))
  t.equal(db.pragma('journal_mode', { simple: true }), 'wal')
  t.equal(db.pragma('synchronous', { simple: true }), 2)
  t.equal(db.pragma('secure_delete', { simple: true }), 1)
  t.equal(db.pragma('mmap_size', { simple: true }), 0)
  t.equal(db.pragma('application_id', { simple: true }), 0x534f4350)
  t.ok(compareVersions(db.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '', '3.51.3') >= 0)
  t.ok(db.prepare<[], number>("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'facts'").pluck().get() === 0)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(`${file}-wal`).mode & 0o777, 0o600)
  t.equal(statSync(`${file}.writer`).mode & 0o777, 0o600)
  db.close()
})

t.test('versions are compared by number', async t => {
  t.ok(compareVersions('3.51.3', '3.51.3') === 0)
  t.ok(compareVersions('3.9.0', '3.51.3') < 0)
  t.ok(compareVersions('3.52', '3.51.3') > 0)
  t.ok(compareVersions('4', '3.51.3') > 0)
})

t.test('no statement changes or deletes a fact or a stream', async t => {
  const db = new Database(await written(t))
  t.throws(() => db.exec("UPDATE facts SET data = '{}' WHERE seq = 2"), /never changed/)
  t.throws(() => db.exec('DELETE FROM facts WHERE seq = 3'), /never deleted/)
  t.throws(() => db.exec("UPDATE streams SET name = 'user:c'"), /never changed/)
  t.throws(() => db.exec('DELETE FROM streams'), /never deleted/)
  db.close()
})

t.test('whatever is appended in whatever batches and ticks is read back equal, across openings', async t => {
  const fact = fc.record({
    stream: fc.constantFrom<Address>('node', 'bootstrap', 'link:a', 'user:b', 'user:B'),
    at: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    fact: fc.record({ type: fc.constantFrom('a.done', 'b.done'), value: fc.jsonValue({ depthSize: 'small' }) }),
  })
  const ticks = fc.array(fc.array(fc.array(fact, { maxLength: 8 }), { maxLength: 4 }), { maxLength: 6 })
  const directory = t.testdir({})
  let run = 0
  await fc.assert(
    fc.asyncProperty(ticks, async ticks => {
      const file = join(directory, `log-${(run += 1)}.db`)
      const versions = new Map<string, number>()
      let seq = 0
      const expected = ticks.flatMap((batches, index) =>
        batches.flat().map(fact => {
          versions.set(fact.stream, (versions.get(fact.stream) ?? 0) + 1)
          // text and back, because -0 has no form of its own in JSON
          return {
            ...fact,
            fact: JSON.parse(JSON.stringify(fact.fact)) as unknown,
            seq: (seq += 1),
            version: versions.get(fact.stream),
            epoch: index + 1,
          }
        }),
      )
      for (const batches of ticks) {
        const log = await openSample(file)
        await Promise.all(batches.map(facts => log.append(facts as never, { expected: { epoch: log.epoch } })))
        await log.close()
      }
      const log = await openSample(file)
      t.same(await readAll(log), expected)
      await log.close()
      const reader = openLogReader(file)
      t.match(reader.verify(sha256), { ok: true, seq })
      reader.close()
    }),
    { numRuns: 30 },
  )
})

t.test('more streams than are kept in memory keep their versions', async t => {
  const file = logFile(t.testdir({}))
  const log = await openSample(file)
  const append = (count: number) =>
    log.append(
      Array.from({ length: count }, (_, index) => advertised(`u${index}`)),
      { expected: { epoch: 1 } },
    )
  await append(12_000)
  await append(12_000)
  await log.close()
  const reader = openLogReader(file)
  t.match(reader.verify(sha256), { ok: true, seq: 24_000 })
  const last = (await readAll(reader, 12_001)).map(({ version }) => version)
  t.ok(last.every(version => version === 2))
  reader.close()
})

t.test('two logs with the same facts share no hash, so that what was erased cannot be guessed', async t => {
  const directory = t.testdir({})
  const chains = [await written(t, join(directory, 'one.db')), await written(t, join(directory, 'two.db'))].map(file => {
    const reader = openLogReader(file)
    const verdict = reader.verify(sha256)
    reader.close()
    return verdict.ok ? verdict.chain : ''
  })
  t.not(chains[0], chains[1])
})

t.test(
  'rows whose data and stream name are gone leave the chain whole and are passed over in reading, but have to be declared',
  async t => {
    const file = await written(t)
    const id = "(SELECT id FROM streams WHERE name = 'user:a')"
    tamper(file, `UPDATE facts SET data = NULL WHERE stream = ${id}; UPDATE streams SET name = NULL, salt = NULL WHERE name = 'user:a'`)
    const log = await openSample(file)
    t.same(
      (await readAll(log)).map(({ seq }) => seq),
      [2],
    )
    t.same(await log.append([advertised('a')], { expected: { epoch: 2 } }), { firstSeq: 4 })
    await log.close()
    const reader = openLogReader(file)
    t.match(reader.verify(sha256), { ok: false, seq: 1, why: /no fact data.erased says so/ })
    reader.close()
  },
)

t.test('a log is brought up to date from every earlier version', async t => {
  const migrations = readMigrations(migrationsFolder())
  for (let version = 0; version < migrations.length; version += 1) {
    const file = join(t.testdir({}), `from-${version}.db`)
    const db = new Database(file)
    for (const sql of migrations.slice(0, version)) db.exec(sql)
    if (version > 0) db.pragma(`application_id = 1397703504`)
    db.pragma(`user_version = ${version}`)
    db.close()
    const log = await openSample(file)
    t.same(await log.append([advertised('a')], { expected: { epoch: log.epoch } }), { firstSeq: 1 })
    await log.close()
    const after = new Database(file)
    t.equal(after.pragma('user_version', { simple: true }), migrations.length)
    after.close()
  }
})

t.test('a migration that fails leaves the log as it was', async t => {
  const folder = t.testdir({
    '0001-log.sql': readFileSync(new URL('0001-log.sql', migrationsFolder()), 'utf8'),
    old: { '0001-log.sql': readFileSync(new URL('0001-log.sql', migrationsFolder()), 'utf8') },
    '0002-broken.sql': 'CREATE TABLE more (a); CREATE TABLE more (b);',
  })
  const file = logFile(folder)
  const old = openForWriting(file, readMigrations(pathToFileURL(`${folder}/old/`)))
  old.close()
  await t.rejects(openSample(file, { migrations: pathToFileURL(`${folder}/`) }), { name: 'LogUnusable', message: /already exists/ })
  const db = new Database(file)
  t.equal(db.pragma('user_version', { simple: true }), 1)
  t.equal(db.prepare<[], number>("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").pluck().get(), 0)
  db.close()
})

const unusable: Readonly<Record<string, readonly [prepare: (t: Test) => string | Promise<string>, sentence: RegExp]>> = {
  'in a directory that does not exist': [t => join(t.testdir({}), 'missing', 'log.db'), /directory does not exist: create the directory/],
  'that is a directory': [
    t => {
      const file = logFile(t.testdir({}))
      mkdirSync(file)
      return file
    },
    /has to be a file/,
  ],
  'below a file': [t => join(t.testdir({ file: '' }), 'file', 'log.db'), /not a directory: give another path/],
  'that is not a database': [
    t => join(t.testdir({ 'log.db': 'this is a text that is long enough to be looked at as a header of a database'.repeat(20) }), 'log.db'),
    /not a SQLite database: move it away/,
  ],
  'of another program': [
    t => {
      const file = logFile(t.testdir({}))
      const db = new Database(file)
      db.exec('CREATE TABLE notes (text)')
      db.close()
      return file
    },
    /another program: move it away/,
  ],
  'from a newer version': [
    async t => {
      const file = await written(t)
      tamper(file, 'PRAGMA user_version = 99')
      return file
    },
    /newer version .*\(database version 99, known are 1 to \d+\): use that version/,
  ],
  'that is cut': [
    async t => {
      const file = await written(t)
      writeFileSync(file, readFileSync(file).subarray(0, 5_000))
      return file
    },
    /damaged: put a backup in its place/,
  ],
  'whose pages are overwritten': [
    async t => {
      const file = await written(t)
      writeFileSync(file, readFileSync(file).fill(0x5a, 4_096))
      return file
    },
    /damaged/,
  ],
  'whose last row was changed': [
    async t => {
      const file = await written(t)
      tamper(file, "UPDATE facts SET data = '{}' WHERE seq = 3")
      return file
    },
    /Row 3 .* damaged \(its data does not match its hash\): put a backup/,
  ],
}

t.test('a log that cannot be opened says what is wrong and what to do', async t => {
  for (const [what, [prepare, sentence]] of Object.entries(unusable)) {
    await t.test(what, async t => {
      const file = await prepare(t)
      await t.rejects(openSample(file), { name: 'LogUnusable', message: sentence })
      await t.rejects(openSample(file), { name: 'LogUnusable', message: sentence }, 'the same again: the lock was let go')
    })
  }
})

t.test('facts of older schemas come up to date in reading, and new ones carry the version of today', async t => {
  const file = await written(t)
  const upcasters = {
    'user.advertised': [(fact: object) => ({ ...fact, home: 'unknown' }), (fact: object) => ({ ...fact, type: 'user.listed', caps: [] })],
  }
  const log = await openSample(file, { upcasters })
  await log.append([advertised('c')], { expected: { epoch: 2 } })
  t.same(
    (await readAll(log)).map(({ fact }) => fact),
    [
      { type: 'user.listed', user: 'a', home: 'unknown', caps: [] },
      { type: 'user.listed', user: 'b', home: 'unknown', caps: [] },
      { type: 'user.removed', user: 'a' },
      { type: 'user.advertised', user: 'c' },
    ],
  )
  await log.close()
})

t.test('a row that a newer program wrote is named', async t => {
  const file = await written(t)
  const newer = await openSqliteLog<SampleFact>({
    file,
    sha256,
    randomBytes: size => new Uint8Array(size),
    endOfTick: run => void setImmediate(run),
    upcasters: { 'user.removed': [fact => fact] },
  })
  await newer.append([removed('b')], { expected: { epoch: 2 } })
  await newer.close()
  const log = await openSample(file)
  await t.rejects(readAll(log), {
    name: 'LogUnusable',
    message: /Row 4 of the log \(user\.removed\) has schema version 2, and this program knows 1 to 1/,
  })
  await log.close()
})
