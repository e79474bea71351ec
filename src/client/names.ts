/** Finds the person that a typed name means, among people online; when several could be meant it says so and picks nobody. */
import { isUuidV4, type UserId } from '../protocol/ids.ts'
import { cleanName } from './sanitise.ts'

export interface Person {
  readonly id: UserId
  /** As it is shown, from `displayName`. */
  readonly name: string
}

export type Resolution<P extends Person> = { readonly found: P } | { readonly ambiguous: readonly P[] } | { readonly unknown: string }

/** What a person is called here: the cleaned name, or the id when there is none or when it pretends to be an id (SOCP §15.1). */
export const displayName = (id: UserId, offered: string | undefined): string => {
  const name = cleanName(offered ?? '')
  return name === '' || isUuidV4(name.toLowerCase()) ? id : name
}

/** Without what nobody sees: an impostor's invisible character makes a name ambiguous, not another one. */
const visible = (name: string): string => name.replace(/\p{Default_Ignorable_Code_Point}/gu, '')
const folded = (name: string): string => visible(name).toLowerCase().normalize('NFC')

/**
 * In this order: the exact id; the exact display name; the display name regardless of case. Names are compared after NFC.
 * The first step that finds somebody decides: exactly one is found, several are ambiguous. A guess is never made.
 */
export const resolveName = <P extends Person>(typed: string, people: Iterable<P>): Resolution<P> => {
  const everybody = [...people]
  const byId = everybody.find(person => person.id === typed)
  if (byId !== undefined) return { found: byId }
  const wanted = visible(cleanName(typed))
  const steps: readonly ((person: P) => boolean)[] = [
    person => visible(person.name) === wanted,
    person => folded(person.name) === folded(wanted),
  ]
  for (const step of steps) {
    const matches = everybody.filter(step)
    const [only] = matches
    if (only !== undefined) return matches.length === 1 ? { found: only } : { ambiguous: matches }
  }
  return { unknown: typed }
}

/** By name regardless of case, then by id: the order of `/list` (SOCP §14). */
export const byName = (a: Person, b: Person): number => {
  const [left, right] = [folded(a.name), folded(b.name)]
  if (left !== right) return left < right ? -1 : 1
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
