/** Which actors a node has, how often each kind may be restarted, and what is counted of them. */
import { createSupervisor, type Supervisor } from '../actors/supervisor.ts'
import type { Clock } from '../ports/clock.ts'
import type { ActorGroup, Node } from './node.ts'

const backoff = { firstMs: 100, capMs: 5_000 }

/** `escalated` is told when restarts did not help: all actors have been stopped then. */
export const createNodeSupervisor = (clock: Clock, count: Node['count'], escalated: (error: Error) => void): Supervisor<ActorGroup> =>
  createSupervisor<ActorGroup>({
    clock,
    groups: {
      node: { strategy: 'one_for_all', restarts: 3, withinMs: 60_000, backoff },
      connections: { parent: 'node', strategy: 'one_for_one', restarts: 100, withinMs: 10_000, backoff },
      // a bug that one peer or user can trigger ends their socket each time; it must not add up to the end of the node
      links: { parent: 'node', strategy: 'one_for_one', restarts: 1_000, withinMs: 60_000, backoff },
      sessions: { parent: 'node', strategy: 'one_for_one', restarts: 10_000, withinMs: 60_000, backoff },
      transfers: { parent: 'node', strategy: 'one_for_one', restarts: 10_000, withinMs: 60_000, backoff },
    },
    deadLetters: 1_000,
    stopMs: 2_000,
    escalated: error => {
      escalated(error instanceof Error ? error : new Error(String(error)))
    },
    observe: event => {
      if (event.type === 'actor.crashed') count('crashed', event.group)
      if (event.type === 'actor.restarted') count('restarted', event.group)
    },
  })
