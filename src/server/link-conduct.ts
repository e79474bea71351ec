/** What a peer's behaviour tells of it: that it is back, where it is reached now, that it cannot be trusted to be what it says. */
import { decideMove } from '../domain/membership.ts'
import { decideWrong, type LinkContext } from '../machines/link.ts'
import type { AnyFrame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { Address, ServerId } from '../protocol/ids.ts'
import { mayDial } from './may-dial.ts'
import type { Connection } from './connection.ts'
import type { Node } from './node.ts'
import type { ServerPeer } from './peer.ts'
import type { Bucket } from './rate.ts'

const address = (server: ServerId): Address => `link:${server}`

/** Reasons that tell of the users for whom a peer speaks, or of what came another way: an honest one passes such things on. */
const OF_USERS: ReadonlySet<string> = new Set(['not_home', 'key_conflict', 'bad_attachment'])
/** Of content it is its author who says when it was written. */
const OF_AUTHORS: ReadonlySet<string> = new Set(['stale', 'future', 'unpassable'])
const CONTENT: ReadonlySet<FrameType> = new Set<FrameType>(['SERVER_DELIVER', 'MSG_PUBLIC_CHANNEL'])

/**
 * Whether a refused frame of a peer says nothing of the peer itself. It costs no link then: whoever has a user at one of two servers
 * could part them.
 */
export const isBlameless = (frame: AnyFrame, peer: ServerId, error: unknown): boolean =>
  frame.from !== peer ||
  (error instanceof ProtocolError && (OF_USERS.has(error.reason) || (CONTENT.has(frame.type) && OF_AUTHORS.has(error.reason))))

/** A peer that could not be reached has come by itself. Anybody can send a stock server's hello again, hence the budget. */
export const noteGreeting = (node: Node, server: ServerId, { direction }: Connection, budget: Bucket): void => {
  const machine = node.runtime.machine(address(server))
  const waits = machine?.state === 'resting' || machine?.state === 'dialling'
  if (direction !== 'accepted' || !waits || Number(machine.context['failures']) === 0 || !budget.take()) return
  node.runtime.record(address(server), { type: 'link.greeted', server })
}

/** A member that proved itself says where it is reached now. */
export const noteMove = (node: Node, { id, address: said }: ServerPeer): void => {
  const member = node.state.membership.servers.get(id)
  if (member === undefined || said === undefined || !mayDial(node.self, said.host, said.port)) return
  const elsewhere = said.host !== member.host || said.port !== member.port
  if ((elsewhere && member.vouchedBy === 'operator') || node.runtime.isSetAside(`server:${id}`)) return
  for (const fact of decideMove(member, said).facts) node.runtime.record(`server:${id}`, fact)
}

/** Counts a wrong answer; true when it was the one after which the peer is refused. */
export const noteWrong = (node: Node, server: ServerId, why: string, proven: boolean): boolean => {
  const machine = node.runtime.machine(address(server))
  if (node.runtime.isSetAside(address(server)) || (machine?.state !== 'dialling' && machine?.state !== 'linked')) return false
  const facts = decideWrong(machine.context as unknown as LinkContext, why, proven, node.ports.clock.now())
  for (const fact of facts) node.runtime.record(address(server), fact)
  node.count('wrong', 'answer')
  const refused = facts.some(({ type }) => type === 'link.refused')
  if (refused)
    node.tell({ event: 'degraded', why: `the server ${server} answers wrongly again and again, and is refused for an hour: ${why}` })
  return refused
}
