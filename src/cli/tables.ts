/** Tables and figures for people. */
import { authorityOf, urlOf } from '../protocol/address.ts'
import { shown, styled } from './output.ts'

/** Rows under a header, each column as wide as it needs; what others wrote is made safe here. */
export const tableLines = (header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => {
  const cells = rows.map(row => row.map(shown))
  const widths = header.map((name, column) => Math.max(name.length, ...cells.map(row => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [styled('dim', line(header)), ...cells.map(line)]
}

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
]

/** `2 h 5 min`, `12 s`; the two largest units. */
export const duration = (ms: number): string => {
  const first = UNITS.findIndex(([, unit]) => ms >= unit)
  if (first < 0) return '0 s'
  const [name, unit] = UNITS[first] as readonly [string, number]
  const [next, smaller] = UNITS[first + 1] ?? ['', Infinity]
  const rest = Math.floor((ms % unit) / smaller)
  return `${Math.floor(ms / unit)} ${name}${rest > 0 ? ` ${rest} ${next}` : ''}`
}

/** `1.5 MB`. */
export const size = (bytes: number): string => {
  const names = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1_000 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${names[power] ?? ''}`
}

/** `host:port`, or with `wss://` where one speaks TLS there. */
export const addressOf = ({ host, port, tls = false }: { readonly host: string; readonly port: number; readonly tls?: boolean }): string =>
  tls ? urlOf({ host, port, tls }) : authorityOf({ host, port })

export const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
