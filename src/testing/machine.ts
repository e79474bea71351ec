/** One machine alone, run as a node runs it, for tests: given these facts, in which state is it and what did it ask for? */
import type { AnyStateMachine } from 'xstate'
import type { MachineView, NamedEffect } from '../actors/contract.ts'
import { createHost } from '../actors/host.ts'
import type { Fact } from '../domain/facts.ts'
import { bootstrapMachine } from '../machines/bootstrap.ts'
import { linkMachine } from '../machines/link.ts'
import { sessionMachine } from '../machines/session.ts'
import { transferMachine } from '../machines/transfer.ts'
import type { Address } from '../protocol/ids.ts'
import { createDating, type Given, startedAt } from './facts.ts'

export interface MachineUnderTest {
  /** Takes facts, in order. */
  given(facts: readonly Given[]): MachineUnderTest
  /** Takes one fact and answers the effects that the machine named for it, in order. */
  record(fact: Given): readonly NamedEffect[]
  /** `linked`, or `outer.inner`; undefined before its first fact and when it is over. */
  readonly state: string | undefined
  readonly context: MachineView['context'] | undefined
  /** All effects that it has named so far, in order, and their names alone. */
  readonly effects: readonly NamedEffect[]
  readonly named: readonly string[]
  /** Time of the last fact, in Unix milliseconds. */
  readonly now: number
}

const machines: Readonly<Record<string, AnyStateMachine>> = {
  bootstrap: bootstrapMachine,
  link: linkMachine,
  session: sessionMachine,
  transfer: transferMachine,
}

/**
 * Makes the machine at an address: `link:…`, `session:…`, `transfer:…`, `bootstrap`; or one of your own. All facts reach it but
 * `node.started`, which comes from the stream of the node as always. Throws what the machine throws.
 * @param options `machine` instead of the node's own; `start` is Unix milliseconds
 */
export const startMachine = (
  address: string,
  options: { readonly machine?: AnyStateMachine; readonly start?: number } = {},
): MachineUnderTest => {
  const kind = address.split(':', 1)[0] ?? address
  const machine = options.machine ?? machines[kind]
  if (machine === undefined)
    throw new Error(`there is no machine at ${address}: its kind is one of ${Object.keys(machines).join(', ')}, or give a machine`)
  const own = address as Address
  const host = createHost<Fact>({
    machines: { [kind]: machine },
    fold: { evolve: () => {} },
    broadcast: type => type === 'node.started',
  })
  const dating = createDating({
    start: options.start ?? startedAt,
    stream: type => (type === 'node.started' ? 'node' : own),
  })
  const effects: NamedEffect[] = []

  const record = (fact: Given): readonly NamedEffect[] => {
    const named = host.apply(dating.complete(fact))
    effects.push(...named)
    return named
  }
  const started: MachineUnderTest = {
    given: facts => {
      facts.forEach(record)
      return started
    },
    record,
    get state() {
      return host.machine(own)?.state
    },
    get context() {
      return host.machine(own)?.context
    },
    effects,
    get named() {
      return effects.map(({ effect }) => effect)
    },
    get now() {
      return dating.now()
    },
  }
  return started
}
