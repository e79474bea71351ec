/** The fold that a node is: machines and state from recorded facts, the same live, in recovery and for `socp state`. */
import type { MachineView } from '../actors/contract.ts'
import { createHost, type Host, type HostSnapshot } from '../actors/host.ts'
import type { SetAside } from '../actors/replay.ts'
import type { Fact } from '../domain/facts.ts'
import { emptyNodeState, evolveNode, type NodeState } from '../domain/node-state.ts'
import { type NodeSnapshot, restoreNode, snapshotOfNode } from '../domain/node-snapshot.ts'
import { bootstrapMachine } from '../machines/bootstrap.ts'
import { linkMachine } from '../machines/link.ts'
import { sessionMachine } from '../machines/session.ts'
import { transferMachine } from '../machines/transfer.ts'
import type { Address } from '../protocol/ids.ts'
import type { RecordedFact } from '../store/log.ts'
import { type ClaimPresence, presenceOf } from './sureness.ts'

/** Changes with everything that makes another state out of the same facts: snapshots of another version are not used. */
export const FOLD_VERSION = '6'

export interface NodeFold {
  readonly state: NodeState
  readonly host: Host<Fact>
}

/** A node that has not lived yet. */
export const createNodeFold = (): NodeFold => {
  const state = emptyNodeState()
  const host: Host<Fact> = createHost<Fact>({
    machines: { link: linkMachine, session: sessionMachine, transfer: transferMachine, bootstrap: bootstrapMachine },
    fold: {
      evolve: ({ fact }) => {
        evolveNode(state, fact)
        if (fact.type === 'stream.dropped') host.forget(fact.stream)
      },
    },
    broadcast: type => type === 'node.started',
  })
  return { state, host }
}

/** The stream of which nothing counts that came before this fact. */
export const droppedBy = (fact: Fact): Address | undefined => (fact.type === 'stream.dropped' ? fact.stream : undefined)

/** A fold as a snapshot and a base keep it. */
export interface FoldedState {
  readonly node: NodeSnapshot
  readonly machines: HostSnapshot
  /** Time of the last fact, Unix milliseconds. */
  readonly at: number
  /** Streams that this version of the fold could not fold. */
  readonly failing: readonly SetAside[]
}

export const foldedState = (
  { state, host }: NodeFold,
  { at, failing }: { readonly at: number; readonly failing: readonly SetAside[] },
): FoldedState => ({ node: snapshotOfNode(state), machines: host.snapshot(), at, failing })

/** Puts a fold to a state, in place; a fold that has not lived yet when there is none. Throws when it is not the state of a fold. */
export const restoreFold = ({ state, host }: NodeFold, { node, machines }: Pick<FoldedState, 'node' | 'machines'> = unlived()): void => {
  host.restore(machines)
  restoreNode(state, node)
}

const unlived = () => ({ node: snapshotOfNode(emptyNodeState()), machines: {} })

/** A node's state at a point of its log, as plain JSON. */
export interface NodeView {
  readonly seq: number
  readonly server_id: string | undefined
  readonly epoch: number
  readonly running: boolean
  readonly directory: readonly {
    readonly user_id: string
    readonly local: string | undefined
    readonly claims: readonly {
      readonly server_id: string
      readonly name: string | undefined
      readonly seq: readonly number[] | undefined
      readonly presence: ClaimPresence
    }[]
  }[]
  readonly pins: {
    readonly users: Readonly<Record<string, { readonly pubkey: string; readonly proven: boolean }>>
    readonly servers: Readonly<
      Record<
        string,
        { readonly pubkey: string; readonly host: string; readonly port: number; readonly vouched_by: string; readonly proven: boolean }
      >
    >
  }
  readonly bans: Readonly<Record<string, { readonly pubkey: string | null; readonly why: string }>>
  readonly machines: Readonly<Record<string, MachineView>>
}

const byKey = <T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)))

/** The fold as it is printed and compared; sorted, so that equal states have equal texts. */
export const viewOfNode = ({ state, host }: NodeFold, seq: number): NodeView => ({
  seq,
  server_id: state.self,
  epoch: state.epoch,
  running: state.running,
  directory: [...state.directory.users.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(user => ({
      user_id: user.id,
      local: user.local,
      claims: user.claims.map(claim => ({
        server_id: claim.server,
        name: claim.meta.display_name,
        seq: claim.seq,
        presence: presenceOf(state, host.machine, user, claim.server),
      })),
    })),
  pins: {
    users: byKey([...state.directory.pins].map(([id, { pubkey, proven }]) => [id, { pubkey, proven }])),
    servers: byKey(
      [...state.membership.servers].map(([id, { pubkey, host: at, port, vouchedBy, proven }]) => [
        id,
        { pubkey, host: at, port, vouched_by: vouchedBy, proven },
      ]),
    ),
  },
  bans: byKey([...state.membership.bans].map(([id, { pubkey = null, why }]) => [id, { pubkey, why }])),
  machines: byKey(host.machines()),
})

/** Folds a whole log. Rejects when a fact cannot be folded. */
export const foldNode = async (facts: AsyncIterable<RecordedFact<Fact>>): Promise<NodeView> => {
  const fold = createNodeFold()
  let seq = 0
  for await (const recorded of facts) {
    fold.host.apply(recorded)
    seq = recorded.seq
  }
  return viewOfNode(fold, seq)
}
