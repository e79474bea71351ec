/** The one host that runs every machine and the fold, live and in replay, by the same call. */
import type { AnyStateMachine } from 'xstate'
import type { Address } from '../protocol/ids.ts'
import type { NewFact } from '../store/log.ts'
import type { MachineView, NamedEffect } from './contract.ts'
import { createStepper, viewOf, type MachineState, type NamedAction } from './stepper.ts'

/** The read models that stand beside the machines. `check` may throw; `evolve` may not, because it writes in place. */
export interface Fold<F extends { readonly type: string }> {
  check?(recorded: NewFact<F>): void
  evolve(recorded: NewFact<F>): void
}

/** One step of one machine, for logs, tests and the operator's console. */
export interface Step<F extends { readonly type: string }> {
  readonly address: Address
  readonly fact: F
  readonly at: number
  /** Undefined when the fact made the machine. */
  readonly from: string | undefined
  readonly to: string
  readonly effects: readonly NamedEffect[]
}

export interface HostOptions<F extends { readonly type: string }> {
  /** Kind (the text of an address before its colon) → machine. Its input is `{ id }`, the text after the colon. */
  readonly machines: Readonly<Record<string, AnyStateMachine>>
  readonly fold: Fold<F>
  /** True for facts that every machine answers, not only the one of their stream. */
  readonly broadcast: (type: F['type']) => boolean
  readonly inspect?: (step: Step<F>) => void
}

/** Machines as persisted by `snapshot`: plain JSON. */
export type HostSnapshot = Readonly<Record<string, unknown>>

export interface Host<F extends { readonly type: string }> {
  /**
   * Takes a fact: steps its machine (or all, if it is broadcast) and the fold, and answers the effects that were named.
   * Throws `ApplyFailed`, and then nothing changed; or `FoldBroken`, and then this host must not be used any more.
   */
  apply(recorded: NewFact<F>): readonly NamedEffect[]
  /** The state of a machine; undefined when it was never made or is forgotten. */
  machine(address: Address): MachineView | undefined
  machines(): Iterable<readonly [Address, MachineView]>
  /** How many machines of a kind there are, or of all kinds. */
  count(kind?: string): number
  /** Drops a machine without a fact; for a stream that is set aside. */
  forget(address: Address): void
  /** All machines as JSON; a cache, made again from the log at any time. The fold's state is its owner's to keep. */
  snapshot(): HostSnapshot
  /** Takes the place of all machines that there are. */
  restore(snapshot: HostSnapshot): void
}

/** A machine or the fold's check threw; nothing changed. `cause` is what it threw. */
export class ApplyFailed extends Error {
  override readonly name = 'ApplyFailed'
  /** Whose machine threw; the fact's stream when it was the fold's check. */
  readonly address: Address
  constructor(address: Address, fact: string, cause: unknown) {
    super(`${address} cannot take ${fact}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.address = address
  }
}

/** The fold threw while it was writing: memory and log no longer agree, and the process must stop. */
export class FoldBroken extends Error {
  override readonly name = 'FoldBroken'
}

interface Stepped {
  readonly address: Address
  readonly before: MachineState | undefined
  readonly after: MachineState
  readonly effects: readonly NamedEffect[]
}

const noSteps: readonly Stepped[] = []
const noEffects: readonly NamedEffect[] = []

/** Compares instead of cutting the address in two: this is asked for every fact. */
const isOf = (kind: string, address: Address): boolean =>
  address.startsWith(kind) && (address.length === kind.length || address[kind.length] === ':')

/** Makes a host without machines; they come into being with their first fact that means something to them. */
export const createHost = <F extends { readonly type: string }>(options: HostOptions<F>): Host<F> => {
  const { fold, broadcast, inspect } = options
  const kinds = Object.entries(options.machines).map(([kind, machine]) => ({ kind, stepper: createStepper(machine) }))
  const states = new Map<Address, MachineState>()

  const kindOf = (address: Address) => {
    for (const known of kinds) if (isOf(known.kind, address)) return known
    return undefined
  }

  const step = (address: Address, recorded: NewFact<F>): Stepped | undefined => {
    const known = kindOf(address)
    if (known === undefined) return undefined
    const { kind, stepper } = known
    const before = states.get(address)
    const named: NamedAction[] = []
    try {
      const start = before ?? stepper.initial(address.slice(kind.length + 1), named)
      const namedAtStart = named.length
      const after = stepper.next(start, { ...recorded.fact, at: recorded.at }, named)
      // a fact that means nothing to a fresh machine makes none
      if (after === start && named.length === namedAtStart) return undefined
      return { address, before, after, effects: named.map(({ type, params }) => ({ address, effect: type, params, at: recorded.at })) }
    } catch (error) {
      throw new ApplyFailed(address, recorded.fact.type, error)
    }
  }

  const stepAll = (recorded: NewFact<F>): readonly Stepped[] => {
    if (!broadcast(recorded.fact.type)) {
      const stepped = step(recorded.stream, recorded)
      return stepped === undefined ? noSteps : [stepped]
    }
    const steps: Stepped[] = []
    for (const address of states.keys()) {
      const stepped = step(address, recorded)
      if (stepped) steps.push(stepped)
    }
    return steps
  }

  const keep = ({ address, after }: Stepped): void => {
    if (after.status === 'active') states.set(address, after)
    else states.delete(address)
  }

  return {
    apply: recorded => {
      const steps = stepAll(recorded)
      try {
        fold.check?.(recorded)
      } catch (error) {
        throw new ApplyFailed(recorded.stream, recorded.fact.type, error)
      }
      try {
        fold.evolve(recorded)
      } catch (cause) {
        throw new FoldBroken(`the fold broke on ${recorded.fact.type} of ${recorded.stream}`, { cause })
      }
      for (const stepped of steps) keep(stepped)
      if (inspect)
        for (const { address, before, after, effects } of steps)
          inspect({ address, fact: recorded.fact, at: recorded.at, from: before && viewOf(before).state, to: viewOf(after).state, effects })
      return steps.length > 1 ? steps.flatMap(({ effects }) => effects) : (steps[0]?.effects ?? noEffects)
    },
    machine: address => {
      const state = states.get(address)
      return state && viewOf(state)
    },
    machines: () => states.entries().map(([address, state]) => [address, viewOf(state)] as const),
    count: kind => (kind === undefined ? states.size : states.keys().reduce((sum, address) => sum + Number(isOf(kind, address)), 0)),
    forget: address => void states.delete(address),
    snapshot: () => {
      const persist = ([address, state]: [Address, MachineState]): [string, unknown] => [address, kindOf(address)?.stepper.persist(state)]
      return Object.fromEntries([...states].map(persist))
    },
    restore: snapshot => {
      const restored = Object.entries(snapshot).map(([address, persisted]): [Address, MachineState] => {
        const known = kindOf(address as Address)
        if (!known) throw new Error(`the snapshot holds ${address}, for which there is no machine`)
        return [address as Address, known.stepper.restore(persisted)]
      })
      states.clear()
      for (const [address, state] of restored) states.set(address, state)
    },
  }
}
