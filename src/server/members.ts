/** Members come and go: those of the operator's list are taken in, those that never came or are gone for long make room again. */
import { decideMembership, type Member } from '../domain/membership.ts'
import type { ServerId } from '../protocol/ids.ts'
import type { Node } from './node.ts'

/** How often members that are not there are looked through. */
const PRUNE_MS = 60_000

/** Pins the servers of the operator's list; tells of those that contradict what was pinned before. */
export const takeListed = async (node: Node): Promise<void> => {
  for (const { server_id, host, port, pubkey } of node.config.servers) {
    const key = await node.ports.crypto.importPublicKey(pubkey)
    const listed = { server: server_id as ServerId, pubkey: key.text, host, port, vouchedBy: 'operator' as const }
    const { facts, conflict } = decideMembership(listed, node.state.membership, node.config.limits)
    if (node.runtime.isSetAside(`server:${server_id}`)) continue
    if (conflict !== undefined)
      node.tell({
        event: 'degraded',
        why:
          conflict === 'key'
            ? `the listed server ${server_id} has another key than the one pinned before`
            : `the listed server ${server_id} is not taken in: ${conflictWords[conflict]}`,
      })
    for (const fact of facts) node.runtime.record(`server:${server_id}`, fact)
  }
}

/** Why a server is not taken in, for people. */
export const conflictWords = {
  key: 'another key is pinned for it',
  full: 'there are too many members',
  key_held: 'its key belongs to another member',
} as const

/** Forgets a member: its link, its users, its place. False while one of its streams waits for an operator. */
export const forgetMember = (node: Node, server: ServerId): boolean => {
  if (node.runtime.isSetAside(`link:${server}`) || node.runtime.isSetAside(`server:${server}`)) return false
  node.runtime.record(`link:${server}`, { type: 'link.forgotten', server })
  node.runtime.record(`server:${server}`, { type: 'server.forgotten', server })
  node.links.forget(server)
  node.seen.forget(server)
  return true
}

const isGone = (node: Node, member: Member): boolean => {
  const context = node.runtime.machine(`link:${member.id}`)?.context
  const { newcomerMs, absentMs } = node.config.timing
  const [since, within] = member.linked ? [context?.['apartSince'], absentMs] : [context?.['failingSince'], newcomerMs]
  return member.vouchedBy !== 'operator' && typeof since === 'number' && since <= node.ports.clock.now() - within
}

/** Begins to look for members that have been gone for too long. */
export const pruneMembers = (node: Node): void => {
  node.timers.every(PRUNE_MS, () => {
    for (const member of node.state.membership.servers.values()) if (isGone(node, member)) forgetMember(node, member.id)
  })
}
