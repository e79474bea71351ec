/** The shapes that the runtime's parts share: effects that machines name, machine states as others see them. */
import type { Address } from '../protocol/ids.ts'

/** Something a machine wants done once the fact that caused it is safe. `at` is the time of that fact. */
export interface NamedEffect {
  readonly address: Address
  readonly effect: string
  readonly params: Readonly<Record<string, unknown>>
  readonly at: number
}

/** A machine's state as it is printed, tested and compared. */
export interface MachineView {
  readonly state: string
  readonly context: Readonly<Record<string, unknown>>
}
