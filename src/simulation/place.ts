/** What a simulated program needs of its world, and the ports that one incarnation of it gets. */
import type { Crypto } from '../ports/crypto.ts'
import type { Ports } from '../ports/ports.ts'
import type { Random } from '../ports/random.ts'
import { createClock, type Quartz } from './clock.ts'
import { createCrypto, type KeyPair, type Keyring } from './crypto.ts'
import type { Dice } from './dice.ts'
import type { Disk } from './disk.ts'
import { createLife, type Life } from './life.ts'
import type { Machine, SimulatedNetwork } from './network.ts'
import type { Schedule } from './schedule.ts'
import type { Witnesses } from './witness.ts'

export interface Place {
  readonly schedule: Schedule
  readonly network: SimulatedNetwork
  readonly makeKey: () => KeyPair
  readonly witnesses: Witnesses
  readonly sha256: Crypto['sha256']
  /** Makes the cryptography of an incarnation: the stand-in, or the real one. */
  readonly crypto: (life: Life, dice: Dice) => Crypto
}

/** Random numbers for a program; a draw may be its last call. */
const randomFor = (dice: Dice, life: Life): Random => {
  const drawn = <T>(draw: T): T => {
    life.calls()
    return draw
  }
  return { bytes: length => drawn(dice.bytes(length)), uuid: () => drawn(dice.uuid()), fraction: () => drawn(dice.fraction()) }
}

export const portsFor = (place: Place, machine: Machine, quartz: Quartz, life: Life, dice: Dice): Ports => ({
  clock: createClock(place.schedule, quartz, life),
  random: randomFor(dice.fork('random'), life),
  network: place.network.port(machine, life),
  crypto: place.crypto(life, dice.fork('crypto')),
  reach: life.reach,
})

/** The stand-in for `Place.crypto`. */
export const standIn =
  (schedule: Schedule, keyring: Keyring, sha256: Crypto['sha256']): Place['crypto'] =>
  (life, dice) =>
    createCrypto({ schedule, life, keyring, dice, sha256 })

/** Begins an incarnation of a program on its machine; `died` is called when it is over, and its sockets and disk are left. */
export const enliven = (
  place: Place,
  program: { readonly machine: Machine; readonly disk: Disk; life: Life | undefined },
  died: () => void,
): Life => {
  const life = createLife(() => {
    program.life = undefined
    program.disk.fault = undefined
    place.network.bury(program.machine)
    died()
  })
  program.life = life
  return life
}
