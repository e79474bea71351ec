/** Asks the server who is online and puts the parts of its answer together. */
import type { Clock } from '../ports/clock.ts'
import type { Frame } from '../protocol/envelope.ts'
import { maxMembers, type Roster, type Sighting } from './roster.ts'

/** Milliseconds to wait for the next part; a stock server may never answer. */
export const listMs = 5_000

export interface Listing {
  /** Resolves when the roster is as the server says: true, or false when no answer came. */
  refresh(): Promise<boolean>
  /** Resolves when no answer is under way. */
  settled(): Promise<void>
  part(payload: Frame<'LIST_RESPONSE'>['payload']): void
  /** The connection is gone, and the answer with it. */
  lost(): void
}

interface Running {
  readonly answered: Promise<boolean>
  readonly settle: (complete: boolean) => void
  readonly sightings: Sighting[]
  restart: () => void
  /** Nobody waits for it any more; if it comes all the same it is as true as ever. */
  late: boolean
}

/**
 * @param request sends a LIST_REQUEST
 * @param attached whether that reaches a server: what is handled when the connection is gone may still ask
 */
export const createListing = ({
  clock,
  roster,
  request,
  attached,
}: {
  readonly clock: Clock
  readonly roster: Roster
  readonly request: () => void
  readonly attached: () => boolean
}): Listing => {
  let running: Running | undefined

  const begin = (): Running => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    let cancel = (): void => {}
    const settle = (complete: boolean): void => {
      cancel()
      running = undefined
      if (complete) roster.listEnds(sightings)
      resolve(complete)
    }
    const sightings: Sighting[] = []
    const restart = (): void => {
      cancel()
      cancel = clock.after(listMs, () => {
        self.late = true
        resolve(false)
      })
    }
    restart()
    const self: Running = { answered: promise, settle, sightings, restart, late: false }
    return self
  }

  return {
    refresh: () => {
      if (!attached()) return Promise.resolve(false)
      if (running?.late !== false) {
        running = begin()
        roster.listBegins()
        request()
      }
      return running.answered
    },
    settled: async () => {
      await running?.answered
    },
    part: payload => {
      if (running === undefined) return
      for (const { user_id: id, display_name: name, server_id: server, presence } of payload.users) {
        if (running.sightings.length < maxMembers) running.sightings.push({ id, name, server: server ?? '', presence })
      }
      if (payload.more) running.restart()
      else running.settle(true)
    },
    lost: () => {
      running?.settle(false)
    },
  }
}
