/** What recovery stands on, for arbitrary histories: a fold put away as text goes on as if it had never been, and one without a person is as if they had not come. */
import fc from 'fast-check'
import t from 'tap'
import { replay, type SetAside } from '../../src/actors/replay.ts'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address, Base64Url, PublicKeyText, ServerId, UserId } from '../../src/protocol/ids.ts'
import { belongsTo, withoutPerson } from '../../src/server/erasure.ts'
import { foldFromBase } from '../../src/server/recovery.ts'
import { createNodeFold, droppedBy, foldedState, type FoldedState, restoreFold, viewOfNode } from '../../src/server/replay.ts'
import type { NewFact, RecordedFact } from '../../src/store/log.ts'
import { anyHistory } from '../helpers/any-history.ts'

const user = fc.constantFrom('u1', 'u2', 'u3') as fc.Arbitrary<UserId>
const server = fc.constantFrom('s1', 's2') as fc.Arbitrary<ServerId>
const presence = fc.record({
  type: fc.constantFrom('user.advertised' as const, 'user.removed' as const),
  user,
  server,
  meta: fc.constant({}),
  caps: fc.constant([]),
  seq: fc.option(fc.tuple(fc.nat(3), fc.nat(9)), { nil: undefined }),
  pubkey: fc.option(fc.constantFrom('k1', 'k2') as fc.Arbitrary<PublicKeyText>, { nil: undefined }),
  digest: fc.stringMatching(/^[a-z]{4}$/) as fc.Arbitrary<Base64Url>,
})
const conflict = fc.record({
  type: fc.constant('user.keyConflicted' as const),
  user,
  server,
  pubkey: fc.constantFrom('k1', 'k2') as fc.Arbitrary<PublicKeyText>,
})
const decision = fc.record({
  type: fc.constantFrom('stream.setAside' as const, 'stream.retried' as const, 'stream.dropped' as const),
  stream: fc.constantFrom<Address>('session:u1', 'session:u2', 'user:u1', 'link:s1'),
  seq: fc.nat(9),
  why: fc.constant('why'),
})

/** Facts of machines, presence and operators, shuffled into one log. */
const anyLog: fc.Arbitrary<readonly RecordedFact<Fact>[]> = fc
  .tuple(anyHistory(40), fc.array(fc.tuple(fc.nat(40), fc.oneof(presence, presence, conflict, decision)), { maxLength: 30 }))
  .map(([history, others]) => {
    const facts: NewFact<Fact>[] = [...history]
    for (const [place, fact] of others) {
      const stream: Address = fact.type.startsWith('user.') ? `user:${(fact as { readonly user: UserId }).user}` : 'node'
      facts.splice(Math.min(place, facts.length), 0, { stream, at: 0, fact: fact as unknown as Fact })
    }
    let at = 1_750_000_000_000
    return facts.map((given, index) => ({ ...given, at: (at = Math.max(at, given.at)), seq: index + 1, version: 1, epoch: 1 }))
  })

const logOf = (facts: readonly RecordedFact<Fact>[]) => ({
  read: async function* (from: number) {
    for (const fact of facts) if (fact.seq >= from) yield await Promise.resolve(fact)
  },
})

const textOf = async (facts: readonly RecordedFact<Fact>[]): Promise<string> => {
  const { fold, lastAt, failing } = await foldFromBase({ base: () => undefined, ...logOf(facts) })
  return JSON.stringify(foldedState(fold, { at: lastAt, failing }))
}

t.test('a snapshot at any fact, as text, and the facts after it make the same text as all facts', async t => {
  await fc.assert(
    fc.asyncProperty(anyLog, fc.nat(70), async (facts, cut) => {
      const upTo = Math.min(cut, facts.length)
      const state = JSON.parse(await textOf(facts.slice(0, upTo))) as FoldedState
      const fold = createNodeFold()
      restoreFold(fold, state)
      const options = { from: upTo + 1, lastAt: state.at, setAside: state.failing, dropped: droppedBy }
      const { lastAt, setAside } = await replay(logOf(facts), fold.host, options)
      t.equal(JSON.stringify(foldedState(fold, { at: lastAt, failing: setAside })), await textOf(facts))
    }),
    { numRuns: 100 },
  )
})

t.test('a state without a person is the state of a log without their facts', async t => {
  await fc.assert(
    fc.asyncProperty(anyLog, user, async (facts, person) => {
      const belongs = belongsTo(person)
      const concerns = ({ stream, fact }: RecordedFact<Fact>): boolean =>
        belongs(stream) || (fact.type.startsWith('stream.') && belongs((fact as { readonly stream: string }).stream))
      const all = JSON.parse(await textOf(facts)) as FoldedState
      const without = JSON.parse(await textOf(facts.filter(recorded => !concerns(recorded)))) as FoldedState
      const forgotten = withoutPerson(all, person)
      // the count of presence events stays, and so do digests, which say nothing about anybody, and that an origin was heard of
      const comparable = ({ node, machines, failing }: FoldedState) => ({
        machines,
        failing,
        node: {
          ...node,
          lastSeq: [],
          origins: node.origins
            .map(([id, { recent }]) => [id, [...recent].sort()] as const)
            .filter(([, recent]) => recent.length > 0)
            .sort(),
        },
      })
      t.strictSame(comparable(forgotten), comparable(without))
    }),
    { numRuns: 100 },
  )
})

t.test('a fact that leaves the fold half written is passed over in a second run, and everything else counts', async t => {
  const attached = (user: string, seq: unknown) => ({
    stream: `session:${user}` as Address,
    fact: { type: 'session.attached', user, pubkey: 'k', meta: {}, caps: [], proven: true, seq } as unknown as Fact,
  })
  const started = { stream: 'node' as Address, fact: { type: 'node.started', server: 's1', epoch: 1 } as Fact }
  const facts = [
    started,
    attached('u1', [1, 1]),
    attached('u2', null),
    attached('u2', [1, 2]),
    attached('u3', [1, 3]),
    attached('u1', null),
  ]
  const recorded = facts.map((fact, index) => ({ ...fact, at: 1_000 + index, seq: index + 1, version: 1, epoch: 1 }))
  const { fold, failing, seq } = await foldFromBase({ base: () => undefined, ...logOf(recorded) })
  t.match(failing, [
    { stream: 'session:u2', seq: 3 },
    { stream: 'session:u1', seq: 6 },
  ] satisfies readonly Partial<SetAside>[])
  t.equal(seq, 6)
  t.match(viewOfNode(fold, seq), { directory: [{ user_id: 'u1' }, { user_id: 'u3' }], pins: { users: { u1: {}, u3: {} } } })
  t.strictSame(Object.keys(viewOfNode(fold, seq).machines), ['session:u3'])
})
