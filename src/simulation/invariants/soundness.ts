/** Programs: none stops by itself, fails inside or complains, unless its disk was made to fail. */
import type { Judge } from '../judge.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'

export const soundness = (judge: Judge): Witness => {
  /** Whose disk was made to fail in their present life. */
  const failing = new Set<string>()
  const sound = (who: SimulatedServer | SimulatedUser, holds: boolean, what: () => string): void => {
    judge.check('sound', holds || failing.has(who.name), () => `${who.name} ${what()}`)
  }
  return {
    fault(_name, _what, { on, how }) {
      if (how !== undefined && typeof on === 'string') failing.add(on)
    },
    started(server) {
      failing.delete(server.name)
      sound(server, true, () => '')
    },
    userStarted(user) {
      failing.delete(user.name)
    },
    gaveUp(server, error) {
      sound(server, false, () => `stopped by itself: ${error.stack ?? error.message}`)
    },
    wrote(server, level, message, fields) {
      if (level === 'error') sound(server, false, () => `wrote: ${message} ${JSON.stringify(fields)}`)
    },
    told(server, event) {
      if (event.event === 'degraded') sound(server, !event.why.includes('is set aside'), () => `is degraded: ${event.why}`)
    },
    showed(user, event) {
      if (event.event === 'error')
        sound(user, !['INTERNAL', 'FATAL', 'BAD_FRAME'].includes(event.code), () => `was shown ${event.code}: ${event.detail}`)
      // nobody here has two programs, and nobody's key is stolen
      if (event.event === 'offline') sound(user, event.final !== true, () => `gave way to nobody: ${event.why}`)
      if (event.event === 'notice')
        sound(user, !event.detail.startsWith('Your key was used'), () => `was taken for somebody else: ${event.detail}`)
    },
  }
}
