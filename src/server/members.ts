/** Members that never came, or are gone for long, make room again. */
import type { Member } from '../domain/membership.ts'
import type { ServerId } from '../protocol/ids.ts'
import type { Node } from './node.ts'

/** How often members that are not there are looked through. */
const PRUNE_MS = 60_000

/** Forgets a member: its link, its users, its place. False while one of its streams waits for an operator. */
export const forgetMember = (node: Node, server: ServerId): boolean => {
  if (node.runtime.isSetAside(`link:${server}`) || node.runtime.isSetAside(`server:${server}`)) return false
  node.runtime.record(`link:${server}`, { type: 'link.forgotten', server })
  node.runtime.record(`server:${server}`, { type: 'server.forgotten', server })
  node.links.forget(server)
  node.seen.forget(server)
  node.otherKeys.forget(server)
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
