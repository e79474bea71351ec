/** Chance from a seed: every part of a world draws from its own, so that one more draw in one place changes nothing in another. */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Random } from '../ports/random.ts'

export interface Dice extends Random {
  /** A number in [0, 1). */
  fraction(): number
  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number
  /** A duration with this mean, in the same unit; as what happens independently of everything before is spread. */
  apart(mean: number): number
  chance(probability: number): boolean
  /** One of a list that is not empty. */
  pick<T>(from: readonly T[]): T
  /** Another pair of dice, decided by this seed and the name alone. */
  fork(name: string): Dice
}

/** FNV-1a (32 bits): spreads names, protects nothing. */
const mix = (seed: number, name: string): number => {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0
  return hash
}

/** @param seed a whole number; its lower 32 bits count */
export const createDice = (seed: number): Dice => {
  const generator = xoroshiro128plus(seed)
  const word = (): number => generator.next() >>> 0
  const fraction = (): number => word() / 2 ** 32
  const bytes = (length: number): Uint8Array => {
    const made = new Uint8Array(length)
    for (let at = 0; at < length; at += 4) {
      const four = word()
      for (let index = 0; index < 4 && at + index < length; index += 1) made[at + index] = four >>> (8 * index)
    }
    return made
  }
  const whole = (low: number, high: number): number => low + Math.floor(fraction() * (high - low + 1))
  return {
    fraction,
    bytes,
    whole,
    uuid: () => {
      const hex = Buffer.from(bytes(16)).toString('hex')
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
    },
    apart: mean => -mean * Math.log(1 - fraction()),
    chance: probability => fraction() < probability,
    pick: from => from[whole(0, from.length - 1)] as (typeof from)[number],
    fork: name => createDice(mix(seed, name)),
  }
}
