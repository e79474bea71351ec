/** What became of the copies of one public message, as one word for whoever wrote it. */
import type { SentStatus } from './events.ts'
import type { Told } from './keeping.ts'

export interface Group {
  /** The name of the whole: that of its first copy. */
  named(id: string): void
  /** One more copy; what becomes of it is told to the answer. */
  member(): Told
  /** No copy failed so far. */
  whole(): boolean
}

/**
 * Tells `sent` when all copies have left, then `waiting` or `delivered` when that holds for all that can say so; `failed` once, when all have
 * left, if some did not.
 */
export const createGroup = (size: number, progress: (id: string, status: SentStatus, why?: string) => void): Group => {
  const states: (SentStatus | undefined)[] = []
  const whys: string[] = []
  let id = ''
  let last: SentStatus | undefined

  const tell = (status: SentStatus, why?: string): void => {
    if (last === status || last === 'failed') return
    last = status
    progress(id, status, why)
  }
  const settle = (why: string | undefined): void => {
    if (states.length < size || states.includes(undefined)) return
    if (whys.length > 0) {
      tell('failed', `${whys.length} of ${size} people did not get it. The first reason: ${whys[0] ?? ''}`)
      return
    }
    if (last === undefined) tell('sent', why)
    if (states.includes('sent')) return
    tell(states.includes('waiting') ? 'waiting' : 'delivered')
  }

  return {
    named: given => {
      id = given
    },
    member: () => {
      const place = states.push(undefined) - 1
      return (status, why) => {
        states[place] = status
        if (status === 'failed') whys.push(why ?? '')
        settle(why)
      }
    },
    whole: () => whys.length === 0,
  }
}
