/** What drives a machine: recorded facts with their time, and nothing else. */
import type { NodeFact } from '../domain/facts.ts'

/** A fact of the machine's own stream, or the start of the node, which every machine answers; `at` is Unix milliseconds. */
export type EventOf<Fact extends { readonly type: string }> = (Fact | Extract<NodeFact, { type: 'node.started' }>) & { readonly at: number }

/** What a machine is made from: the part of its address after the colon. */
export interface MachineInput {
  readonly id: string
}

/** What XState is told about a machine's types; the value is an empty object. */
export interface MachineTypes<Context, Event> {
  readonly context?: Context
  readonly events?: Event
  readonly input?: MachineInput
}
