/** How facts that older versions of a node recorded become today's: whoever opens a node's log hands this table to it. */
import type { Upcasters } from '../store/upcasters.ts'

/**
 * Fact type → steps from each schema version to the next. Released facts are never changed: another shape is another version
 * with a step here and a log in `test/golden-logs` that was written before it. Every fact of 0.1.0 is at version 1.
 */
export const nodeUpcasters: Upcasters = {}
