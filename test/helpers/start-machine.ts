/** Runs one machine by the host, as a node does, and shows what a test looks at: state, context, named effects. */
import type { AnyStateMachine } from 'xstate'
import type { NamedEffect } from '../../src/actors/contract.ts'
import { createHost } from '../../src/actors/host.ts'
import type { Fact } from '../../src/domain/facts.ts'
import type { Address } from '../../src/protocol/ids.ts'

/** A fact and when it happened, in milliseconds after `startedAt`. */
export type Dated = readonly [ms: number, fact: Fact]
export const startedAt = 1_750_000_000_000

export interface StartedMachine {
  /** Takes facts whose effects do not matter to the test. */
  given(...facts: readonly Dated[]): StartedMachine
  /** Takes one fact and answers what it named: `[name, params]`, in order. */
  when(ms: number, fact: Fact): readonly (readonly [string, NamedEffect['params']])[]
  /** Undefined while there is no machine at the address, and once it ended. */
  state(): string | undefined
  context(): Readonly<Record<string, unknown>> | undefined
}

/** `address` names the machine; `node.started` reaches it from the stream `node`, all else from its own. */
export const startMachine = (machine: AnyStateMachine, address: Address): StartedMachine => {
  const kind = address.split(':', 1)[0] ?? address
  const host = createHost<Fact>({
    machines: { [kind]: machine },
    fold: { evolve: () => {} },
    broadcast: type => type === 'node.started',
  })
  const when: StartedMachine['when'] = (ms, fact) => {
    const stream = fact.type === 'node.started' ? 'node' : address
    return host.apply({ stream, at: startedAt + ms, fact }).map(({ effect, params }) => [effect, params] as const)
  }
  const started: StartedMachine = {
    given: (...facts) => {
      for (const [ms, fact] of facts) when(ms, fact)
      return started
    },
    when,
    state: () => host.machine(address)?.state,
    context: () => host.machine(address)?.context,
  }
  return started
}
