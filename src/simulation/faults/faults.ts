/** All faults by name, and the one that makes them happen. */
import { fileFaults } from './files.ts'
import { homeFaults } from './homes.ts'
import { liesFaults } from './lies.ts'
import { mailFaults } from './mail.ts'
import { processFaults } from './processes.ts'
import { proofFaults } from './proofs.ts'
import { roamingFaults } from './roaming.ts'
import { wireFaults } from './wires.ts'
import { wordFaults } from './words.ts'
import type { Fault } from './fault.ts'
import type { World } from '../world.ts'

export const faults = {
  ...processFaults,
  ...wireFaults,
  ...roamingFaults,
  ...mailFaults,
  ...liesFaults,
  ...homeFaults,
  ...wordFaults,
  ...proofFaults,
  ...fileFaults,
} as const satisfies Readonly<Record<string, Fault>>
export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as readonly FaultName[]

export const needsLiar = (names: readonly FaultName[]): boolean => names.some(name => (faults[name] as Fault).lies === true)

/** The standard load has one every 20 s on average. */
const FAULT_EVERY_MS = 20_000
/** One that cannot happen now, because nobody is away or nothing waits, may a moment later. */
const AGAIN_MS = 4_000
const MOST_TRIES = 12

export interface FaultPlan {
  readonly names: readonly FaultName[]
  /** The first of them is this one, so that worlds of as many seeds in a row see each. */
  readonly first: number
  /** Only these happen, of all that would: each is known by its number. Every one when left out. */
  readonly keep?: ReadonlySet<number>
}

export interface Faults {
  /** What happened: name → times. */
  readonly counts: Readonly<Partial<Record<FaultName, number>>>
  /** How many were drawn, kept or not. */
  readonly drawn: () => number
  /** Heals what lasts, and begins no more. */
  stop(): void
}

/** Begins with the world well for `firstMs`. */
export const startFaults = (world: World, { names, first, keep }: FaultPlan, firstMs: number): Faults => {
  const { schedule, trouble, witnesses } = world
  const times = world.dice.fork('faults')
  const counts: Partial<Record<FaultName, number>> = {}
  const lasting = new Set<() => void>()
  let stopped = false
  let number = 0

  const happen = (name: FaultName, at: number, tries = 1): void => {
    const fault: Fault = faults[name]
    if (world.users.length < (fault.people ?? 0)) return
    // each draws from its own dice, so that leaving one out changes no other
    const injected = fault.inject(world, world.dice.fork(`fault ${at}`))
    if (injected === undefined) {
      if (tries < MOST_TRIES)
        schedule.after(AGAIN_MS, () => {
          if (!stopped) happen(name, at, tries + 1)
        })
      return
    }
    const { parts, details, forMs, heal } = injected
    counts[name] = (counts[name] ?? 0) + 1
    witnesses.fault(name, 'begins', { ...details, number: at })
    const end = trouble.begin(parts)
    const over = (): void => {
      if (!lasting.delete(over)) return
      heal?.()
      end()
      if (forMs > 0) witnesses.fault(name, 'ends', { number: at })
    }
    lasting.add(over)
    if (forMs === 0) over()
    else schedule.after(forMs, over)
  }
  const next = (ms: number): void => {
    schedule.after(ms, () => {
      if (stopped) return
      const at = (number += 1)
      const drawn = times.pick(names)
      const name = at === 1 ? (names[first % names.length] ?? drawn) : drawn
      const wait = times.apart(FAULT_EVERY_MS)
      if (keep === undefined || keep.has(at)) happen(name, at)
      next(wait)
    })
  }
  if (names.length > 0) next(firstMs)

  return {
    counts,
    drawn: () => number,
    stop() {
      stopped = true
      for (const over of [...lasting]) over()
    },
  }
}
