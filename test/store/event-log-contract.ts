/** The acceptance suite of the event log: every backend that may stand behind a node passes it. */
import type { Test } from 'tap'
import type { Address } from '../../src/protocol/ids.ts'
import { LogRefused, type EventLog, type NewFact, type RecordedFact } from '../../src/store/log.ts'

export type SampleFact =
  | { readonly type: 'user.advertised'; readonly user: string; readonly name?: string }
  | { readonly type: 'user.removed'; readonly user: string }

/** A place where a log lives on between openings. */
export interface Place {
  open(): Promise<EventLog<SampleFact>>
  /** Another writer takes over while this one still runs, as after a network partition or a deleted lock. */
  takeOver(log: EventLog<SampleFact>): void | Promise<void>
}

export const advertised = (user: string, at = 1): NewFact<SampleFact> => ({
  stream: `user:${user}` as Address,
  at,
  fact: { type: 'user.advertised', user },
})

export const removed = (user: string, at = 2): NewFact<SampleFact> => ({
  stream: `user:${user}` as Address,
  at,
  fact: { type: 'user.removed', user },
})

/** Everything that a log answers from `from` on. */
export const readAll = async <T extends { readonly type: string }>(
  log: Pick<EventLog<T>, 'read'>,
  from = 1,
): Promise<RecordedFact<T>[]> => {
  const facts: RecordedFact<T>[] = []
  for await (const fact of log.read(from)) facts.push(fact)
  return facts
}

const append = (log: EventLog<SampleFact>, ...facts: NewFact<SampleFact>[]) => log.append(facts, { expected: { epoch: log.epoch } })

/** Each rule of the contract, given a fresh place. */
const rules: Readonly<Record<string, (t: Test, place: Place) => Promise<void>>> = {
  'a new log is empty and its first epoch is 1': async (t, place) => {
    const log = await place.open()
    t.equal(log.epoch, 1)
    t.equal(await log.head(), 0)
    t.same(await readAll(log), [])
    await log.close()
  },

  'a fact is read back as it was appended, with sequence, version and epoch': async (t, place) => {
    const log = await place.open()
    const fact: NewFact<SampleFact> = {
      stream: 'user:é',
      at: 1_758_000_000_000,
      fact: { type: 'user.advertised', user: 'é', name: '"\\\u0000\u2028😀' },
    }
    t.same(await append(log, fact), { firstSeq: 1 })
    t.same(await readAll(log), [{ ...fact, seq: 1, version: 1, epoch: 1 }])
    await log.close()
  },

  'sequences run over all streams, versions within each': async (t, place) => {
    const log = await place.open()
    t.same(await append(log, advertised('a'), advertised('b'), removed('a')), { firstSeq: 1 })
    t.same(await append(log, removed('b')), { firstSeq: 4 })
    t.same(
      (await readAll(log)).map(({ seq, stream, version }) => [seq, stream, version]),
      [
        [1, 'user:a', 1],
        [2, 'user:b', 1],
        [3, 'user:a', 2],
        [4, 'user:b', 2],
      ],
    )
    await log.close()
  },

  'batches of one tick commit in the order of the calls and settle in it': async (t, place) => {
    const log = await place.open()
    const settled: number[] = []
    const note = ({ firstSeq }: { readonly firstSeq: number }) => settled.push(firstSeq)
    await Promise.all([
      append(log, advertised('a'), advertised('b')).then(note),
      append(log, advertised('c')).then(note),
      append(log, advertised('d')).then(note),
    ])
    t.same(settled, [1, 3, 4])
    t.same(
      (await readAll(log)).map(({ fact }) => fact.user),
      ['a', 'b', 'c', 'd'],
    )
    await log.close()
  },

  'what is appended while a commit runs comes after it': async (t, place) => {
    const log = await place.open()
    const first = append(log, advertised('a'))
    const second = new Promise<{ firstSeq: number }>((resolve, reject) => {
      setImmediate(() => {
        append(log, advertised('b')).then(resolve, reject)
      })
    })
    t.same(await Promise.all([first, second]), [{ firstSeq: 1 }, { firstSeq: 2 }])
    await log.close()
  },

  'nothing is seen before its commit': async (t, place) => {
    const log = await place.open()
    const safe = append(log, advertised('a'))
    t.equal(await log.head(), 0)
    t.same(await readAll(log), [])
    await safe
    t.equal(await log.head(), 1)
    await log.close()
  },

  'an empty batch waits for what was appended before it': async (t, place) => {
    const log = await place.open()
    const before = append(log, advertised('a'))
    t.same(await append(log), { firstSeq: 2 })
    t.equal(await log.head(), 1)
    await before
    await log.close()
  },

  'a fact that is changed after its append is recorded as it was': async (t, place) => {
    const log = await place.open()
    const fact = { type: 'user.removed' as const, user: 'a' }
    const safe = append(log, { stream: 'user:a', at: 1, fact })
    fact.user = 'b'
    await safe
    t.equal((await readAll(log))[0]?.fact.user, 'a')
    await log.close()
  },

  'a fact that cannot be written refuses its own batch as a bug, whole, and no other': async (t, place) => {
    const log = await place.open()
    const good = append(log, advertised('a'))
    await t.rejects(append(log, advertised('b'), { ...advertised('c'), at: 0.5 }), TypeError)
    t.same(await good, { firstSeq: 1 })
    t.same(await append(log, advertised('d')), { firstSeq: 2 })
    t.equal(await log.head(), 2)
    await log.close()
  },

  'reading begins where it is asked to': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'), advertised('b'), advertised('c'))
    t.same(
      (await readAll(log, 2)).map(({ seq }) => seq),
      [2, 3],
    )
    t.same(
      (await readAll(log, 0)).map(({ seq }) => seq),
      [1, 2, 3],
    )
    t.same(await readAll(log, 4), [])
    await log.close()
  },

  'reading ends at the head of the moment when it was asked for': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'))
    const facts = log.read(1)
    await append(log, advertised('b'))
    const seen: number[] = []
    for await (const { seq } of facts) seen.push(seq)
    t.same(seen, [1])
    await log.close()
  },

  'reading goes on page by page while others append': async (t, place) => {
    const log = await place.open()
    await append(log, ...Array.from({ length: 1_203 }, (_, index) => advertised(`u${index % 7}`, index)))
    let count = 0
    for await (const { seq } of log.read(1)) {
      count += 1
      if (seq === 600) await append(log, advertised('late'))
    }
    t.equal(count, 1_203)
    t.equal(await log.head(), 1_204)
    await log.close()
  },

  'a log that is opened again continues sequences and versions in the next epoch': async (t, place) => {
    const first = await place.open()
    await append(first, advertised('a'), advertised('b'))
    await first.close()
    const second = await place.open()
    t.equal(second.epoch, 2)
    t.equal(await second.head(), 2)
    t.same(await append(second, removed('a')), { firstSeq: 3 })
    t.same(
      (await readAll(second)).map(({ seq, version, epoch }) => [seq, version, epoch]),
      [
        [1, 1, 1],
        [2, 1, 1],
        [3, 2, 2],
      ],
    )
    await second.close()
  },

  'closing commits what was appended, and nothing can be appended after it': async (t, place) => {
    const log = await place.open()
    const safe = append(log, advertised('a'))
    const closed = log.close()
    await t.rejects(append(log, advertised('b')), LogRefused)
    t.same(await safe, { firstSeq: 1 })
    await closed
    const again = await place.open()
    t.equal(await again.head(), 1)
    await again.close()
  },

  'an append that expects another epoch is refused, and so is everything after it': async (t, place) => {
    const log = await place.open()
    const before = append(log, advertised('a'))
    await t.rejects(log.append([advertised('b')], { expected: { epoch: log.epoch + 1 } }), LogRefused)
    await t.rejects(append(log, advertised('c')), LogRefused)
    t.same(await before, { firstSeq: 1 })
    t.equal(await log.head(), 1)
    await log.close()
  },

  'a writer that was taken over from is refused for ever, and leaves nothing behind': async (t, place) => {
    const log = await place.open()
    await append(log, advertised('a'))
    await place.takeOver(log)
    const refusals = await Promise.allSettled([append(log, advertised('b')), append(log, advertised('c'))])
    for (const refusal of refusals) t.ok(refusal.status === 'rejected' && refusal.reason instanceof LogRefused)
    await t.rejects(append(log, advertised('d')), { name: 'LogRefused', message: /taken over/ })
    t.equal(await log.head(), 1)
    await log.close()
    const next = await place.open()
    t.equal(next.epoch, 3)
    t.same(
      (await readAll(next)).map(({ fact }) => fact.user),
      ['a'],
    )
    await next.close()
  },
}

/** Runs the suite as a subtest; `place` makes a fresh, empty place for each rule. */
export const eventLogContract = (t: Test, name: string, place: (t: Test) => Place): Promise<unknown> =>
  t.test(`${name} keeps the contract of the event log`, async t => {
    for (const [rule, run] of Object.entries(rules)) await t.test(rule, t => run(t, place(t)))
  })
