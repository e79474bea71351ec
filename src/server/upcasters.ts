/** How facts that older versions of a node recorded become today's: whoever opens a node's log hands this table to it. */
import type { StoredFact, Upcasters } from '../store/upcasters.ts'

/** Servers could be banned from then on. */
const withBans = (state: StoredFact): StoredFact => ({ ...state, node: { bans: [], ...(state['node'] as object) } })

/**
 * Fact type → steps from each schema version to the next. Released facts are never changed: another shape is another version
 * with a step here and a log in `test/golden-logs` that was written before it. Every fact of 0.1.0 is at version 1. `base` is the state that a compaction leaves.
 */
export const nodeUpcasters: Upcasters = { base: [withBans] }
