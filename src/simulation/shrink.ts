/** Looks for a smaller world that fails in the same way: fewer faults, less time, fewer people and servers. */
import type { Invariant } from './judge.ts'
import type { Outcome, SimulationOptions } from './simulation.ts'

export interface Shrunk {
  readonly options: SimulationOptions
  readonly outcome: Outcome
  readonly runs: number
}

export interface ShrinkOptions {
  readonly run: (options: SimulationOptions) => Promise<Outcome>
  /** Hears of every smaller world that still fails. */
  readonly smaller: (options: SimulationOptions) => void
  /** No more runs than these; 200 unless given. */
  readonly most?: number
}

const LEAST_MS = 10_000
const SECOND_MS = 1_000

/** Numbers of faults without one part of them, the larger parts first. */
const parts = function* (keep: readonly number[]): Generator<readonly number[]> {
  for (let size = Math.ceil(keep.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < keep.length; at += size) yield [...keep.slice(0, at), ...keep.slice(at + size)]
}

const fewer = function* (count: number, least: number): Generator<number> {
  if (count <= least) return
  yield least
  if (count > 2 * least) yield Math.ceil(count / 2)
  yield count - 1
}

/** Smaller worlds than this one, those that would save most first. */
const candidates = function* (options: SimulationOptions, { drawn, violations }: Outcome): Generator<SimulationOptions> {
  const end = Math.ceil((violations[0]?.at ?? options.timeMs) / SECOND_MS) * SECOND_MS
  for (const timeMs of [end, Math.ceil(options.timeMs / 2 / SECOND_MS) * SECOND_MS])
    if (timeMs < options.timeMs && timeMs >= LEAST_MS) yield { ...options, timeMs }
  const keep = [...(options.keep ?? Array.from({ length: drawn }, (_, index) => index + 1))]
  for (const left of parts(keep)) if (left.length < keep.length) yield { ...options, keep: new Set(left) }
  for (const users of fewer(options.users, 2)) yield { ...options, users }
  for (const servers of fewer(options.servers, 2)) yield { ...options, servers }
}

/** @param failed a run that violated something; its first violation is what every smaller world has to violate too */
export const shrink = async (options: SimulationOptions, failed: Outcome, { run, smaller, most = 200 }: ShrinkOptions): Promise<Shrunk> => {
  const wanted: Invariant | undefined = failed.violations[0]?.invariant
  let best = { options, outcome: failed }
  let runs = 0
  for (let found = true; found;) {
    found = false
    for (const candidate of candidates(best.options, best.outcome)) {
      if (runs >= most) return { ...best, runs }
      runs += 1
      const outcome = await run(candidate)
      if (!outcome.violations.some(({ invariant }) => invariant === wanted)) continue
      best = { options: candidate, outcome }
      smaller(candidate)
      found = true
      break
    }
  }
  return { ...best, runs }
}
