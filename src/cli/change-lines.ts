/** What a fact changed and what machines wanted done because of it, for people. */
import type { NamedEffect } from '../actors/contract.ts'
import { sameValue, type Change } from '../server/time-travel-changes.ts'
import type { Piece } from '../server/time-travel-parts.ts'
import { jsonLine, shown, styled } from './output.ts'

const MOST = 160

const brief = (value: unknown): string => {
  const text = value === null || value === undefined ? 'nothing' : shown(typeof value === 'string' ? value : jsonLine(value))
  return text.length > MOST ? `${text.slice(0, MOST - 1)}…` : text
}

type Members = Readonly<Record<string, unknown>>
const membersOf = (value: unknown): Members => (typeof value === 'object' && value !== null ? (value as Members) : {})

/** `state` and `context` of a machine are told apart; of everything else each changed key is. */
const flat = (value: unknown): Members => {
  const { context, ...rest } = membersOf(value)
  return { ...rest, ...membersOf(context) }
}

/** How it is said that a piece was not there before, or is not after. */
export interface Fates {
  readonly made: string
  readonly gone: string
}
const happened: Fates = { made: 'came into being', gone: 'is gone' }
/** For what would have been. */
export const supposed: Fates = { made: 'would be there', gone: 'would not be there' }

/** A piece as it is, without what it has not. */
export const pieceLines = ({ part, key, value }: Piece & { readonly value: unknown }): readonly string[] => [
  `  ${styled('bold', `${part === 'node' ? '' : `${part} `}${shown(key)}`)}${value === null ? ` ${styled('red', happened.gone)}` : ''}`,
  ...Object.entries(flat(value))
    .filter(([, inner]) => inner !== null && inner !== '')
    .map(([name, inner]) => `    ${name}: ${brief(inner)}`),
]

/** One line for the piece, and one for each of its values that is another. */
export const changeLines = ({ part, key, before, after }: Change, fates: Fates = happened): readonly string[] => {
  if (before === null) {
    const [first = '', ...rest] = pieceLines({ part, key, value: after })
    return [`${first} ${styled('green', fates.made)}`, ...rest]
  }
  const what = `  ${styled('bold', `${part === 'node' ? '' : `${part} `}${shown(key)}`)}`
  if (after === null) return [`${what} ${styled('red', fates.gone)}`]
  const [old, now] = [flat(before), flat(after)]
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(name => !sameValue(old[name], now[name]))
  return [what, ...names.map(name => `    ${name}: ${brief(old[name])} → ${brief(now[name])}`)]
}

/** One line for each effect; they were named then, and are not performed now. */
export const effectLines = (effects: readonly NamedEffect[]): readonly string[] =>
  effects.map(({ address, effect, params }) => `  ${styled('yellow', effect)} ${brief(params)} of ${shown(address)}`)
