/** A group of supervised children: which of them restart when one fails, how soon, and when the group itself has failed. */
import type { Clock } from '../ports/clock.ts'

/** Which children restart when one fails, as in OTP: it alone, all, or it and those started after it. */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one'

export interface GroupOptions<Group extends string = string> {
  /** Whose child this group is; without one, its failure is the end of the supervisor. */
  readonly parent?: Group
  readonly strategy: Strategy
  /** More restarts than this within `withinMs` of monotonic time are a failure of the group. */
  readonly restarts: number
  readonly withinMs: number
  /** Milliseconds before the first restart of a child, doubled for each more within the period, up to the cap. */
  readonly backoff: { readonly firstMs: number; readonly capMs: number }
}

/** What a group supervises: actors, and groups. */
export interface Child {
  /** Handles nothing until `restart`. */
  suspend(): void
  restart(error: unknown): void
  stop(why: string): Promise<void>
}

export interface Group extends Child {
  add(child: Child): void
  remove(child: Child): void
  failed(child: Child, error: unknown): void
}

const affected: Record<Strategy, (children: ReadonlySet<Child>, failed: Child) => readonly Child[]> = {
  one_for_one: (_children, failed) => [failed],
  one_for_all: children => [...children],
  rest_for_one: (children, failed) => [...children].slice([...children].indexOf(failed)),
}

/** `escalate` takes the error that was one too many, after all children were suspended. */
export const createGroup = (options: GroupOptions, clock: Clock, escalate: (group: Group, error: unknown) => void): Group => {
  // a Set keeps the order of starting
  const children = new Set<Child>()
  /** Restarts within the period, oldest first; never more than the intensity and one. */
  let recent: readonly { readonly at: number; readonly child: Child }[] = []
  /** Child → the restart it waits for; a later failure takes the place of an earlier one. */
  const due = new Map<Child, object>()
  const timers = new Set<() => void>()
  /** While the group waits for its parent, or stops, no child of it restarts by itself. */
  let suspended = false
  let stopping = false

  const suspendAll = (): void => {
    suspended = true
    due.clear()
    for (const child of children) child.suspend()
  }

  const restartLater = (failed: Child, error: unknown, delay: number): void => {
    const restart = {}
    const together = affected[options.strategy](children, failed)
    for (const child of together) {
      child.suspend()
      due.set(child, restart)
    }
    const cancel = clock.after(delay, () => {
      timers.delete(cancel)
      for (const child of together) {
        if (due.get(child) !== restart) continue
        due.delete(child)
        child.restart(error)
      }
    })
    timers.add(cancel)
  }

  const group: Group = {
    add: child => void children.add(child),
    remove: child => {
      children.delete(child)
      due.delete(child)
    },
    failed: (child, error) => {
      if (suspended || stopping || !children.has(child)) return
      const now = clock.monotonic()
      recent = [...recent.filter(({ at }) => now - at < options.withinMs), { at: now, child }]
      if (recent.length > options.restarts) {
        suspendAll()
        escalate(group, error)
        return
      }
      const { firstMs, capMs } = options.backoff
      const times = recent.filter(restart => restart.child === child).length
      restartLater(child, error, Math.min(capMs, firstMs * 2 ** (times - 1)))
    },
    suspend: suspendAll,
    restart: error => {
      suspended = false
      recent = []
      for (const child of [...children]) child.restart(error)
    },
    stop: async why => {
      stopping = true
      for (const cancel of timers) cancel()
      for (const child of [...children].reverse()) await child.stop(why)
      children.clear()
    },
  }
  return group
}
