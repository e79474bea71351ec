/** What every part of a node can reach: the parts, and what is outside. */
import type { Runtime } from '../actors/runtime.ts'
import type { Supervisor } from '../actors/supervisor.ts'
import type { SigningPace } from '../crypto/signing-pace.ts'
import type { SigningQueue } from '../crypto/signing-queue.ts'
import type { Fact } from '../domain/facts.ts'
import type { NodeState } from '../domain/node-state.ts'
import type { Ports } from '../ports/ports.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { MailStore } from '../store/mail.ts'
import type { PublicKeyText, ServerId } from '../protocol/ids.ts'
import type { AddressClass } from '../protocol/address-class.ts'
import type { Bootstrap } from './bootstrap.ts'
import type { NodeConfig } from './config.ts'
import type { Connections } from './connection.ts'
import type { Delivery } from './delivery.ts'
import type { DirectoryService } from './directory-service.ts'
import type { Load } from './load.ts'
import type { Log, NodeEvent } from './events.ts'
import type { Seen } from './freshness.ts'
import type { Gossip } from './gossip.ts'
import type { Hearsay } from './hearsay.ts'
import type { Introducer } from './introducer.ts'
import type { Keys } from './keys.ts'
import type { Links } from './links.ts'
import type { OtherKeys } from './other-keys.ts'
import type { PresenceSync } from './presence-sync.ts'
import type { Receipts } from './receipts.ts'
import type { Refusals } from './refusals.ts'
import type { Router } from './router.ts'
import type { Sessions } from './sessions.ts'
import type { Standings } from './standings.ts'
import type { Timers } from './timers.ts'
import type { Transfers } from './transfers.ts'

export type ActorGroup = 'node' | 'connections' | 'links' | 'sessions' | 'transfers'

/** What every part of a node can reach. The parts are made in `startNode`; none is used before all are there. */
export interface Node {
  readonly config: NodeConfig
  readonly ports: Ports
  readonly self: {
    readonly id: ServerId
    readonly pubkey: PublicKeyText
    readonly host: string
    readonly port: number
    /** One speaks TLS there. */
    readonly tls: boolean
    /** The class of address that this node dials: its own, unless the operator says another. */
    readonly reach: AddressClass
  }
  /** Keys of the introducers that the operator pinned, in the form in which keys are compared. */
  readonly introducers: readonly PublicKeyText[]
  readonly maxFrameBytes: number
  readonly state: NodeState
  readonly runtime: Runtime<Fact>
  readonly mail: MailStore
  readonly supervisor: Supervisor<ActorGroup>
  readonly signer: SigningQueue
  readonly pace: SigningPace
  readonly keys: Keys
  readonly timers: Timers
  readonly seen: Seen
  readonly load: Load
  readonly refusals: Refusals
  readonly otherKeys: OtherKeys
  readonly connections: Connections
  readonly links: Links
  readonly sessions: Sessions
  readonly gossip: Gossip
  readonly standings: Standings
  readonly sync: PresenceSync
  readonly router: Router
  readonly transfers: Transfers
  readonly delivery: Delivery
  readonly receipts: Receipts
  readonly directoryService: DirectoryService
  readonly introducer: Introducer
  readonly hearsay: Hearsay
  readonly bootstrap: Bootstrap
  /** No new work is begun. */
  readonly stopping: boolean
  /** Goodbyes are said: what closes now is no fact any more, the next `node.started` says it. */
  readonly stopped: boolean
  /** The `ts` of the next frame: the clock, but always later than the one before. */
  nextTs(): number
  /** A frame that needs no signature. */
  unsigned(type: FrameType, to: string, payload: unknown): string
  count(what: string, why: string, times?: number): void
  readonly log: Log
  tell(event: NodeEvent): void
}
