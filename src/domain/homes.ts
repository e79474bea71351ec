/** Where those who are away were last: their mailbox is there, and what their program can do is still worth knowing. */
import type { ServerId, UserId } from '../protocol/ids.ts'
import { type Directory, homeOf, type IsLinked } from './directory.ts'
import type { Fact } from './facts.ts'

export interface Home {
  readonly server: ServerId
  readonly caps: readonly string[]
}

export type Homes = ReadonlyMap<UserId, Home>

/** People who are remembered after they left; beyond it those who left first are forgotten, and cannot be written to until they return. */
const MAX_HOMES = 50_000

/** Where a user is, or was last, as far as this server knows. */
export const lastHomeOf = (
  { directory, homes }: { readonly directory: Directory; readonly homes: Homes },
  user: UserId,
  linked: IsLinked,
): ServerId | 'local' | undefined => {
  const home = homeOf(directory, user, linked)
  if (home !== undefined) return home
  const last = homes.get(user)?.server
  // only whoever proved their key here is pinned as proven
  if (last === undefined) return directory.pins.get(user)?.proven === true ? 'local' : undefined
  return last === directory.self ? 'local' : last
}

/** Folds what a fact did to the directory: `before` is whoever it is about, as they stood before it. */
export const evolveHomes = (homes: Homes, directory: Directory, fact: Fact, before: Home | undefined): void => {
  const draft = homes as Map<UserId, Home>
  switch (fact.type) {
    case 'session.attached':
    case 'user.advertised':
      draft.delete(fact.user)
      return
    case 'session.ended':
    case 'user.removed':
      if (before === undefined || directory.users.has(fact.user)) return
      draft.delete(fact.user)
      draft.set(fact.user, before)
      if (draft.size > MAX_HOMES) draft.delete(draft.keys().next().value as UserId)
      return
    default:
  }
}

/** The home that a fact may take from somebody. */
export const homeBefore = (directory: Directory, fact: Fact): Home | undefined => {
  if (fact.type !== 'session.ended' && fact.type !== 'user.removed') return undefined
  const server = fact.type === 'user.removed' ? fact.server : directory.self
  const claim = directory.users.get(fact.user)?.claims.find(held => held.server === server)
  return claim && { server: claim.server, caps: claim.caps }
}
