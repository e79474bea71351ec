/** The acceptance suite of what a log does beside facts: every backend that a node lives on passes it. */
import type { Test } from 'tap'
import type { DurableLog, Erasure, Span } from '../../src/store/durable-log.ts'
import type { NewFact } from '../../src/store/log.ts'
import { advertised, readAll, removed, type SampleFact } from './event-log-contract.ts'

export type KeptFact =
  | SampleFact
  | { readonly type: 'data.erased'; readonly rows: readonly Span[] }
  | { readonly type: 'stream.setAside'; readonly user: string }

/** A place where a log lives on between openings. */
export interface DurablePlace {
  open(): Promise<DurableLog<KeptFact>>
}

export const append = (log: DurableLog<KeptFact>, ...facts: NewFact<KeptFact>[]) => log.append(facts, { expected: { epoch: log.epoch } })

/** Stands for the node's key: signatures are told apart by their text. */
export const sign = (text: string): Promise<string> => Promise.resolve(`signed ${text}`)

export const erasureOf = (user: string, more: Partial<Erasure<KeptFact>> = {}): Erasure<KeptFact> => ({
  subject: user,
  belongs: stream => stream === `user:${user}`,
  fact: rows => ({ type: 'data.erased', rows }),
  at: 9,
  ...more,
})

/** What a fold of the sample facts makes: who is there. */
const seqs = async (log: DurableLog<KeptFact>, from = 1): Promise<number[]> => (await readAll(log, from)).map(({ seq }) => seq)

const rules: Readonly<Record<string, (t: Test, place: DurablePlace) => Promise<void>>> = {
  'the newest snapshot comes back, also after the log was opened again': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'))
    t.equal(await log.snapshots.newest('1'), undefined)
    await log.snapshots.save({ seq: 1, foldVersion: '1', state: '{"at":1}' })
    await log.snapshots.save({ seq: 2, foldVersion: '1', state: '{"at":2,"é":"😀"}' })
    await log.close()
    const again = await place.open()
    t.match(await again.snapshots.newest('1'), { seq: 2, foldVersion: '1', state: '{"at":2,"é":"😀"}', chain: /^[0-9a-f]{64}$/ })
    await again.close()
  },

  'a snapshot of another version of the fold is passed over, with a sentence': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'))
    await log.snapshots.save({ seq: 1, foldVersion: '1', state: '1' })
    await log.snapshots.save({ seq: 2, foldVersion: '2', state: '2' })
    const ignored: string[] = []
    t.match(await log.snapshots.newest('1', why => ignored.push(why)), { seq: 1 })
    t.match(ignored, [/snapshot at 2 was made by version 2 of the fold, today's is 1/])
    await log.snapshots.clear()
    t.equal(await log.snapshots.newest('1'), undefined)
    await log.close()
  },

  'a snapshot waits for the commit of its fact, and is lost with it': async (t, place) => {
    const log = await place.open()
    const saved = log.snapshots.save({ seq: 2, foldVersion: '1', state: '2' })
    await append(log, advertised('a'))
    t.equal(await log.snapshots.newest('1'), undefined)
    await append(log, advertised('b'))
    await saved
    t.match(await log.snapshots.newest('1'), { seq: 2 })
    const never = log.snapshots.save({ seq: 9, foldVersion: '1', state: '9' })
    const refused = t.rejects(never, { name: 'LogRefused' })
    await log.close()
    await refused
  },

  'a snapshot of a moment that is past stands on the chain of its moment': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'))
    const [, saved] = await Promise.all([append(log, advertised('b')), log.snapshots.save({ seq: 1, foldVersion: '1', state: '1' })])
    t.equal(saved, undefined)
    t.match(await log.snapshots.newest('1'), { seq: 1, state: '1' })
    await log.close()
  },

  'a checkpoint signs sequence, chain, state hash and time': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'))
    const checkpoint = await log.checkpoint({ seq: 2, stateHash: 'abc', at: 5, sign })
    t.match(checkpoint, { seq: 2, stateHash: 'abc', at: 5, chain: /^[0-9a-f]{64}$/ })
    t.equal(checkpoint.sig, `signed {"at":5,"chain":"${checkpoint.chain}","seq":2,"stateHash":"abc","statement":"socp-checkpoint"}`)
    await log.close()
    const again = await place.open()
    t.same(await again.checkpoints(), [checkpoint])
    await again.close()
  },

  'compacting drops facts behind a base, and sequences go on': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'), removed('a'), advertised('c'))
    t.equal(await log.base(), undefined)
    await log.checkpoint({ seq: 1, stateHash: 'x', at: 5, sign })
    await log.snapshots.save({ seq: 2, foldVersion: '1', state: '2' })
    t.same(await log.compact({ upTo: 3, state: '["b"]', at: 6, sign }), { dropped: 3 })
    t.match(await log.base(), { seq: 3, state: '["b"]', at: 6, chain: /^[0-9a-f]{64}$/, sig: /^signed .*"seq":3.*"statement":"socp-base"/ })
    t.same(await seqs(log), [4], 'a read from the beginning begins after the base')
    t.equal(await log.head(), 4)
    t.equal(await log.snapshots.newest('1'), undefined, 'snapshots before it are gone')
    t.same(await log.checkpoints(), [], 'and checkpoints')
    t.same(await append(log, removed('b')), { firstSeq: 5 })
    await log.close()
    const again = await place.open()
    t.match(await again.base(), { seq: 3, state: '["b"]' })
    t.same(await append(again, removed('c')), { firstSeq: 6 })
    t.same(await seqs(again), [4, 5, 6])
    await again.close()
  },

  'a log of which everything was dropped goes on': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'))
    t.same(await log.compact({ upTo: 2, state: '[]', at: 6, sign }), { dropped: 2 })
    t.same(await seqs(log), [])
    await log.snapshots.save({ seq: 2, foldVersion: '1', state: '2' })
    await log.checkpoint({ seq: 2, stateHash: 'x', at: 7, sign })
    await log.close()
    const again = await place.open()
    t.equal(await again.head(), 2)
    t.match(await again.snapshots.newest('1'), { seq: 2 })
    t.same(await append(again, removed('a')), { firstSeq: 3 })
    t.match(await readAll(again), [{ seq: 3, stream: 'user:a', version: 1 }])
    await again.close()
  },

  'facts are appended while it compacts; what streams are left keep their versions': async (t, place) => {
    const log = await place.open()
    await append(log, ...Array.from({ length: 5_000 }, (_, index) => advertised(`u${index % 3_000}`, index)))
    const compacting = log.compact({ upTo: 4_000, state: '[]', at: 6, sign })
    const appended: Promise<unknown>[] = []
    for (let round = 0; round < 20; round += 1) {
      appended.push(append(log, advertised('u1500'), removed('late')))
      await new Promise(resolve => void setImmediate(resolve))
    }
    await Promise.all(appended)
    t.same(await compacting, { dropped: 4_000 })
    const facts = await readAll(log)
    t.equal(facts.length, 1_040)
    t.same(
      facts.filter(({ stream }) => stream === 'user:late').map(({ version }) => version),
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
    t.equal(facts.find(({ seq }) => seq === 4_001)?.version, 2)
    const version = facts.filter(({ stream }) => stream === 'user:u1500').map(fact => fact.version)
    t.same(
      version,
      Array.from({ length: 21 }, (_, index) => index + (version[0] ?? 0)),
    )
    await log.close()
  },

  'compacting goes forward only': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'), advertised('c'))
    await log.compact({ upTo: 2, state: '[]', at: 6, sign })
    await t.rejects(log.compact({ upTo: 2, state: '[]', at: 7, sign }), { name: 'LogUnusable', message: /compacted up to 2 before/ })
    await t.rejects(log.checkpoint({ seq: 1, stateHash: 'x', at: 7, sign }), { name: 'LogUnusable', message: /was dropped/ })
    t.same(await log.compact({ upTo: 3, state: '[1]', at: 8, sign }), { dropped: 1 })
    await log.close()
  },

  'a base that could not be signed changes nothing': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'))
    await t.rejects(log.compact({ upTo: 1, state: '[]', at: 6, sign: () => Promise.reject(new Error('no key')) }), /no key/)
    t.equal(await log.base(), undefined)
    t.same(await seqs(log), [1])
    t.same(await log.compact({ upTo: 1, state: '[]', at: 6, sign }), { dropped: 1 }, 'and the next may')
    await log.close()
  },

  'erasing takes the facts of a person, says which, and forgets the snapshots': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'), removed('a'), advertised('a'), removed('b'))
    await log.snapshots.save({ seq: 5, foldVersion: '1', state: '5' })
    t.match(await log.erase(erasureOf('a')), { rows: 3, seq: 6, wiped: true })
    t.same(await append(log, advertised('c')), { firstSeq: 7 })
    t.match(await readAll(log), [
      { seq: 2, stream: 'user:b' },
      { seq: 5, stream: 'user:b' },
      {
        seq: 6,
        stream: 'node',
        at: 9,
        fact: {
          type: 'data.erased',
          rows: [
            [1, 1],
            [3, 4],
          ],
        },
      },
      { seq: 7 },
    ])
    t.equal(await log.snapshots.newest('1'), undefined)
    t.same(await append(log, advertised('a')), { firstSeq: 8 })
    t.match((await readAll(log, 8))[0], { stream: 'user:a', version: 1 }, 'a stream of that name begins anew')
    await log.close()
    const again = await place.open()
    t.same(await seqs(again), [2, 5, 6, 7, 8])
    await again.close()
  },

  'erasing takes facts of the node that name the person': async (t, place) => {
    const log = await place.open()
    const aside = (user: string): NewFact<KeptFact> => ({ stream: 'node', at: 1, fact: { type: 'stream.setAside', user } })
    await append(log, aside('a'), aside('b'), advertised('a'))
    t.match(await log.erase(erasureOf('a', { mentions: fact => fact.type === 'stream.setAside' && fact.user === 'a' })), { rows: 2 })
    t.match(await readAll(log), [
      { fact: { user: 'b' } },
      {
        fact: {
          type: 'data.erased',
          rows: [
            [1, 1],
            [3, 3],
          ],
        },
      },
    ])
    await log.close()
  },

  'a person of whom nothing is known is not erased, and nothing is recorded': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'))
    t.same(await log.erase(erasureOf('c')), { rows: 0, seq: undefined, wiped: true })
    t.match(await log.erase(erasureOf('a')), { rows: 1, seq: 3 })
    t.match(await log.erase(erasureOf('a')), { rows: 0, seq: undefined }, 'nor a second time')
    await log.compact({ upTo: 2, state: '["b"]', at: 3, sign })
    t.match(await log.erase(erasureOf('c', { base: { state: '["b"]', sign } })), { rows: 0, seq: undefined })
    t.equal(await log.head(), 3)
    t.match(await log.erase(erasureOf('b', { base: { state: '[]', sign } })), { rows: 0, seq: 4 }, 'a base may know whom no fact names')
    await log.close()
  },
  'what is erased is declared by its own type of fact, or nothing is erased': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'))
    await t.rejects(log.erase(erasureOf('a', { fact: () => ({ type: 'user.removed', user: 'a' }) })), TypeError)
    await append(log, advertised('b'))
    t.ok((await seqs(log)).includes(2))
    await log.close()
  },

  'erasing behind a base needs the base without the person': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'), removed('a'))
    await log.compact({ upTo: 2, state: '["a","b"]', at: 6, sign })
    await t.rejects(log.erase(erasureOf('a')), TypeError)
    t.match(await log.erase(erasureOf('a', { base: { state: '["b"]', sign } })), { rows: 1, seq: 4 })
    t.match(await log.base(), { seq: 2, state: '["b"]', at: 9, sig: /"at":9/ })
    t.same(await seqs(log), [4])
    await log.close()
  },

  'nothing is kept by a log that was closed': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'))
    await log.close()
    const attempts: readonly Promise<unknown>[] = [
      log.snapshots.save({ seq: 1, foldVersion: '1', state: '1' }),
      log.checkpoint({ seq: 1, stateHash: 'x', at: 1, sign }),
      log.compact({ upTo: 1, state: '[]', at: 1, sign }),
      log.erase(erasureOf('a')),
    ]
    for (const attempt of attempts) t.equal((await Promise.allSettled([attempt]))[0].status, 'rejected')
    const again = await place.open()
    t.same(await seqs(again), [1])
    await again.close()
  },
}

/** Runs the suite as a subtest; `place` makes a fresh, empty place for each rule. */
export const durableLogContract = (t: Test, name: string, place: (t: Test) => DurablePlace): Promise<unknown> =>
  t.test(`${name} keeps what a node needs for years`, async t => {
    for (const [rule, run] of Object.entries(rules)) await t.test(rule, t => run(t, place(t)))
  })
