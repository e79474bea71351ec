/** Time travel: the fold up to a moment, what changed and which facts did it, what would have been, and walking back and forth. */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address } from '../../src/protocol/ids.ts'
import { foldNode } from '../../src/server/replay.ts'
import {
  createTraveller,
  OutOfReach,
  stateOf,
  travel,
  surviving,
  type Mark,
  type Past,
  type PastState,
} from '../../src/server/time-travel.ts'
import { differencesBetween, differencesOf, takeWatched, without } from '../../src/server/time-travel-changes.ts'
import { because } from '../../src/server/time-travel-why.ts'
import { createWalk } from '../../src/server/time-travel-walk.ts'
import type { NewFact, RecordedFact } from '../../src/store/log.ts'
import { anyHistory } from '../helpers/any-history.ts'
import { createMesh, startPair, type MeshNode } from './mesh.ts'
import { attachUser, userId } from './user.ts'

const recordedFrom = (facts: readonly NewFact<Fact>[]): RecordedFact<Fact>[] => {
  const versions = new Map<Address, number>()
  return facts.map((fact, index) => {
    const version = (versions.get(fact.stream) ?? 0) + 1
    versions.set(fact.stream, version)
    return { ...fact, seq: index + 1, version, epoch: 1 }
  })
}

const pastOf = (facts: readonly RecordedFact<Fact>[]): Past => ({
  read: async function* (from) {
    yield* facts.filter(({ seq }) => seq >= from)
  },
  head: () => facts.at(-1)?.seq ?? 0,
})

const stateAt = async (past: Past, seq?: number): Promise<PastState> => {
  const traveller = createTraveller(past)
  await travel(past, traveller, seq === undefined ? undefined : { seq })
  return stateOf(traveller)
}

/** What `at` depends on is the last fact that was taken, which differs where one was left out. */
const timeless = ({ at: _, ...state }: PastState) => state

t.test('the state at a moment is the fold of the facts up to it, whatever the history', async t => {
  await fc.assert(
    fc.asyncProperty(anyHistory(40), fc.nat(40), async (history, chosen) => {
      const facts = recordedFrom(history)
      const seq = Math.min(chosen, facts.length)
      const upTo = async function* () {
        yield* facts.slice(0, seq)
      }
      const state = await stateAt(pastOf(facts), seq)
      const view = await foldNode(upTo())
      t.strictSame(state.machines, view.machines)
      t.strictSame(
        Object.keys(state.directory),
        view.directory.map(({ user_id }) => user_id),
      )
      t.equal(state.seq, seq)
    }),
    { numRuns: 50 },
  )
})

t.test('the changes that are found fact by fact lead from any state to any later one', async t => {
  await fc.assert(
    fc.asyncProperty(anyHistory(40), async history => {
      const past = pastOf(recordedFrom(history))
      const traveller = createTraveller(past)
      const pieces = new Map<string, unknown>()
      await travel(past, traveller, undefined, recorded => {
        for (const { part, key, before, after } of takeWatched(traveller, recorded).changes) {
          t.strictSame(pieces.get(`${part} ${key}`) ?? null, part === 'node' && !pieces.has('node node') ? null : before)
          pieces.set(`${part} ${key}`, after)
        }
      })
      const found = differencesOf(createTraveller(past), traveller)
      const living = [...pieces].filter(([name, value]) => value !== null && name !== 'node node')
      t.strictSame(
        new Map(living.sort()),
        new Map(
          found
            .filter(({ part }) => part !== 'node')
            .map(({ part, key, after }): [string, unknown] => [`${part} ${key}`, after])
            .sort(),
        ),
      )
    }),
    { numRuns: 50 },
  )
})

t.test('walking anywhere and back is the same as folding to there', async t => {
  await fc.assert(
    fc.asyncProperty(anyHistory(60), fc.array(fc.nat(60), { maxLength: 8 }), async (history, stops) => {
      const past = pastOf(recordedFrom(history))
      const walk = createWalk(past, { gap: 5, most: 4 })
      for (const stop of stops.map(seq => Math.min(seq, past.head()))) {
        await walk.to(stop)
        t.strictSame(stateOf(walk.traveller), await stateAt(past, stop))
        t.equal(walk.step?.recorded.seq, stop === 0 ? undefined : stop)
      }
    }),
    { numRuns: 50 },
  )
})

const pastOfNode = async (facts: Promise<readonly RecordedFact<Fact>[]>): Promise<Past> => pastOf([...(await facts)])

const chattingPair = async (t: Test) => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await attachUser(mesh, first, 2, { name: 'Ann' })
  await mesh.until(() => mesh.view(second).directory.length === 1, 5_000, 'the other node knows Ann')
  return { mesh, first, second, ann, factsOf: (node: MeshNode) => pastOfNode(mesh.facts(node)) }
}

t.test('a node of a real mesh is what its log says, at any fact', async t => {
  const { mesh, first, second, ann, factsOf } = await chattingPair(t)
  const attached = await mesh.facts(first)
  const present = await stateAt(await factsOf(first))
  t.strictSame(present.machines, mesh.view(first).machines)
  t.match(present, { server_id: first.id, running: true, directory: { [ann.id]: { local: 'attached', claims: [{ name: 'Ann' }] } } })
  t.match(present.pins.servers, { [second.id]: { linked: true } })
  await mesh.pass(1_000)
  ann.leave()
  await mesh.until(() => mesh.view(first).directory.length === 0, 60_000, 'Ann is gone')
  const later = await factsOf(first)
  t.strictSame(await stateAt(later, attached.length), present, 'the past stays what it was')
  t.strictSame((await stateAt(later)).directory, {})

  t.test('--diff names what is different and the facts that did it', async t => {
    const seq = attached.length
    const { from, to, changes, facts } = await differencesBetween(later, { seq }, undefined)
    t.match([from, to], [{ seq }, { seq: later.head() }])
    t.match(
      changes.filter(({ part }) => part === 'machines' || part === 'directory'),
      [
        { part: 'machines', key: `session:${ann.id}`, before: { state: 'attached' }, after: null },
        { part: 'directory', key: ann.id, before: { local: 'attached' }, after: null },
      ],
    )
    const ended = facts.filter(({ fact }) => 'user' in fact).map(({ fact }) => fact.type)
    t.same(ended.at(-1), 'session.ended')
    for (const change of changes)
      t.ok(
        change.facts.every(number => facts.some(({ seq }) => seq === number)),
        `${change.part} ${change.key}`,
      )
    await t.rejects(differencesBetween(later, { seq }, { seq: seq - 1 }), OutOfReach)
  })

  t.test('--why lists the facts since the present state came into being, and the last of what is gone', async t => {
    const link = await because(later, `link:${second.id}`, undefined)
    t.match(link?.present, [{ part: 'machines', value: { state: 'linked' } }])
    t.match(link?.facts.at(-1)?.recorded.fact, { type: 'link.linked' })
    for (const { changes } of link?.facts ?? [])
      t.same(
        changes.map(({ key }) => key),
        [`link:${second.id}`],
      )

    const here = await because(later, ann.id, { seq: attached.length })
    t.same(here?.present.map(({ part }) => part).sort(), ['directory', 'machines', 'pins.users'])
    t.same(
      here?.facts.map(({ recorded }) => recorded.fact.type),
      ['session.attached'],
    )

    const gone = await because(later, `session:${ann.id}`, undefined)
    t.match(gone?.present, [{ value: null }])
    t.equal(gone?.facts.at(-1)?.recorded.fact.type, 'session.ended')
    t.equal(await because(later, `session:${userId(9)}`, undefined), undefined)
  })

  t.test('--without shows what would have been', async t => {
    const joined = attached.find(({ fact }) => fact.type === 'session.attached')?.seq ?? 0
    const { removed, changes, other } = await without(later, joined, { seq: attached.length })
    t.equal(removed.fact.type, 'session.attached')
    t.same(
      changes.map(({ part, key }) => [part, key]),
      [
        ['machines', `session:${ann.id}`],
        ['directory', ann.id],
        ['pins.users', ann.id],
      ],
    )
    t.strictSame(timeless(stateOf(other)).directory, {})
    t.equal(stateOf(other).seq, attached.length)
    await t.rejects(without(later, later.head() + 1, undefined), OutOfReach)
  })

  t.test('moments that the log does not hold are sentences', async t => {
    await t.rejects(stateAt(later, later.head() + 1), { name: 'OutOfReach', message: /^The log ends with fact \d+, / })
    const started = attached[0]?.at ?? 0
    const traveller = createTraveller(later)
    await travel(later, traveller, { at: started })
    t.equal(traveller.at, started)
    t.ok(traveller.seq < later.head())
    const before = createTraveller(later)
    await travel(later, before, { at: started - 1 })
    t.equal(before.seq, 0)
  })
})

t.test('a compacted log begins with its base, and says what it no longer holds', async t => {
  const { first, factsOf } = await chattingPair(t)
  const whole = await factsOf(first)
  const since = whole.head() - 3
  const builder = createTraveller(whole)
  await travel(whole, builder, { seq: since })
  const base = JSON.parse(JSON.stringify(builder.mark())) as Mark
  const compacted: Past = { base, read: from => whole.read(Math.max(from, since + 1)), head: whole.head }
  t.strictSame(await stateAt(compacted), await stateAt(whole))
  await t.rejects(stateAt(compacted, since - 1), { message: new RegExp(`^The facts before ${since} were compacted`) })
  await t.rejects(travel(compacted, createTraveller(compacted), { at: 1 }), { message: /^The facts of that time were compacted/ })
  const walk = createWalk(compacted)
  await walk.to(whole.head())
  await walk.to(since)
  t.equal(walk.step, undefined)
  t.strictSame(timeless(stateOf(walk.traveller)), timeless(await stateAt(whole, since)))
})

t.test('a fact that breaks the fold sets its stream aside, as at a start, and the rest goes on', async t => {
  const facts = recordedFrom([
    { stream: 'node', at: 1, fact: { type: 'node.started', server: 's1', epoch: 1 } as Fact },
    // without a sequence, which the directory needs
    {
      stream: 'session:u1',
      at: 2,
      fact: { type: 'session.attached', user: 'u1', pubkey: 'k', meta: {}, caps: [], proven: true } as unknown as Fact,
    },
    { stream: 'session:u1', at: 3, fact: { type: 'session.detached', user: 'u1', why: 'left' } as Fact },
    { stream: 'link:s2', at: 4, fact: { type: 'link.dialled', server: 's2', url: 'ws://h:1' } as Fact },
    { stream: 'aside:session:u1' as Address, at: 5, fact: { type: 'stream.dropped', stream: 'session:u1' } },
    {
      stream: 'session:u1',
      at: 6,
      fact: { type: 'session.attached', user: 'u1', pubkey: 'k', meta: {}, caps: [], proven: true, seq: [1, 1] } as unknown as Fact,
    },
  ])
  await surviving(pastOf(facts), async past => {
    const traveller = createTraveller(past)
    await travel(past, traveller, { seq: 4 })
    const state = stateOf(traveller)
    t.match(state.failing, [{ stream: 'session:u1', seq: 2 }])
    t.same(Object.keys(state.machines), ['link:s2'])
    await travel(past, traveller, undefined)
    t.match(stateOf(traveller), { failing: [], machines: { 'session:u1': { state: 'attached' } } })
  })
  const walk = createWalk(pastOf(facts))
  await walk.to(6)
  t.equal(walk.traveller.fold.host.machine('session:u1')?.state, 'attached')
  await walk.to(3)
  t.match(stateOf(walk.traveller).failing, [{ stream: 'session:u1', seq: 2 }])
})
