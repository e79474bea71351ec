/** Where those who are away were last: their mailbox is there, and what their program can do is still worth knowing. */
import type { ServerId, UserId } from '../protocol/ids.ts'
import { type Directory, homeOf, type IsLinked } from './directory.ts'
import type { Fact } from './facts.ts'

export interface Home {
  readonly server: ServerId
  readonly caps: readonly string[]
}

export type Homes = ReadonlyMap<UserId, Home>

/**
 * People who are remembered after they left. Beyond it those are forgotten, and cannot be written to until they return, who left first the server
 * that most have left: one that invents people drives out its own. So many at once, since who that is takes a look at all.
 */
export const MAX_HOMES = 50_000
const AT_ONCE = 1_000

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
      if (draft.size > MAX_HOMES) makeRoom(draft)
      return
    default:
  }
}

const makeRoom = (draft: Map<UserId, Home>): void => {
  const left = new Map<ServerId, UserId[]>()
  for (const [user, { server }] of draft) {
    const users = left.get(server)
    if (users === undefined) left.set(server, [user])
    else users.push(user)
  }
  const most = [...left.values()].reduce((a, b) => (b.length > a.length ? b : a))
  for (const user of most.slice(0, AT_ONCE)) draft.delete(user)
}

/** The home that a fact may take from somebody. */
export const homeBefore = (directory: Directory, fact: Fact): Home | undefined => {
  if (fact.type !== 'session.ended' && fact.type !== 'user.removed') return undefined
  const server = fact.type === 'user.removed' ? fact.server : directory.self
  const claim = directory.users.get(fact.user)?.claims.find(held => held.server === server)
  return claim && { server: claim.server, caps: claim.caps }
}
