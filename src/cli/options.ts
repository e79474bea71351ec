/** Option parsers that all commands share, and the examples that every `--help` ends with. */
import { InvalidArgumentError, type Command } from 'commander'
import type { Moment } from '../server/time-travel.ts'

/** A whole number between two bounds, both included. */
export const wholeNumber = (text: string, least: number, most: number): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`)
  return value
}

/** A TCP port; 0 picks a free one. */
export const portNumber = (text: string): number => wholeNumber(text, 0, 65_535)

/** A sequence number of the log. */
export const sequenceNumber = (text: string): number => wholeNumber(text, 0, Number.MAX_SAFE_INTEGER)

const A_TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** Milliseconds of a duration such as `90s`, `10m` or `1h`, between two bounds, both included. */
export const duration = (text: string, least: number, most: number): number => {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Number(count) * ((unitsMs[unit as keyof typeof unitsMs] as number | undefined) ?? NaN)
  if (!(ms >= least && ms <= most))
    throw new InvalidArgumentError(`It is a duration from ${least / 1_000}s to ${most / 3_600_000}h, such as 90s or 10m.`)
  return Math.round(ms)
}

/** Whole numbers with commas between. */
export const numbers = (text: string): ReadonlySet<number> => {
  if (!/^\d+(,\d+)*$/.test(text)) throw new InvalidArgumentError('It is a list of numbers, as 3,5,8.')
  return new Set(text.split(',').map(Number))
}

/** A sequence number, or a time of ISO 8601; without a zone a time of day is of this machine, and a day is UTC. */
export const moment = (text: string): Moment => {
  if (/^\d+$/.test(text)) return { seq: sequenceNumber(text) }
  const at = A_TIME.test(text) ? Date.parse(text.replace(' ', 'T')) : NaN
  if (Number.isNaN(at)) throw new InvalidArgumentError('It is a sequence number, or a time such as 2026-05-01T12:00:00Z.')
  return { at }
}

/** Two moments: `10..20`, or `10..` up to the end, or `..20` from the beginning. */
export const span = (text: string): { readonly from: Moment; readonly to: Moment | undefined } => {
  const [from, to, ...more] = text.split('..')
  if (from === undefined || to === undefined || more.length > 0)
    throw new InvalidArgumentError('It is two sequence numbers or times, as in 10..20.')
  return { from: from === '' ? { seq: 0 } : moment(from), to: to === '' ? undefined : moment(to) }
}

/** Examples at the end of a command's help: what to type, and what it does. */
export const withExamples = (command: Command, examples: readonly (readonly [line: string, does: string])[]): Command => {
  const width = Math.max(...examples.map(([line]) => line.length))
  return command.addHelpText(
    'after',
    ['', 'Examples:', ...examples.map(([line, does]) => `  $ ${line.padEnd(width)}  # ${does}`)].join('\n'),
  )
}
