/** Servers that were vouched for and never came make room again. */
import type { Node } from './node.ts'

/** How often members that never linked are looked through. */
const PRUNE_MS = 60_000

const prune = (node: Node): void => {
  const before = node.ports.clock.now() - node.config.timing.newcomerMs
  for (const member of node.state.membership.servers.values()) {
    const link = node.runtime.machine(`link:${member.id}`)
    const failing = link?.context['failingSince']
    if (member.linked || member.vouchedBy === 'operator' || typeof failing !== 'number' || failing > before) continue
    if (node.runtime.isSetAside(`link:${member.id}`) || node.runtime.isSetAside(`server:${member.id}`)) continue
    node.runtime.record(`link:${member.id}`, { type: 'link.forgotten', server: member.id })
    node.runtime.record(`server:${member.id}`, { type: 'server.forgotten', server: member.id })
    node.links.forget(member.id)
    node.seen.forget(member.id)
    node.otherKeys.forget(member.id)
  }
}

/** Begins to look for them. */
export const pruneNewcomers = (node: Node): void => {
  node.timers.every(PRUNE_MS, () => {
    prune(node)
  })
}
