/**
 * Learns from XState, once for each mode and type of event, which actions a step takes and where it leads, so that the step itself is cheap: a log is
 * folded at 0.51 of the speed of reading and parsing it alone with plans, at 0.21 without (`node bench/fold.ts 300000`).
 */
import { createActor, createMachine, type AnyMachineSnapshot, type AnyStateMachine, type StateValue } from 'xstate'

/** What an assignment and an effect's params are called with. There are no children, so nothing that makes or names one. */
interface Args {
  readonly context: Context
  readonly event: { readonly type: string }
}
type Context = Readonly<Record<string, unknown>>

/** One action of a step: it changes the context, or it is an effect with its params. */
export type Work =
  | { readonly assign: (args: Args) => Context }
  | { readonly effect: string; readonly params: Context | ((args: Args) => Context) | undefined }

/** Where a machine can stand, without its context. */
export interface Mode {
  readonly value: StateValue
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  /** What this event does here; undefined when it means nothing. */
  plan(event: string): Plan | undefined
}

export interface Plan {
  readonly work: readonly Work[]
  readonly to: Mode
  /** False when neither mode nor context changes: the state stays the same object. */
  readonly changes: boolean
}

export interface Plans {
  /** The actions before the first event, on the context that the machine's definition makes. */
  readonly initial: Plan
  /** The mode of a state that was restored; throws when the machine has no such mode. */
  mode(value: StateValue): Mode
}

type Config = Readonly<Record<string, unknown>>

/** Whoever has another key does more than a plan can say: guards look into the context, history and timers beyond the step. */
const plannable: Readonly<Record<'state' | 'transition', readonly string[]>> = {
  state: ['id', 'initial', 'context', 'states', 'on', 'entry', 'exit', 'type', 'description', 'meta', 'tags', 'schemas'],
  transition: ['target', 'actions', 'reenter', 'description', 'meta'],
}

const listed = (value: unknown): readonly unknown[] => (value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value])

const mapped = (record: unknown, map: (value: unknown) => unknown): Config =>
  Object.fromEntries(Object.entries((record ?? {}) as Config).map(([key, value]) => [key, map(value)]))

/** Not an error: a machine with such a part takes its steps by XState. */
class Unplannable extends Error {}

const assignment = (assign: unknown): ((args: Args) => Context) => {
  if (typeof assign === 'function') return assign as (args: Args) => Context
  const parts = Object.entries(assign as Config)
  return args =>
    Object.fromEntries(parts.map(([key, part]) => [key, typeof part === 'function' ? (part as (args: Args) => unknown)(args) : part]))
}

/** The definition with each of its actions replaced by its number in the list of work that is answered beside it. */
const numbered = ({ config, implementations }: AnyStateMachine): { readonly config: Config; readonly work: readonly Work[] } => {
  const work: Work[] = []
  const known = implementations.actions as Config

  const only = (part: Config, kind: keyof typeof plannable): void => {
    const other = Object.keys(part).find(key => !plannable[kind].includes(key))
    if (other !== undefined || part['type'] === 'history') throw new Unplannable(other)
  }
  const toWork = (action: unknown): Work => {
    if (typeof action === 'function') {
      if ((action as { type?: string }).type !== 'xstate.assign') throw new Unplannable('an action of its own')
      return { assign: assignment((action as unknown as { assignment: unknown }).assignment) }
    }
    const { type, params } = (typeof action === 'string' ? { type: action } : action) as { type: string; params?: never }
    const implementation = known[type]
    if (typeof implementation === 'function' && 'resolve' in implementation) throw new Unplannable(type)
    return { effect: type, params }
  }
  const actions = (given: unknown): Config[] =>
    listed(given).map(action => ({ type: 'work', params: { n: work.push(toWork(action)) - 1 } }))
  const transition = (given: unknown): unknown => {
    if (typeof given !== 'object' || given === null) return given
    only(given as Config, 'transition')
    return { ...given, actions: actions((given as Config)['actions']) }
  }
  const state = (given: unknown): Config => {
    const part = given as Config
    only(part, 'state')
    return {
      ...part,
      context: {},
      entry: actions(part['entry']),
      exit: actions(part['exit']),
      on: mapped(part['on'], given => (Array.isArray(given) ? given.map(transition) : transition(given))),
      states: mapped(part['states'], state),
    }
  }
  return { config: state(config), work }
}

/** Undefined when the machine's definition has something that depends on more than mode and type of event. */
export const createPlans = (machine: AnyStateMachine): Plans | undefined => {
  let parts: ReturnType<typeof numbered>
  try {
    parts = numbered(machine)
  } catch (error) {
    if (error instanceof Unplannable) return undefined
    throw error
  }
  const probe = createMachine(parts.config)
  let taken: Work[] = []
  const self = createActor(probe)
  const scope: Parameters<typeof probe.transition>[2] = {
    self,
    id: machine.id,
    sessionId: machine.id,
    system: self.system,
    logger: () => {},
    defer: () => {},
    emit: () => {},
    stopChild: () => {},
    actionExecutor: ({ params }) => {
      const work = parts.work[(params as { n: number }).n]
      if (work) taken.push(work)
    },
  }
  const watched = (step: () => AnyMachineSnapshot): { readonly work: readonly Work[]; readonly after: AnyMachineSnapshot } => {
    const work: Work[] = []
    taken = work
    return { work, after: step() }
  }

  const modes = new Map<string, Mode>()
  const modeOf = (snapshot: AnyMachineSnapshot): Mode => {
    const value = snapshot.value as StateValue
    const key = JSON.stringify(value)
    const known = modes.get(key)
    if (known) return known
    const plans = new Map<string, Plan | undefined>()
    const learn = (type: string): Plan | undefined => {
      const { work, after } = watched(() => probe.transition(snapshot as never, { type }, scope) as AnyMachineSnapshot)
      const changes = after !== snapshot || work.some(item => 'assign' in item)
      const plan = changes || work.length > 0 ? { work, to: modeOf(after), changes } : undefined
      plans.set(type, plan)
      return plan
    }
    const mode: Mode = {
      value,
      status: snapshot.status,
      plan: type => plans.get(type) ?? (plans.has(type) ? undefined : learn(type)),
    }
    modes.set(key, mode)
    return mode
  }

  const initial = watched(() => probe.getInitialSnapshot(scope, {}) as AnyMachineSnapshot)
  return {
    initial: { work: initial.work, to: modeOf(initial.after), changes: true },
    mode: value => modeOf(probe.resolveState({ value, context: {} }) as AnyMachineSnapshot),
  }
}
