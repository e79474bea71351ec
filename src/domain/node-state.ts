/** The state of a node beside its machines: one fold over all its facts. */
import type { Address, ServerId } from '../protocol/ids.ts'
import {
  advanceSeq,
  type Directory,
  dropPresence,
  emptyDirectory,
  evolveDirectory,
  forgetOrigin,
  restartDirectory,
  silenceOrigin,
} from './directory.ts'
import type { Fact, Voucher } from './facts.ts'
import { evolveStandings } from './standing.ts'
import { evolveHomes, type Homes, homeBefore } from './homes.ts'
import { dropReceipts, evolveReceipts, type KeptReceipts } from './kept-receipts.ts'
import { dropMailbox, emptyMailboxes, evolveMailboxes, type Mailboxes } from './mailboxes.ts'
import { emptyMembership, evolveMembership, type Membership } from './membership.ts'

/** Since which fact a stream is set aside, and what it failed with. */
export interface Aside {
  readonly seq: number
  readonly why: string
}

export interface NodeState {
  readonly self: ServerId | undefined
  readonly epoch: number
  /** False between a clean stop and the next start. */
  readonly running: boolean
  readonly directory: Directory
  readonly membership: Membership
  /** What introducers said for us, by introducer. */
  readonly vouchers: ReadonlyMap<ServerId, Voucher>
  readonly mailboxes: Mailboxes
  readonly receipts: KeptReceipts
  /** Of users who are away. */
  readonly homes: Homes
  /** Streams that wait for an operator's decision. */
  readonly aside: ReadonlyMap<Address, Aside>
}

interface NodeStateDraft {
  self: ServerId | undefined
  epoch: number
  running: boolean
  readonly vouchers: Map<ServerId, Voucher>
  readonly aside: Map<Address, Aside>
}

/** An empty state; every node and every replay owns one. */
export const emptyNodeState = (): NodeState => ({
  self: undefined,
  epoch: 0,
  running: false,
  directory: emptyDirectory(),
  membership: emptyMembership(),
  vouchers: new Map(),
  mailboxes: emptyMailboxes(),
  receipts: new Map(),
  homes: new Map(),
  aside: new Map(),
})

/** Folds one fact, in place. Facts of links, transfers and the bootstrap change machines, not this state. */
export const evolveNode = (state: NodeState, fact: Fact): void => {
  const draft = state as unknown as NodeStateDraft
  switch (fact.type) {
    case 'node.started':
      draft.self = fact.server
      draft.epoch = fact.epoch
      draft.running = true
      restartDirectory(state.directory, fact.server, fact.presenceEpoch ?? fact.epoch, state.membership.servers.keys())
      return
    case 'node.stopped':
      draft.running = false
      return
    case 'data.erased':
      advanceSeq(state.directory, fact.lastSeq)
      return
    case 'stream.setAside':
      draft.aside.set(fact.stream, { seq: fact.seq, why: fact.why })
      return
    case 'stream.retried':
      draft.aside.delete(fact.stream)
      return
    case 'stream.dropped':
      draft.aside.delete(fact.stream)
      if (fact.removal !== undefined) advanceSeq(state.directory, fact.removal)
      dropPresence(state.directory, fact.stream)
      dropMailbox(state.mailboxes, fact.stream)
      dropReceipts(state.receipts, fact.stream)
      return
    case 'server.banned':
      silenceOrigin(state.directory, fact.server)
      evolveMembership(state.membership, fact)
      return
    // whoever holds a new key counts its presence events anew
    case 'server.trusted':
    case 'server.forgotten':
      forgetOrigin(state.directory, fact.server)
      evolveMembership(state.membership, fact)
      return
    case 'link.linked':
    case 'link.silent':
    case 'link.closed':
    case 'link.refused':
    case 'link.lapsed':
    case 'link.synced':
      evolveMembership(state.membership, fact)
      evolveStandings(state.directory.standings, fact)
      return
    case 'server.pinned':
    case 'server.moved':
    case 'server.unbanned':
    case 'link.dialled':
    case 'link.failed':
    case 'link.greeted':
    case 'link.wronged':
    case 'link.forgotten':
      evolveMembership(state.membership, fact)
      return
    case 'mailbox.stored':
    case 'mailbox.released':
      evolveMailboxes(state.mailboxes, fact)
      return
    case 'receipt.kept':
    case 'receipt.forgotten':
      evolveReceipts(state.receipts, fact)
      return
    case 'session.attached':
    case 'session.detached':
    case 'session.ended':
    case 'user.advertised':
    case 'user.removed':
    case 'user.unpinned':
    case 'user.keyConflicted': {
      const before = homeBefore(state.directory, fact)
      evolveDirectory(state.directory, fact)
      evolveHomes(state.homes, state.directory, fact, before)
      return
    }
    case 'transfer.offered':
    case 'transfer.began':
    case 'transfer.ended':
    case 'transfer.failed':
    case 'bootstrap.asked':
    case 'bootstrap.failed':
      return
    case 'bootstrap.joined':
      if (fact.voucher !== undefined) draft.vouchers.set(fact.introducer, fact.voucher)
      return
  }
}
