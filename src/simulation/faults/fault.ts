/** What a fault is: something that goes wrong in a world, somewhere and for a while. */
import type { Dice } from '../dice.ts'
import type { Part } from '../trouble.ts'
import type { World } from '../world.ts'

export interface Injected {
  /** What it concerns: nothing is promised about these until it has ended. */
  readonly parts: readonly Part[]
  /** For the trace; `on` names what it hit, where that is one thing. */
  readonly details: Readonly<Record<string, unknown>>
  /** Milliseconds; over at once when there is nothing to heal. */
  readonly forMs: number
  readonly heal?: () => void
}

/** Begins it, where the world has a place for it now. Once `forMs` are over, or all faults have to end, it is healed. */
export type Inject = (world: World, dice: Dice) => Injected | undefined

export interface Fault {
  readonly inject: Inject
  /** For the help: one line. */
  readonly what: string
  /** Needs a server that lies. */
  readonly lies?: true
  /** Needs so many people; none when left out. */
  readonly people?: number
}
