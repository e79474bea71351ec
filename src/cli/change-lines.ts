/** What a fact changed and what machines wanted done because of it, for people. */
import type { NamedEffect } from '../actors/contract.ts'
import { sameValue, type Change } from '../server/time-travel-changes.ts'
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

/** One line for the piece, and one for each of its values that is another. */
export const changeLines = ({ part, key, before, after }: Change): readonly string[] => {
  const what = styled('bold', `${part === 'node' ? '' : `${part} `}${shown(key)}`)
  const [old, now] = [flat(before), flat(after)]
  const fate = before === null ? styled('green', ' came into being') : after === null ? styled('red', ' is gone') : ''
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(name => !sameValue(old[name], now[name]))
  return [
    `  ${what}${fate}`,
    ...(after === null ? [] : names.map(name => `    ${name}: ${before === null ? '' : `${brief(old[name])} → `}${brief(now[name])}`)),
  ]
}

/** One line for each effect; they were named then, and are not performed now. */
export const effectLines = (effects: readonly NamedEffect[]): readonly string[] =>
  effects.map(({ address, effect, params }) => `  ${styled('yellow', effect)} ${brief(params)} of ${shown(address)}`)
