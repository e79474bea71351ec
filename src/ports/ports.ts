/** Everything that the outside world is to a node or a client. */
import type { Clock } from './clock.ts'
import type { Crypto } from './crypto.ts'
import type { ReachFaultPoint } from './fault-points.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly crypto: Crypto
  readonly reach: ReachFaultPoint
}

/** What a program is given; it has no fault points unless they are given too. */
export type GivenPorts = Omit<Ports, 'reach'> & Partial<Pick<Ports, 'reach'>>
