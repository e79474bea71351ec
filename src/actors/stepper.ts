/** Runs one machine definition as a pure function, without an actor: by a plan that was learnt from XState, or by XState itself. */
import { createActor, type AnyMachineSnapshot, type AnyStateMachine, type Snapshot, type StateValue } from 'xstate'
import type { MachineView } from './contract.ts'
import { createPlans, type Mode, type Plan, type Plans } from './step-plans.ts'

/** A machine's state between two facts. Immutable; its form is its stepper's own. */
export interface MachineState {
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  readonly value: StateValue
  readonly context: Readonly<Record<string, unknown>>
  readonly error?: unknown
}

/** An effect as the machine named it, before the host adds whose it is. */
export interface NamedAction {
  readonly type: string
  readonly params: Readonly<Record<string, unknown>>
}

export interface Stepper {
  /** The state before the first fact; throws what the machine throws. Actions named on the way are added to `named`. */
  initial(id: string, named: NamedAction[]): MachineState
  /** The state after `event`, or the same object when it means nothing there; throws what the machine throws. */
  next(state: MachineState, event: { readonly type: string }, named: NamedAction[]): MachineState
  /** Plain JSON from which `restore` makes an equal state. */
  persist(state: MachineState): unknown
  restore(persisted: unknown): MachineState
}

const nothing = Object.freeze({})

/** One stepper serves all actors of a definition. */
export const createStepper = (machine: AnyStateMachine): Stepper => {
  const plans = createPlans(machine)
  const byXState = createXStateStepper(machine)
  return plans ? createPlannedStepper(machine, plans, byXState) : byXState
}

/**
 * `machine.transition` with one reused scope takes 5 µs or more, where XState's own `transition()` makes an actor each time and takes
 * ten times as long.
 */
export const createXStateStepper = (machine: AnyStateMachine): Stepper => {
  let collected: NamedAction[] = []
  // never started: it lends its identity to the scope and runs nothing
  const self = createActor(machine, { id: machine.id, input: { id: '' } })
  const scope: Parameters<AnyStateMachine['transition']>[2] = {
    self,
    id: machine.id,
    sessionId: machine.id,
    system: self.system,
    logger: () => {},
    defer: () => {},
    emit: () => {},
    stopChild: () => {},
    actionExecutor: ({ type, params }) => {
      collected.push({ type, params: (params as NamedAction['params'] | undefined) ?? nothing })
    },
  }
  return {
    initial: (id, named) => {
      collected = named
      const state = machine.getInitialSnapshot(scope, { id }) as MachineState
      // XState answers with the error here, but throws it in `transition`
      if (state.status === 'error') throw state.error
      return state
    },
    next: (state, event, named) => {
      collected = named
      return machine.transition(state as never, event, scope) as MachineState
    },
    persist: state => JSON.parse(JSON.stringify(machine.getPersistedSnapshot(state as never))) as unknown,
    restore: persisted => machine.restoreSnapshot(structuredClone(persisted) as Snapshot<unknown>, scope) as MachineState,
  }
}

interface PlannedState extends MachineState {
  readonly mode: Mode
}

/** The same steps by plan: what XState works out anew for each event (which states are left and entered, in which order) is looked up. */
const createPlannedStepper = (machine: AnyStateMachine, plans: Plans, byXState: Stepper): Stepper => {
  const { context: given } = machine.config as { context?: unknown }

  const stateIn = (mode: Mode, context: MachineState['context']): PlannedState => ({
    status: mode.status,
    value: mode.value,
    context,
    mode,
  })

  const run = ({ work }: Plan, before: MachineState['context'], event: { readonly type: string }, named: NamedAction[]) => {
    let context = before
    for (const item of work)
      if ('assign' in item) context = { ...context, ...item.assign({ context, event }) }
      else {
        const { params } = item
        named.push({ type: item.effect, params: (typeof params === 'function' ? params({ context, event }) : params) ?? nothing })
      }
    return context
  }

  return {
    initial: (id, named) => {
      const input = { id }
      const made = typeof given === 'function' ? (given as (args: { input: object }) => object)({ input }) : given
      const event = { type: 'xstate.init', input }
      return stateIn(plans.initial.to, run(plans.initial, { ...(made as MachineState['context'] | undefined) }, event, named))
    },
    next: (state, event, named) => {
      const plan = (state as PlannedState).mode.plan(event.type)
      if (plan === undefined) return state
      const context = run(plan, state.context, event, named)
      return plan.changes ? stateIn(plan.to, context) : state
    },
    persist: ({ value, status, context }) =>
      byXState.persist(machine.resolveState({ value, status, context, historyValue: {} }) as AnyMachineSnapshot as MachineState),
    restore: persisted => {
      const { value, context } = byXState.restore(persisted)
      return stateIn(plans.mode(value), context)
    },
  }
}

const dotted = (value: StateValue): string =>
  typeof value === 'string'
    ? value
    : Object.entries(value)
        .map(([key, inner]) => (inner === undefined || Object.keys(inner).length === 0 ? key : `${key}.${dotted(inner)}`))
        .join('|')

/** How a state is printed and compared: `linked`, or `outer.inner` when states are nested. */
export const viewOf = (state: MachineState): MachineView => ({ state: dotted(state.value), context: state.context })
