/** The server's own words on standard error: lines for a person at a terminal, JSON by pino for everything else. */
import { destination, pino } from 'pino'
import type { Log, LogLevel } from '../server/events.ts'
import { shown, tell } from './output.ts'

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Fields that no line may have a value under, whoever hands it over: private keys, passphrases, and what people write to each other. */
const SECRET = ['privateKey', 'private_key', 'pkcs8', 'passphrase', 'key', 'text', 'plaintext', 'ciphertext', 'payload']

const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** For a person: the event, why, and the other fields. */
const forPeople = (at: LogLevel, event: string, { why, ...fields }: Readonly<Record<string, unknown>>): string => {
  const details = Object.entries(fields)
    .filter(([name, value]) => value !== undefined && !SECRET.includes(name))
    .map(([name, value]) => `${name}=${plain(value)}`)
  return [`${at}:`, why === undefined ? event : `${event}: ${plain(why)}`, ...details].join(' ')
}

/**
 * `level` is asked at every line, so it may change. `events`: links coming and going are printed already, so a person who asked for
 * nothing is spared the second line. A line of JSON is `{"level","time",…fields,"event"}`; `event` is the same text whenever the same thing happens.
 */
export const createLogger = (level: () => LogLevel, { events }: { readonly events: boolean }): Log => {
  const spared = events && process.stderr.isTTY
  const least = (): LogLevel => (spared && level() === 'info' ? 'warn' : level())
  const quiet = (at: LogLevel): boolean => ORDER.indexOf(at) < ORDER.indexOf(least())
  if (process.stderr.isTTY)
    return (at, event, fields = {}) => {
      if (!quiet(at)) tell(shown(forPeople(at, event, fields)))
    }
  const logger = pino(
    {
      level: 'debug',
      base: null,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: SECRET, remove: true },
    },
    // synchronous: the last line before an end is the one that is needed
    destination({ dest: 2, sync: true }),
  )
  return (at, event, fields = {}) => {
    if (!quiet(at)) logger[at](fields, event)
  }
}
