/** Everything that the outside world is to a node or a client. */
import type { Clock } from './clock.ts'
import type { Crypto } from './crypto.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly crypto: Crypto
}
