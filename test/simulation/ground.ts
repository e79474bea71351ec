/** What a simulated world takes from this machine. */
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { nodeClock } from '../../src/ports/node/clock.ts'
import type { Ground } from '../../src/simulation/world.ts'

export const ground: Ground = { loop: nodeClock(), sha256: nodeCrypto().sha256 }
