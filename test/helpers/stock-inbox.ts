/** A list of what arrived that can be waited on: tests wait for events, never for time to pass. */

export interface WaitOptions {
  /** Milliseconds until the wait fails. */
  readonly timeoutMs?: number
  /** Index of the first item that counts; 0 takes what arrived before, too. */
  readonly since?: number
  /** What is waited for, for the failure's text. */
  readonly what?: string
}

export interface Inbox<T> {
  readonly items: readonly T[]
  push(item: T): void
  /** Nothing more will come; every wait that is not fulfilled fails with `why`. */
  end(why: string): void
  /** The first item that matches, among those that are here or the next ones. */
  waitFor<S extends T>(match: (item: T) => item is S, options?: WaitOptions): Promise<S>
  waitFor(match: (item: T) => boolean, options?: WaitOptions): Promise<T>
}

interface Waiter<T> {
  readonly match: (item: T) => boolean
  readonly found: (item: T) => void
  readonly failed: (why: string) => void
}

/** `describe` prints what did arrive when a wait fails. */
export const createInbox = <T>(describe: (items: readonly T[]) => string): Inbox<T> => {
  const items: T[] = []
  const waiters = new Set<Waiter<T>>()
  let ended: string | undefined

  const waitFor = (match: (item: T) => boolean, { timeoutMs = 10_000, since = 0, what = 'the event' }: WaitOptions = {}) => {
    const here = items.slice(since).find(match)
    if (here !== undefined) return Promise.resolve(here)
    const at = new Error(`waited for ${what}`)
    return new Promise<T>((resolve, reject) => {
      const failed = (why: string): void => {
        clearTimeout(timer)
        waiters.delete(waiter)
        at.message = `waited for ${what}: ${why}\n${describe(items)}`
        reject(at)
      }
      const timer = setTimeout(() => {
        failed(`not within ${String(timeoutMs)} ms`)
      }, timeoutMs)
      const waiter: Waiter<T> = {
        match,
        failed,
        found: item => {
          clearTimeout(timer)
          waiters.delete(waiter)
          resolve(item)
        },
      }
      waiters.add(waiter)
      if (ended !== undefined) failed(ended)
    })
  }

  return {
    items,
    push: item => {
      items.push(item)
      for (const waiter of [...waiters]) if (waiter.match(item)) waiter.found(item)
    },
    end: why => {
      ended ??= why
      for (const waiter of [...waiters]) waiter.failed(ended)
    },
    waitFor: waitFor,
  }
}
