/** The server's own words on standard error: lines for a person at a terminal, JSON by pino for everything else. */
import { destination, pino } from 'pino'
import type { Log, LogLevel } from '../server/events.ts'
import { shown, tell } from './output.ts'

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** `events`: links coming and going are printed already, so a person is spared the second line. */
export const createLogger = (level: LogLevel, { events }: { readonly events: boolean }): Log => {
  if (process.stderr.isTTY) {
    const least = Math.max(ORDER.indexOf(level), events ? ORDER.indexOf('warn') : 0)
    return (at, message, fields = {}) => {
      if (ORDER.indexOf(at) < least) return
      const details = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`)
      tell(shown([`${at}:`, message, ...details].join(' ')))
    }
  }
  // synchronous: the last line before an end is the one that is needed
  const logger = pino({ level, base: null }, destination({ dest: 2, sync: true }))
  return (at, message, fields = {}) => {
    logger[at](fields, message)
  }
}
