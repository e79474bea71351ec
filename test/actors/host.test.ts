/** One host runs every machine and the fold: all or nothing, and the same live, in replay and from a snapshot. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { assign, setup } from 'xstate'
import type { NamedEffect } from '../../src/actors/contract.ts'
import { type ApplyFailed, createHost, FoldBroken, type Host, type Step } from '../../src/actors/host.ts'
import type { Fact } from '../../src/domain/facts.ts'
import { bootstrapMachine } from '../../src/machines/bootstrap.ts'
import type { MachineTypes } from '../../src/machines/event.ts'
import { linkMachine } from '../../src/machines/link.ts'
import { sessionMachine } from '../../src/machines/session.ts'
import { transferMachine } from '../../src/machines/transfer.ts'
import type { Address } from '../../src/protocol/ids.ts'
import type { NewFact } from '../../src/store/log.ts'
import { anyHistory } from '../helpers/any-history.ts'

type CountFact = { readonly type: 'counted' | 'broke' | 'refused' | 'foldBroke' | 'finished' | 'everybody' | 'ignored' }

const types: MachineTypes<{ readonly id: string; readonly count: number }, CountFact> = {}
const counter = setup({
  types,
  actions: { told: (_: unknown, _params: { readonly count: number }) => t.fail('an action was executed') },
}).createMachine({
  context: ({ input }) => ({ id: input.id, count: 0 }),
  initial: 'outer',
  on: {
    everybody: { actions: { type: 'told', params: { count: -1 } } },
    finished: '.over',
  },
  states: {
    outer: {
      initial: 'inner',
      states: {
        inner: {
          on: {
            counted: {
              actions: [
                assign({ count: ({ context }) => context.count + 1 }),
                { type: 'told', params: ({ context }) => ({ count: context.count }) },
              ],
            },
            broke: {
              actions: [
                { type: 'told', params: { count: 99 } },
                assign(({ context }) => {
                  if (context.id === 'weak') throw new TypeError('broken by the fact')
                  return { count: context.count + 1 }
                }),
              ],
            },
          },
        },
      },
    },
    over: { type: 'final' },
  },
})

const startHost = (inspect?: (step: Step<CountFact>) => void) => {
  const folded: string[] = []
  const host = createHost<CountFact>({
    machines: { link: counter, session: counter },
    fold: {
      check: ({ fact }) => {
        if (fact.type === 'refused') throw new RangeError('the fold refuses')
      },
      evolve: ({ stream, fact }) => {
        if (fact.type === 'foldBroke') throw new Error('the fold broke')
        folded.push(`${stream} ${fact.type}`)
      },
    },
    broadcast: type => type === 'everybody' || type === 'broke',
    ...(inspect && { inspect }),
  })
  const apply = (stream: Address, type: CountFact['type'], at = 5) => host.apply({ stream, at, fact: { type } })
  return { host, folded, apply }
}

t.test('a machine is made by the first fact that means something to it, and named by its address', async t => {
  const { host, apply, folded } = startHost()
  t.same(apply('link:a', 'ignored'), [])
  t.equal(host.machine('link:a'), undefined)
  t.same(apply('link:a', 'counted', 7), [{ address: 'link:a', effect: 'told', params: { count: 1 }, at: 7 }])
  t.same(host.machine('link:a'), { state: 'outer.inner', context: { id: 'a', count: 1 } })
  t.same(folded, ['link:a ignored', 'link:a counted'])
})

t.test('facts of a stream without a machine go to the fold only', async t => {
  const { host, apply, folded } = startHost()
  t.same(apply('user:a', 'counted'), [])
  t.same([...host.machines()], [])
  t.same(folded, ['user:a counted'])
})

t.test('a broadcast fact reaches every machine that there is, in the order in which they were made', async t => {
  const { host, apply } = startHost()
  apply('session:b', 'counted')
  apply('link:a', 'counted')
  t.same(
    apply('node', 'everybody').map(({ address, params }) => [address, params]),
    [
      ['session:b', { count: -1 }],
      ['link:a', { count: -1 }],
    ],
  )
  t.equal(host.count(), 2)
})

t.test('a machine that ends is forgotten, and its address can be used again', async t => {
  const { host, apply } = startHost()
  apply('link:a', 'counted')
  apply('link:a', 'finished')
  t.equal(host.machine('link:a'), undefined)
  t.equal(host.count('link'), 0)
  apply('link:a', 'counted')
  t.match(host.machine('link:a'), { context: { count: 1 } })
})

t.test('machines are counted by kind', async t => {
  const { host, apply } = startHost()
  for (const stream of ['link:a', 'link:b', 'session:a'] as const) apply(stream, 'counted')
  t.equal(host.count('link'), 2)
  t.equal(host.count('session'), 1)
  t.equal(host.count('transfer'), 0)
  t.equal(host.count(), 3)
})

t.test('when one of many machines throws, nothing changed and nothing was named', async t => {
  const { host, apply, folded } = startHost()
  for (const stream of ['link:strong', 'link:weak', 'session:strong'] as const) apply(stream, 'counted')
  const before = [...host.machines()]
  const foldedBefore = [...folded]
  const error = t.throws(() => apply('node', 'broke'), {
    name: 'ApplyFailed',
    address: 'link:weak',
    message: /link:weak cannot take broke: broken by the fact/,
  })
  t.type((error as ApplyFailed).cause, TypeError)
  t.same([...host.machines()], before)
  t.same(folded, foldedBefore)
  t.same(
    apply('link:strong', 'counted').map(({ params }) => params),
    [{ count: 2 }],
    'and no effect of the failure is left over',
  )
})

t.test('when the check of the fold throws, no machine has moved', async t => {
  const { host, apply, folded } = startHost()
  apply('link:a', 'counted')
  t.throws(() => apply('link:a', 'refused'), { name: 'ApplyFailed', address: 'link:a' })
  t.match(host.machine('link:a'), { context: { count: 1 } })
  t.same(folded, ['link:a counted'])
})

t.test('a fold that throws while it writes is told apart, for then memory is lost', async t => {
  const { apply } = startHost()
  t.throws(() => apply('link:a', 'foldBroke'), { name: 'FoldBroken', cause: { message: 'the fold broke' } })
  t.ok(new FoldBroken() instanceof Error)
})

t.test('a machine that throws when it is made is not made', async t => {
  const machine = setup({}).createMachine({
    context: () => {
      throw new Error('no context')
    },
    initial: 'a',
    states: { a: {} },
  })
  const host = createHost<CountFact>({ machines: { link: machine }, fold: { evolve: () => {} }, broadcast: () => false })
  t.throws(() => host.apply({ stream: 'link:a', at: 0, fact: { type: 'counted' } }), { name: 'ApplyFailed', message: /no context/ })
  t.equal(host.count(), 0)
})

t.test('steps can be watched', async t => {
  const steps: Step<CountFact>[] = []
  const { apply } = startHost(step => steps.push(step))
  apply('link:a', 'counted')
  apply('link:a', 'finished')
  t.same(
    steps.map(({ address, fact, at, from, to, effects }) => [address, fact.type, at, from, to, effects.length]),
    [
      ['link:a', 'counted', 5, undefined, 'outer.inner', 1],
      ['link:a', 'finished', 5, 'outer.inner', 'over', 0],
    ],
  )
})

t.test('a snapshot with a kind that this program does not know is refused, and the machines stay', async t => {
  const { host, apply } = startHost()
  apply('link:a', 'counted')
  t.throws(() => host.restore({ 'transfer:x': {} }), { message: 'the snapshot holds transfer:x, for which there is no machine' })
  t.equal(host.count(), 1)
})

const nodeHost = (): Host<Fact> =>
  createHost<Fact>({
    machines: { link: linkMachine, session: sessionMachine, transfer: transferMachine, bootstrap: bootstrapMachine },
    fold: { evolve: () => {} },
    broadcast: type => type === 'node.started',
  })

/** What two equal hosts have in common, whatever the order in which their machines were made. */
const seen = (host: Host<Fact>) => [...host.machines()].sort(([a], [b]) => (a < b ? -1 : 1))
const run = (host: Host<Fact>, history: readonly NewFact<Fact>[]): NamedEffect[] => history.flatMap(fact => [...host.apply(fact)])

t.test(
  'replaying a history into a fresh host, and restoring from a snapshot at any point of it, give equal states and effects',
  async t => {
    fc.assert(
      fc.property(anyHistory(80), fc.nat(80), (history, cut) => {
        const live = nodeHost()
        const before = run(live, history.slice(0, cut))
        const snapshot = JSON.parse(JSON.stringify(live.snapshot())) as ReturnType<Host<Fact>['snapshot']>
        const after = run(live, history.slice(cut))

        const replayed = nodeHost()
        assert.deepStrictEqual(run(replayed, history), [...before, ...after])
        assert.deepStrictEqual(seen(replayed), seen(live))

        const restored = nodeHost()
        restored.restore(snapshot)
        assert.deepStrictEqual(run(restored, history.slice(cut)), after)
        assert.deepStrictEqual(seen(restored), seen(live))
        assert.deepStrictEqual(restored.snapshot(), live.snapshot())
      }),
      { numRuns: 300 },
    )
    t.pass('for 300 histories')
  },
)
