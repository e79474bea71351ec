/** Steps by plan are XState's own steps: the same states, contexts and effects, only without working them out anew. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { assign, createMachine, setup, type AnyStateMachine } from 'xstate'
import { createPlans } from '../../src/actors/step-plans.ts'
import { createStepper, createXStateStepper, viewOf, type MachineState, type NamedAction, type Stepper } from '../../src/actors/stepper.ts'
import { bootstrapMachine } from '../../src/machines/bootstrap.ts'
import { clientTransferMachine } from '../../src/machines/client-transfer.ts'
import { linkMachine } from '../../src/machines/link.ts'
import { sessionMachine } from '../../src/machines/session.ts'
import { transferMachine } from '../../src/machines/transfer.ts'
import { anyHistory } from '../helpers/any-history.ts'

const machines: Readonly<Record<string, AnyStateMachine>> = {
  link: linkMachine,
  session: sessionMachine,
  transfer: transferMachine,
  bootstrap: bootstrapMachine,
}

interface Event {
  readonly type: string
  readonly at: number
}

/** Everything that can be seen of a machine that is given these events; one that ended begins anew. */
const seen = (stepper: Stepper, events: readonly Event[]): readonly unknown[] => {
  let state: MachineState | undefined
  return events.map(event => {
    const named: NamedAction[] = []
    const before = state ?? stepper.initial('some-id', named)
    const after = stepper.next(before, event, named)
    const persisted = stepper.persist(after)
    // what comes back from JSON goes on as what never left
    state = after.status === 'active' ? (event.at % 2 === 0 ? stepper.restore(persisted) : after) : undefined
    return { ...viewOf(after), status: after.status, same: after === before, named, persisted }
  })
}

t.test('every machine of the server takes the same steps by plan as by XState, on any history', async t => {
  const started = { type: 'node.started', at: 1 }
  for (const [kind, machine] of Object.entries(machines)) {
    t.ok(createPlans(machine), `${kind} has plans`)
    const [planned, byXState] = [createStepper(machine), createXStateStepper(machine)]
    fc.assert(
      fc.property(anyHistory(40), history => {
        // facts of one stream only would be nearly none, so a machine gets those of all streams of its kind
        const events = [
          started,
          ...history.filter(({ stream }) => stream.split(':')[0] === kind || stream === 'node').map(({ fact, at }) => ({ ...fact, at })),
        ]
        assert.deepEqual(seen(planned, events), seen(byXState, events))
      }),
      { numRuns: 200 },
    )
    t.pass(`${kind} for 200 histories`)
  }
})

t.test('the machine of the client takes the same steps, too', async t => {
  t.ok(createPlans(clientTransferMachine), 'it has plans')
  const [planned, byXState] = [createStepper(clientTransferMachine), createXStateStepper(clientTransferMachine)]
  const type = fc.constantFrom(
    ...['incoming.offered', 'incoming.saved', 'incoming.failed', 'outgoing.offered', 'outgoing.sent', 'outgoing.failed', 'client.started'],
  )
  fc.assert(
    fc.property(fc.array(fc.record({ type, at: fc.nat(), why: fc.string() }), { maxLength: 20 }), events => {
      assert.deepEqual(seen(planned, events), seen(byXState, events))
    }),
  )
  t.pass('for 100 histories')
})

t.test('states within states, re-entry, wildcards and entry actions at the start are planned as XState takes them', async t => {
  const types: { readonly context?: { readonly log: readonly string[] }; readonly events?: Event } = {}
  const parts = setup({ types, actions: { told: (_: unknown, _params: { readonly log: readonly string[] }) => {} } })
  const note = (word: string) => parts.assign(({ context }) => ({ log: [...context.log, word] }))
  const tell = { type: 'told', params: ({ context }: { context: { readonly log: readonly string[] } }) => ({ log: context.log }) } as const
  const machine = parts.createMachine({
    context: { log: [] },
    initial: 'day',
    entry: note('born'),
    on: { end: '.over', anything: { actions: note('anything') } },
    states: {
      day: {
        entry: [note('day'), tell],
        exit: [note('no day'), tell],
        initial: 'morning',
        on: { again: { target: 'day', reenter: true }, '*': { actions: tell } },
        states: {
          morning: { exit: note('late'), on: { later: 'noon' } },
          noon: { entry: parts.assign({ log: ({ context }) => [...context.log, 'noon'] }), on: { later: '#night', anything: {} } },
        },
      },
      night: { id: 'night', on: { later: 'day' } },
      over: { type: 'final', entry: tell, exit: note('gone') },
    },
  })
  t.ok(createPlans(machine))
  const type = fc.constantFrom('later', 'again', 'anything', 'other', 'end')
  fc.assert(
    fc.property(fc.array(fc.record({ type, at: fc.nat() }), { maxLength: 12 }), events => {
      assert.deepEqual(seen(createStepper(machine), events), seen(createXStateStepper(machine), events))
    }),
    { numRuns: 200 },
  )
  t.pass('for 200 histories')
})

t.test('what looks further than mode and event is left to XState', async t => {
  const doubt = { a: { on: { go: { guard: ({ context }: { context: { n: number } }) => context.n > 1, target: 'b' } } }, b: {} }
  const context = { n: 1 }
  const step = assign({ n: ({ context }: { context: { n: number } }) => context.n + 1 })
  const guarded = createMachine({ context, initial: 'a', on: { more: { actions: step as never } }, states: doubt as never })
  t.equal(createPlans(guarded), undefined)
  const stepper = createStepper(guarded)
  const named: NamedAction[] = []
  let state = stepper.initial('x', named)
  state = stepper.next(state, { type: 'go' }, named)
  t.equal(viewOf(state).state, 'a')
  state = stepper.next(stepper.next(state, { type: 'more' }, named), { type: 'go' }, named)
  t.equal(viewOf(state).state, 'b')
  for (const config of [
    { initial: 'a', states: { a: { always: 'b' }, b: {} } },
    { initial: 'a', states: { a: { after: { 10: 'b' } }, b: {} } },
    { initial: 'a', states: { a: { on: { x: 'c' } }, b: {}, c: { type: 'history' } } },
    { initial: 'a', states: { a: { entry: () => {} } } },
  ] as const)
    t.equal(createPlans(createMachine(config as never)), undefined)
})
