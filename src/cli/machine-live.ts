/** Where each machine of a running node is, as the node itself says. */
import type { MachineView } from '../actors/contract.ts'
import type { Address } from '../protocol/ids.ts'
import { commandRunning } from './node-control.ts'

export interface LiveMachine extends MachineView {
  readonly address: Address
  readonly set_aside?: true
}

/** Undefined when no node runs on this data directory. Rejects with a `CommandFailure` when it does not answer. */
export const liveMachines = async (data: string): Promise<readonly LiveMachine[] | undefined> =>
  (await commandRunning(data, 'machines')) as readonly LiveMachine[] | undefined
