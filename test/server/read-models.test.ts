/** The tables of SOCP §15: which rows come from which facts, and that they can be dropped and come out equal. */
import { copyFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import t from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address } from '../../src/protocol/ids.ts'
import { readModels } from '../../src/server/read-models.ts'
import type { NewFact } from '../../src/store/log.ts'
import type { Projections } from '../../src/store/projections.ts'
import { openSqliteLog, type SqliteLog } from '../../src/store/sqlite-log.ts'
import { openLogReader } from '../../src/store/sqlite-reader.ts'
import { logFile, sha256 } from '../store/sqlite-place.ts'
import { randomBytes } from 'node:crypto'

const open = (file: string, more: { readonly projections?: Projections<Fact>; readonly troubled?: (why: string) => void } = {}) =>
  openSqliteLog<Fact>({ file, sha256, randomBytes, endOfTick: run => void setImmediate(run), projections: readModels, ...more })

const append = (log: SqliteLog<Fact>, ...facts: NewFact<Fact>[]) => log.append(facts, { expected: { epoch: log.epoch } })
const sign = (text: string) => Promise.resolve(text)

type Presence = Partial<Extract<Fact, { readonly type: 'user.advertised' }>>

const advertised = (user: string, at: number, more: object = {}): NewFact<Fact> => ({
  stream: `user:${user}` as Address,
  at,
  fact: {
    type: 'user.advertised',
    user,
    server: 's',
    meta: {},
    caps: [],
    digest: 'd',
    pubkey: `key of ${user}`,
    ...(more as Presence),
  } as unknown as Fact,
})

const attached = (user: string, at: number, more: object = {}): NewFact<Fact> => ({
  stream: `session:${user}` as Address,
  at,
  fact: {
    type: 'session.attached',
    user,
    pubkey: `key of ${user}`,
    meta: {},
    caps: [],
    proven: true,
    seq: [1, at],
    ...more,
  } as unknown as Fact,
})

const removed = (user: string, at: number): NewFact<Fact> => ({
  stream: `user:${user}` as Address,
  at,
  fact: { type: 'user.removed', user, server: 's', digest: 'd' } as unknown as Fact,
})

const meta = (display_name: string | null, more: object = {}, extras: object = { caps: [] }) =>
  JSON.stringify({ display_name, pronouns: null, age: null, avatar_url: null, ...more, extras })

const EVERYONE = { group_id: 'public', creator_id: 'system', created_at: 0, meta: '{}', version: 1 }

const member = (member_id: string, added_at: number) => ({ group_id: 'public', member_id, role: 'member', wrapped_key: null, added_at })

t.test('a new log has the public channel by system, and nobody in it', async t => {
  const log = await open(logFile(t.testdir({})))
  t.same(await log.models(), { users: [], groups: [EVERYONE], group_members: [] })
  await log.close()
})

t.test('whoever is announced or attaches is a user and a member of the public channel, and stays one', async t => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  await append(
    log,
    attached('a', 10, { meta: { display_name: 'Ann', age: 30 }, caps: ['ack'], encPubkey: 'e' }),
    advertised('b', 20, { meta: { display_name: 'Ben' } }),
    removed('b', 30),
  )
  const expected = {
    users: [
      {
        user_id: 'a',
        pubkey: 'key of a',
        privkey_store: null,
        pake_password: null,
        meta: '{"display_name":"Ann","pronouns":null,"age":30,"avatar_url":null,"extras":{"caps":["ack"],"enc_pubkey":"e"}}',
        version: 1,
      },
      { user_id: 'b', pubkey: 'key of b', privkey_store: null, pake_password: null, meta: meta('Ben'), version: 1 },
    ],
    groups: [EVERYONE],
    group_members: [member('a', 10), member('b', 20)],
  }
  t.same(await log.models(), expected)
  await log.close()
  const db = new Database(file, { readonly: true })
  t.same(db.prepare('SELECT * FROM users ORDER BY user_id').all(), expected.users, 'they are tables that anything can read')
  db.close()
})

t.test('a version counts the changes of a user, not the announcements; the first key stays', async t => {
  const log = await open(logFile(t.testdir({})))
  const user = async () => (await log.models())['users']?.[0]
  await append(log, advertised('a', 1, { pubkey: undefined }))
  t.match(await user(), { pubkey: null, version: 1 })
  await append(log, advertised('a', 2), advertised('a', 3))
  t.match(await user(), { pubkey: 'key of a', version: 2 })
  await append(
    log,
    advertised('a', 4, { meta: { display_name: 'Ann' } }),
    advertised('a', 5, { meta: { display_name: 'Ann' }, pubkey: 'other' }),
  )
  t.match(await user(), { pubkey: 'key of a', version: 3, meta: meta('Ann') })
  t.match((await log.models())['group_members'], [member('a', 1)])
  await log.close()
})

t.test('read models are written with their facts or not at all', async t => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  await append(log, attached('a', 1))
  const other = new Database(file)
  other.exec('UPDATE writer SET epoch = epoch + 1')
  other.close()
  await t.rejects(append(log, attached('b', 2)), { name: 'LogRefused' })
  await log.close()
  const again = await open(file)
  t.match((await again.models())['users'], [{ user_id: 'a' }])
  t.equal((await again.models())['users']?.length, 1)
  await again.close()
})

const history = fc.array(
  fc.tuple(
    fc.constantFrom('a', 'b', 'c', 'd'),
    fc.constantFrom(attached, advertised, removed),
    fc.option(fc.constantFrom('Ann', 'Ben', '"\u0000é😀'), { nil: undefined }),
  ),
  { maxLength: 30 },
)

const toFacts = (
  entries: readonly (readonly [string, (user: string, at: number, more?: object) => NewFact<Fact>, string | undefined])[],
  from = 0,
) =>
  entries.map(([user, make, display_name], index) => make(user, from + index, display_name === undefined ? {} : { meta: { display_name } }))

t.test('read models come out equal when they are made anew: alive, at opening, behind a base, and by a reader', async t => {
  const directory = t.testdir({})
  let run = 0
  await fc.assert(
    fc.asyncProperty(history, history, fc.nat({ max: 10 }), async (first, second, kept) => {
      const file = `${directory}/log-${(run += 1)}.db`
      const log = await open(file)
      await append(log, ...toFacts(first))
      const upTo = first.length - kept
      if (upTo > 0) await log.compact({ upTo, state: '{}', at: 1, sign })
      await append(log, ...toFacts(second, 1_000))
      const models = await log.models()
      const counts = Object.fromEntries(Object.entries(models).map(([table, rows]) => [table, rows.length]))
      t.same(await log.rebuild(), counts)
      t.same(await log.models(), models, 'alive')
      await log.close()
      const reader = openLogReader<Fact>(file)
      t.same(await reader.models(readModels), models, 'by a reader')
      reader.close()
      const another = await open(file, { projections: { ...readModels, version: 'other' } })
      t.same(await another.models(), models, 'at opening')
      await another.close()
      const without = await openSqliteLog<Fact>({ file, sha256, randomBytes, endOfTick: run => void setImmediate(run) })
      await append(without, attached('late', 9_999))
      await without.close()
      const later = await open(file)
      t.same(
        (await later.models())['users']?.filter(({ user_id }) => user_id !== 'late'),
        models['users'],
      )
      t.ok(
        (await later.models())['users']?.some(({ user_id }) => user_id === 'late'),
        'what was recorded without them',
      )
      await later.close()
    }),
    { numRuns: 15 },
  )
})

t.test('read models of a moment that is past are those that stood there', async t => {
  const file = logFile(t.testdir({}))
  const log = await open(file)
  await append(log, attached('a', 1))
  const before = await log.models()
  await append(log, attached('b', 2), advertised('a', 3, { meta: { display_name: 'Ann' } }))
  const reader = openLogReader<Fact>(file)
  t.same(await reader.models(readModels, 1), before)
  t.same(await reader.models(readModels), await log.models())
  reader.close()
  await log.close()
})

t.test('they are made anew while facts come in, and none is missed', async t => {
  const log = await open(logFile(t.testdir({})))
  await append(log, ...Array.from({ length: 6_000 }, (_, index) => advertised(`u${index}`, index)))
  const rebuilding = log.rebuild()
  for (let index = 0; index < 10; index += 1) await append(log, attached(`late-${index}`, 7_000 + index))
  await rebuilding
  await append(log, attached('last', 8_000))
  t.equal((await log.models())['users']?.length, 6_011)
  await log.close()
})

t.test('whoever was erased is in no table, nor after they were made anew', async t => {
  const log = await open(logFile(t.testdir({})))
  await append(log, attached('a', 1), attached('b', 2), advertised('a', 3))
  await log.compact({ upTo: 2, state: '{"about":"a"}', at: 1, sign })
  await log.erase({
    subject: 'a',
    belongs: stream => stream.endsWith(':a'),
    fact: rows => ({ type: 'data.erased', rows, lastSeq: [1, 1] }) as unknown as Fact,
    at: 4,
    base: { state: '{}', sign },
  })
  const models = await log.models()
  t.match(models, { users: [{ user_id: 'b' }], group_members: [{ member_id: 'b' }] })
  t.equal(models['users']?.length, 1)
  t.equal((await log.base())?.models['users']?.length, 1)
  await log.rebuild()
  t.same(await log.models(), models)
  await log.close()
})

t.test('a fact that does not fit is told, and changes no row; a log of version 1 has its tables at once', async t => {
  const file = logFile(t.testdir({}))
  copyFileSync(new URL('../store/version-1.db', import.meta.url), file)
  const told: string[] = []
  const log = await open(file, { troubled: why => told.push(why) })
  t.match((await log.models())['users'], [
    { user_id: '00000000-0000-4000-8000-000000000001', meta: meta('Anna'), version: 2 },
    { user_id: '00000000-0000-4000-8000-000000000002', meta: meta('Ben'), version: 1 },
  ])
  const models = await log.models()
  await append(log, { stream: 'user:x', at: 9, fact: { type: 'user.advertised', user: 'x' } as unknown as Fact })
  t.match(told, [/user\.advertised of user:x does not fit the read models/])
  t.same(await log.models(), models)
  await log.rebuild()
  t.same(await log.models(), models)
  await log.close()
})
