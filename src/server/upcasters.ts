/** How facts that older versions of a node recorded become today's: whoever opens a node's log hands this table to it. */
import type { StoredFact, Upcasters } from '../store/upcasters.ts'

/** Servers could be banned from then on. */
const withBans = (state: StoredFact): StoredFact => ({ ...state, node: { bans: [], ...(state['node'] as object) } })

/** What the first link machine did not keep, as of a link about which nothing of it is known. */
const newLinkContext = { apartSince: null, lapseAt: null, wrongs: 0, wrongAt: null }

/** Before, no server was in doubt, and links knew less of themselves. */
const withDoubt = (base: StoredFact): StoredFact => {
  const { node, machines, ...rest } = base as {
    readonly node: object
    readonly machines: Readonly<Record<string, { readonly context: object }>>
  }
  const links = Object.entries(machines).map(([address, machine]) => [
    address,
    address.startsWith('link:') ? { ...machine, context: { ...newLinkContext, ...machine.context } } : machine,
  ])
  return { ...rest, node: { standings: [], ...node }, machines: Object.fromEntries(links) as unknown }
}

/**
 * Fact type → steps from each schema version to the next. Released facts are never changed: another shape is another version
 * with a step here and a log in `test/golden-logs` that was written before it. Every fact of 0.1.0 is at version 1. `base` is the state
 * that a compaction leaves.
 */
export const nodeUpcasters: Upcasters = { base: [withBans, withDoubt] }
