/** What the SQLite log does for years beyond the contract: damage is noticed, what is erased is in no file, a crash in between loses nothing. */
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { DurableLog } from '../../src/store/durable-log.ts'
import { readMigrations, migrationsFolder } from '../../src/store/sqlite-open.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import type { SqliteLog } from '../../src/store/sqlite-log.ts'
import { append, erasureOf, sign, type KeptFact } from './durable-log-contract.ts'
import { advertised, readAll, removed } from './event-log-contract.ts'
import { logFile, openSample, sha256, tamper } from './sqlite-place.ts'

const open = async (file: string): Promise<SqliteLog<KeptFact>> => (await openSample(file)) as unknown as SqliteLog<KeptFact>

const valid = (text: string, sig: string): Promise<boolean> => Promise.resolve(sig === `signed ${text}`)

const verify = async (file: string) => {
  const reader = openLogReader(file)
  const verdict = reader.verify(sha256)
  const signed = await reader.verifySigned(sha256, valid)
  reader.close()
  return { verdict, signed }
}

/** Six facts of three users, a snapshot at 4 and at 6, checkpoints at 3 and 6; closed. */
const written = async (t: Test, more: (log: DurableLog<KeptFact>) => Promise<unknown> = () => Promise.resolve()): Promise<string> => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  await append(log, ...['a', 'b', 'c'].map(user => advertised(user)), ...['a', 'b', 'c'].map(user => removed(user)))
  for (const seq of [4, 6]) await log.snapshots.save({ seq, foldVersion: '1', state: `{"at":${seq}}` })
  for (const seq of [3, 6]) await log.checkpoint({ seq, stateHash: 'x', at: 1_000, sign })
  await more(log)
  await log.close()
  return file
}

const copyOf = (file: string, name: string): string => {
  const copy = `${file}.${name}`
  copyFileSync(file, copy)
  return copy
}

t.test('a snapshot that is damaged, ahead or of another log is passed over for the one before', async t => {
  const sound = await written(t)
  const damage: Readonly<Record<string, readonly [sql: string, why: RegExp]>> = {
    'a changed state': [`UPDATE snapshots SET state = CAST('{"at":7}' AS BLOB) WHERE seq = 6`, /at 6 does not match its hash/],
    'a cut state': ['UPDATE snapshots SET state = substr(state, 1, 4) WHERE seq = 6', /at 6 does not match its hash/],
    'a changed hash': ['UPDATE snapshots SET hash = randomblob(32) WHERE seq = 6', /at 6 does not match its hash/],
    'another chain': ['UPDATE snapshots SET chain = randomblob(32) WHERE seq = 6', /at 6 does not stand on the chain/],
    'a sequence ahead of the log': ['UPDATE snapshots SET seq = 60 WHERE seq = 6', /at 60 is ahead of the log/],
    'another sequence': ['UPDATE snapshots SET seq = 5 WHERE seq = 6', /at 5 does not stand on the chain/],
  }
  for (const [what, [sql, why]] of Object.entries(damage)) {
    const file = copyOf(sound, what.replaceAll(' ', '-'))
    tamper(file, sql)
    const log = await open(file)
    const ignored: string[] = []
    t.match(await log.snapshots.newest('1', sentence => ignored.push(sentence)), { seq: 4, state: '{"at":4}' }, what)
    t.match(ignored, [why], what)
    await log.close()
  }
})

t.test('a snapshot on pages that the disk has lost is passed over, and the log goes on', async t => {
  const file = await written(t, log => log.snapshots.save({ seq: 6, foldVersion: '1', state: JSON.stringify('x'.repeat(300_000)) }))
  const bytes = readFileSync(file)
  const page = Math.floor(bytes.indexOf('x'.repeat(4_000)) / 4_096)
  writeFileSync(file, bytes.fill(0xff, page * 4_096, (page + 1) * 4_096))
  const log = await open(file)
  const ignored: string[] = []
  t.match(await log.snapshots.newest('1', why => ignored.push(why)), { seq: 4 })
  t.match(ignored, [/^the snapshot at 6 (cannot be read|does not match its hash)/])
  await append(log, ...['d', 'e', 'f'].map(user => advertised(user)))
  for (const seq of [7, 8, 9]) await log.snapshots.save({ seq, foldVersion: '1', state: String(seq) })
  t.match(await log.snapshots.newest('1'), { seq: 9 }, 'new ones are made')
  t.equal(await log.head(), 9)
  await log.close()
  const reader = openLogReader(file)
  t.same(
    reader.snapshots().map(({ seq }) => seq),
    [9, 8, 6],
    'and the old ones go, but the damaged one',
  )
  reader.close()
})

t.test('verify tells of checkpoints, and whether their signatures hold', async t => {
  const file = await written(t)
  const { verdict, signed } = await verify(file)
  const entries = (result: string) => [3, 6].map(seq => ({ kind: 'checkpoint', seq, at: 1_000, result }))
  t.match(verdict, { ok: true, seq: 6, from: 1, erased: [], checkpoints: entries('unchecked') })
  t.match(signed, { ok: true, checkpoints: entries('good') })
})

t.test('a checkpoint shows a past that was made anew, a signature that is forged, and a tail that was cut off', async t => {
  const sound = await written(t)
  const forged = copyOf(sound, 'forged')
  tamper(forged, "UPDATE checkpoints SET sig = 'mine' WHERE seq = 3")
  t.match((await verify(forged)).verdict, { ok: true }, 'without the key nothing is said about signatures')
  t.match((await verify(forged)).signed, { ok: false, seq: 3, why: /signature of its checkpoint does not verify/ })

  const other = copyOf(sound, 'other')
  tamper(other, 'UPDATE checkpoints SET chain = randomblob(32) WHERE seq = 3')
  t.match((await verify(other)).verdict, { ok: false, seq: 3, why: /not the row that a checkpoint was signed over/ })

  const cut = copyOf(sound, 'cut')
  tamper(cut, 'DELETE FROM facts WHERE seq > 4')
  t.match((await verify(cut)).verdict, { ok: false, seq: 5, why: /missing: a checkpoint of 1970.* says that the log went on to row 6/ })
  await t.rejects(open(cut), { name: 'LogUnusable', message: /Row 5 .* says that the log went on to row 6.*put a backup/ })
})

t.test('verify begins at the base, and finds a base that was changed', async t => {
  const sound = await written(t, log => log.compact({ upTo: 4, state: '["b","c"]', at: 2_000, sign }))
  t.match((await verify(sound)).signed, {
    ok: true,
    seq: 6,
    from: 5,
    checkpoints: [
      { kind: 'base', seq: 4, at: 2_000, result: 'good' },
      { kind: 'checkpoint', seq: 6, result: 'good' },
    ],
  })
  const damage: Readonly<Record<string, readonly [sql: string, seq: number, why: RegExp]>> = {
    'a changed state': ["UPDATE bases SET state = CAST('[]' AS BLOB)", 4, /state that stands for the facts .* does not match its hash/],
    'changed read models': [`UPDATE bases SET models = CAST('{"users":[]}' AS BLOB)`, 4, /read models .* do not match their hash/],
    'another chain': ['UPDATE bases SET chain = randomblob(32)', 5, /does not continue the chain/],
    'a missing first row': ['DELETE FROM facts WHERE seq = 5', 5, /row is missing/],
    'another signature': ["UPDATE bases SET sig = 'mine'", 4, /signature of the base does not verify/],
    'another time': ['UPDATE bases SET at = 1', 4, /signature of the base does not verify/],
  }
  for (const [what, [sql, seq, why]] of Object.entries(damage)) {
    const file = copyOf(sound, what.replaceAll(' ', '-'))
    tamper(file, sql)
    t.match((await verify(file)).signed, { ok: false, seq, why }, what)
  }
})

t.test('a base that is damaged is a sentence for whoever folds from it', async t => {
  const sound = await written(t, log => log.compact({ upTo: 4, state: '["b","c"]', at: 2_000, sign }))
  tamper(sound, "UPDATE bases SET state = CAST('[]' AS BLOB)")
  const log = await open(sound)
  await t.rejects(log.base(), { name: 'LogUnusable', message: /base of the log .* at 4 is damaged .*: put a backup in its place/ })
  await log.close()
})

t.test('a base of an older schema comes up to date in reading, a newer one says which program to use', async t => {
  const file = await written(t, log => log.compact({ upTo: 4, state: '{"users":["b"]}', at: 2_000, sign }))
  const upcasters = { base: [(state: object) => ({ ...state, rooms: [] })] }
  const reader = openLogReader(file, { upcasters })
  t.equal(reader.base()?.state, '{"users":["b"],"rooms":[]}')
  reader.close()
  const newer = (await openSample(file, { upcasters })) as unknown as SqliteLog<KeptFact>
  await newer.compact({ upTo: 5, state: '{"users":[],"rooms":[]}', at: 3_000, sign })
  await newer.close()
  const log = await open(file)
  await t.rejects(log.base(), { name: 'LogUnusable', message: /schema version 2, and this program knows 1 to 1: use the newer version/ })
  await log.close()
})

t.test('compaction gives the disk back what it dropped', async t => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  await append(log, ...Array.from({ length: 20_000 }, (_, index) => advertised(`user-${index % 5_000}`, index)))
  const before = statSync(file).size + statSync(`${file}-wal`).size
  t.same(await log.compact({ upTo: 19_990, state: '[]', at: 1, sign }), { dropped: 19_990 })
  const after = statSync(file).size + statSync(`${file}-wal`).size
  t.ok(after < 0.05 * before, `${before} bytes before, ${after} after`)
  await log.close()
  t.match((await verify(file)).signed, { ok: true, seq: 20_000, from: 19_991 })
})

t.test('what a crash leaves of facts behind a base, the next opening drops', async t => {
  const file = await written(t, log => log.compact({ upTo: 2, state: '["a","b"]', at: 2_000, sign }))
  // as if the base of 4 had been written, and nothing was dropped yet
  const db = new Database(file)
  db.exec('UPDATE bases SET seq = 4, chain = (SELECT chain FROM facts WHERE seq = 4)')
  db.close()
  const reader = openLogReader(file)
  t.same(
    (await readAll(reader)).map(({ seq }) => seq),
    [5, 6],
    'they are not seen before it either',
  )
  reader.close()
  t.match((await verify(file)).verdict, { ok: true, from: 5 })
  const log = await open(file)
  await append(log, advertised('a'))
  await log.close()
  const after = new Database(file)
  t.equal(after.prepare<[], number>('SELECT min(seq) FROM facts').pluck().get(), 5)
  t.equal(after.prepare<[], number>('SELECT count(*) FROM streams').pluck().get(), 3, 'b, c, and a again')
  after.close()
  t.match((await verify(file)).verdict, { ok: true, seq: 7 })
})

t.test('no statement drops a fact after the base, changes one in part, or takes the base away', async t => {
  const file = await written(t, log => log.compact({ upTo: 4, state: '[]', at: 2_000, sign }))
  const db = new Database(file)
  t.throws(() => db.exec('DELETE FROM facts WHERE seq = 5'), /never deleted/)
  t.throws(() => db.exec('UPDATE facts SET data = NULL WHERE seq = 5'), /never changed/)
  t.throws(() => db.exec('DELETE FROM streams'), /never deleted/)
  t.throws(() => db.exec('DELETE FROM bases'), /never deleted/)
  t.throws(() => db.exec('UPDATE bases SET seq = 1'), /forward only/)
  db.exec("INSERT INTO permits (what) VALUES ('erase')")
  t.throws(() => db.exec("UPDATE facts SET data = '{}' WHERE seq = 5"), /never changed/, 'not even with the permit of erasure')
  t.throws(() => db.exec("UPDATE facts SET data = NULL, type = 'x' WHERE seq = 5"), /never changed/)
  t.throws(() => db.exec("UPDATE streams SET name = 'user:x', salt = NULL"), /never changed/)
  db.close()
})

/** Every file that a log consists of, as one text to look for something in. */
const filesOf = (directory: string): string =>
  readdirSync(directory)
    .map(name => readFileSync(join(directory, name), 'latin1'))
    .join('')

t.test('what was erased is in no file any more, and verify holds and names the rows', async t => {
  const directory = t.testdir({})
  const file = logFile(directory)
  const log = await open(file)
  const NAME = 'Wilhelmina-Ottoline'
  const ID = '00000000-0000-4000-8000-00000000dead'
  const about = (user: string, name: string, at: number) => ({
    ...advertised(user, at),
    fact: { type: 'user.advertised' as const, user, name },
  })
  await append(
    log,
    ...Array.from({ length: 3_000 }, (_, index) => (index % 10 === 3 ? about(ID, NAME, index) : about(`u${index}`, 'x', index))),
  )
  await log.snapshots.save({ seq: 3_000, foldVersion: '1', state: JSON.stringify({ [ID]: NAME }) })
  await log.checkpoint({ seq: 3_000, stateHash: 'x', at: 1, sign })
  await log.compact({ upTo: 1_500, state: JSON.stringify([ID, NAME, 'u1']), at: 2, sign })
  await log.snapshots.save({ seq: 3_000, foldVersion: '1', state: JSON.stringify({ [ID]: NAME }) })
  t.ok(filesOf(directory).includes(NAME) && filesOf(directory).includes(ID))

  const erased = await log.erase(erasureOf(ID, { base: { state: JSON.stringify(['u1']), sign } }))
  t.match(erased, { rows: 150, seq: 3_001, wiped: true })
  t.notOk(filesOf(directory).includes(NAME), 'while the node runs')
  t.notOk(filesOf(directory).includes(ID))
  await append(log, about('u1', 'y', 9_999))
  await log.close()
  t.notOk(filesOf(directory).includes(NAME), 'and after it has stopped')
  t.notOk(filesOf(directory).includes(ID))

  const { signed } = await verify(file)
  t.match(signed, { ok: true, seq: 3_002, from: 1_501 })
  t.same(signed.ok && signed.erased.slice(0, 2), [
    [1_504, 1_504],
    [1_514, 1_514],
  ])
  t.equal(signed.ok && signed.erased.length, 150)
})

t.test('a reader that holds old pages is said, and erasing again wipes them', async t => {
  const directory = t.testdir({})
  const file = logFile(directory)
  const log = await open(file)
  await append(log, advertised('somebody-special'), advertised('b'))
  const reader = new Database(file, { readonly: true })
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM facts').get()
  t.match(await log.erase(erasureOf('somebody-special')), { rows: 1, wiped: false })
  reader.close()
  t.match(await log.erase(erasureOf('somebody-special')), { rows: 0, wiped: true })
  t.notOk(filesOf(directory).includes('somebody-special'))
  await log.close()
  t.match((await verify(file)).verdict, { ok: true, erased: [[1, 1]] })
})

t.test('a backup taken while facts come in is a whole log of one moment', async t => {
  const directory = t.testdir({})
  const file = logFile(directory)
  const log = await open(file)
  await append(log, ...Array.from({ length: 8_000 }, (_, index) => advertised(`u${index % 100}`, index)))
  const copy = join(directory, 'backup.db')
  const copying = { done: false }
  const copied = log.backup(copy).then(() => {
    copying.done = true
  })
  let appended = 0
  while (!copying.done) {
    await append(log, advertised('late'))
    appended += 1
  }
  await copied
  t.ok(appended > 0)
  t.match(await verify(copy).then(({ verdict }) => verdict), { ok: true })
  t.ok((await verify(copy)).verdict.seq >= 8_000)
  t.equal(statSync(copy).mode & 0o777, 0o600)
  await t.rejects(log.backup(copy), { name: 'LogUnusable', message: /There is a file .* already: a backup never replaces one/ })
  await t.rejects(log.backup(join(directory, 'none', 'backup.db')), { name: 'LogUnusable', message: /directory does not exist/ })
  await log.close()
  const reader = openLogReader(file)
  const second = join(directory, 'second.db')
  await reader.backup(second)
  t.same((await verify(second)).verdict, reader.verify(sha256))
  reader.close()
  const restored = await open(copy)
  t.equal(restored.epoch, 2)
  await append(restored, advertised('back'))
  await restored.close()
})

t.test('reading is narrowed by stream, type, time and end', async t => {
  const file = await written(t)
  const reader = openLogReader(file)
  const seqs = async (filter: Parameters<typeof reader.read>[1]) => {
    const found: number[] = []
    for await (const { seq } of reader.read(1, filter)) found.push(seq)
    return found
  }
  t.same(await seqs({ stream: 'user:a' }), [1, 4])
  t.same(await seqs({ stream: 'user:' }), [1, 2, 3, 4, 5, 6])
  t.same(await seqs({ stream: 'user' }), [])
  t.same(await seqs({ type: 'user.removed' }), [4, 5, 6])
  t.same(await seqs({ type: 'user.', to: 2 }), [1, 2])
  t.same(await seqs({ since: 2 }), [4, 5, 6])
  t.same(await seqs({ until: 1 }), [1, 2, 3])
  t.same(await seqs({ to: 99 }), [1, 2, 3, 4, 5, 6])
  t.same(reader.snapshots(), [
    { seq: 6, foldVersion: '1', bytes: 8 },
    { seq: 4, foldVersion: '1', bytes: 8 },
  ])
  t.match(reader.checkpoints(), [{ seq: 3 }, { seq: 6 }])
  reader.close()
})

t.test('a log that version 1 wrote is brought up to date, verifies, and takes everything new', async t => {
  const directory = t.testdir({})
  const file = logFile(directory)
  copyFileSync(new URL('version-1.db', import.meta.url), file)
  t.throws(() => openLogReader(file), { name: 'LogUnusable', message: /older version \(1, today's is \d+\): start its node once/ })
  const log = await open(file)
  t.equal(await log.head(), 6)
  await log.snapshots.save({ seq: 6, foldVersion: '1', state: '{}' })
  await log.checkpoint({ seq: 6, stateHash: 'x', at: 1, sign })
  await log.compact({ upTo: 3, state: '{}', at: 2, sign })
  t.match(await log.erase(erasureOf('00000000-0000-4000-8000-000000000001', { base: { state: '{}', sign } })), { rows: 1, seq: 7 })
  await log.close()
  t.match((await verify(file)).signed, { ok: true, seq: 7, from: 4, erased: [[4, 4]] })
  const db = new Database(file)
  t.equal(db.pragma('user_version', { simple: true }), readMigrations(migrationsFolder()).length)
  db.close()
})

t.test('a large log is written anew beside the loop: what is recorded meanwhile waits for its commit, and is there', async t => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  const secret = 'Rumpelstiltskin'.repeat(100_000)
  const { stream, at } = advertised('a')
  for (let n = 0; n < 8; n += 1)
    await append(log, { stream, at, fact: { type: 'user.advertised', user: 'a', name: secret } }, advertised('b'))
  let ticks = 0
  const beat = setInterval(() => (ticks += 1), 1)
  const state = { over: false }
  const erased = log.erase(erasureOf('a')).finally(() => (state.over = true))
  while (!state.over) await append(log, advertised('c'))
  clearInterval(beat)
  t.match(await erased, { rows: 8, wiped: true })
  t.ok(ticks > 2, `${ticks} ticks`)
  for (const name of readdirSync(dirname(file))) t.notOk(readFileSync(join(dirname(file), name)).includes('Rumpelstiltskin'), name)
  t.ok(statSync(file).size < 1 << 20, 'the place is given back')
  await append(log, advertised('b'))
  await log.close()
  t.match((await verify(file)).verdict, { ok: true })
})

/** Name of each user's stream → version of its last fact. */
const lastVersions = async (log: SqliteLog<KeptFact>): Promise<ReadonlyMap<string, number>> =>
  new Map((await readAll(log)).map(({ stream, version }) => [stream, version]))

t.test('a log that version 2 wrote, behind a base, goes on where its streams stood', async t => {
  const file = logFile(t.testdir({}))
  copyFileSync(new URL('version-2.db', import.meta.url), file)
  const log = await open(file)
  t.same(
    [...(await lastVersions(log))],
    [
      ['user:a', 2],
      ['user:b', 3],
      ['user:c', 2],
    ],
  )
  await append(log, ...['a', 'b', 'd'].map(user => advertised(user)))
  t.same(
    [...(await lastVersions(log))],
    [
      ['user:a', 3],
      ['user:b', 4],
      ['user:c', 2],
      ['user:d', 1],
    ],
  )
  await log.close()
  t.match((await verify(file)).signed, { ok: true, seq: 10, from: 4 })
})

t.test('where a stream stands is known again after a crash, however much was recorded since it was last written down', async t => {
  const file = logFile(t.testdir({}))
  const users = Array.from({ length: 1_100 }, (_, n) => String(n))
  const log = await open(file)
  await append(log, ...users.map(user => advertised(user)))
  await append(log, ...['0', '1099', '0'].map(user => removed(user)))
  // as a kill would leave it
  const crashed = copyOf(file, 'crashed')
  copyFileSync(`${file}-wal`, `${crashed}-wal`)
  await log.close()
  const again = await open(crashed)
  await append(again, ...['0', '1', '1099', 'new'].map(user => advertised(user)))
  const versions = await lastVersions(again)
  t.same(
    ['0', '1', '1099', 'new'].map(user => versions.get(`user:${user}`)),
    [4, 2, 3, 1],
  )
  await again.close()
  t.match((await verify(crashed)).verdict, { ok: true, seq: 1_107 })
})

t.test('a log that has lost where a stream stands is neither verified nor written, unless the facts say it', async t => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  await append(log, ...Array.from({ length: 1_000 }, (_, n) => advertised(String(n))))
  await log.close()
  const changed = copyOf(file, 'changed')
  tamper(changed, 'UPDATE heads SET version = 7 WHERE seq = 950')
  t.match((await verify(changed)).verdict, { ok: false, seq: 950, why: 'the log has lost where its stream stands' })
  await t.rejects(open(changed), { name: 'LogUnusable', message: /Row 950 .* is damaged \(the log has lost where its stream stands\)/ })
  const emptied = copyOf(file, 'emptied')
  tamper(emptied, 'DELETE FROM heads')
  const healed = await open(emptied)
  await append(healed, advertised('5'))
  t.equal((await lastVersions(healed)).get('user:5'), 2)
  await healed.close()
})

t.test('whatever is appended, compacted and erased in whatever order, what is left is read and verifies', async t => {
  const USERS = ['a', 'b', 'c', 'd']
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ append: fc.array(fc.constantFrom(...USERS), { minLength: 1, maxLength: 12 }) }) },
    { weight: 1, arbitrary: fc.record({ compact: fc.nat({ max: 8 }) }) },
    { weight: 1, arbitrary: fc.record({ erase: fc.constantFrom(...USERS) }) },
    { weight: 1, arbitrary: fc.constant('reopen' as const) },
  )
  const directory = t.testdir({})
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async steps => {
      const file = join(directory, `log-${(run += 1)}.db`)
      let log = await open(file)
      let base = 0
      /** What has to be there: sequence → user, or the spans that were erased. */
      let model: { seq: number; user: string }[] = []
      for (const step of steps) {
        const head = await log.head()
        if (step === 'reopen') {
          await log.close()
          log = await open(file)
        } else if ('append' in step) {
          await append(log, ...step.append.map(user => advertised(user)))
          model.push(...step.append.map((user, index) => ({ seq: head + 1 + index, user })))
        } else if ('compact' in step) {
          const upTo = head - step.compact
          if (upTo <= base) continue
          await log.compact({ upTo, state: '[]', at: 1, sign })
          base = upTo
          model = model.filter(({ seq }) => seq > upTo)
        } else {
          const { seq } = await log.erase(erasureOf(step.erase, base > 0 ? { base: { state: '[]', sign } } : {}))
          const isKnown = model.some(({ user }) => user === step.erase)
          t.equal(seq, isKnown ? head + 1 : undefined)
          if (isKnown) model = [...model.filter(({ user }) => user !== step.erase), { seq: head + 1, user: 'node' }]
        }
      }
      t.same(
        (await readAll(log)).map(({ seq, stream }) => ({ seq, user: stream.replace('user:', '') })),
        model,
      )
      await log.close()
      t.match((await verify(file)).signed, { ok: true, from: base + 1 })
    }),
    { numRuns: 40 },
  )
})
