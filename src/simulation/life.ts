/** One incarnation of a simulated process: it can be paused, and it dies at any call that it makes to the world outside. */
import type { FaultPoint } from '../ports/fault-points.ts'

export interface Life {
  readonly alive: boolean
  readonly paused: boolean
  /** To be called first by every port: counts down to a death that was arranged. Answers whether the call still does something. */
  calls(): boolean
  /** Runs `run` when the world calls in: now, after the pause, or never. */
  enter(run: () => void): void
  /** Dies at the `calls`th call from now. */
  dieAt(calls: number): void
  /** Dies when it reaches that point for the `times`th time from now. */
  dieAtPoint(point: FaultPoint, times: number): void
  /** To be called at every fault point. */
  reach(point: FaultPoint): void
  pause(): void
  resume(): void
  die(): void
}

/** @param died is called once, at the moment of death, whoever caused it */
export const createLife = (died: () => void): Life => {
  let alive = true
  let paused = false
  let left = Infinity
  let awaited: { readonly point: FaultPoint; times: number } | undefined
  let held: (() => void)[] = []
  const die = (): void => {
    if (!alive) return
    alive = false
    held = []
    died()
  }
  return {
    get alive() {
      return alive
    },
    get paused() {
      return paused
    },
    calls() {
      if (!alive) return false
      left -= 1
      if (left > 0) return true
      die()
      return false
    },
    enter(run) {
      if (!alive) return
      if (paused) held.push(run)
      else run()
    },
    dieAt(calls) {
      left = calls
    },
    dieAtPoint(point, times) {
      awaited = { point, times }
    },
    reach(point) {
      if (awaited?.point !== point) return
      awaited.times -= 1
      if (awaited.times <= 0) die()
    },
    pause() {
      paused = true
    },
    resume() {
      paused = false
      const due = held
      held = []
      for (const run of due) if (alive) run()
    },
    die,
  }
}
