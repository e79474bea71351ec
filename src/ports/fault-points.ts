/** Named places in the code at which a simulated process may die, stand still, or find its machine gone. */

export const faultPoints = [
  /** A fact is folded, and not yet with the log. */
  'fact folded',
  /** The facts of a tick are about to be appended. */
  'batch closed',
  /** They are durable, and nothing that depends on them has left. */
  'batch committed',
  /** Something that waited for them has left. */
  'effect performed',
  /** A peer's frame was verified, and not yet decided about. */
  'frame verified',
  /** A user has proven their key, and is not yet attached. */
  'user proven',
  /** A snapshot is kept. */
  'snapshot kept',
] as const
export type FaultPoint = (typeof faultPoints)[number]

/** Called at each place, with its name. */
export type ReachFaultPoint = (point: FaultPoint) => void

/** What it is outside of a simulation. */
export const noFaultPoint: ReachFaultPoint = () => {}
