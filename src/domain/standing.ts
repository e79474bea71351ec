/** How sure we are of what a server said of its users: only servers whose word is not confirmed now have a standing. */
import type { ServerId, UserId } from '../protocol/ids.ts'
import type { LinkFact } from './facts.ts'

/**
 * `suspect`: the server is silent. `recovered`: known from the log of the life before. `lapsed`: it was either for too long, and its
 * users are not listed until it is back.
 */
export type Doubt = 'suspect' | 'recovered' | 'lapsed'

export interface Standing {
  readonly doubt: Doubt
  /** Users of whom the server has said something since. */
  readonly confirmed: ReadonlySet<UserId>
}

/** How sure the directory is of one claim; `online` is confirmed. */
export type Sureness = 'online' | Doubt

/** The capability of servers that compare what they know of each other's users. */
export const DIGEST_CAP = 'presence-digest'

type Standings = Map<ServerId, Standing>

/** The server's link is gone, in place. */
const doubt = (standings: Standings, server: ServerId): void => {
  const lapsed = standings.get(server)?.doubt === 'lapsed'
  standings.set(server, { doubt: lapsed ? 'lapsed' : 'suspect', confirmed: new Set() })
}

/** The grace time of a server in doubt is over, in place. */
const lapse = (standings: Standings, server: ServerId): void => {
  const held = standings.get(server)
  if (held !== undefined) standings.set(server, { ...held, doubt: 'lapsed' })
}

/** This node lives anew, and knows of these servers' users from its log alone, in place. */
export const recoverStandings = (standings: Standings, servers: Iterable<ServerId>): void => {
  for (const server of servers) {
    const lapsed = standings.get(server)?.doubt === 'lapsed'
    standings.set(server, { doubt: lapsed ? 'lapsed' : 'recovered', confirmed: new Set() })
  }
}

/**
 * The server is linked, in place. One that can compare digests stays in doubt until it has. Of any other the link is all that will ever
 * be heard: it clears a short silence, and after a longer one its users are listed again as what the log says.
 */
const linkAgain = (standings: Standings, server: ServerId, caps: readonly string[]): void => {
  const held = standings.get(server)
  if (held === undefined || caps.includes(DIGEST_CAP)) return
  if (held.doubt === 'suspect') standings.delete(server)
  else standings.set(server, { ...held, doubt: 'recovered' })
}

/** The server said something of a user, in place. */
export const confirm = (standings: Standings, server: ServerId, user: UserId): void => {
  const held = standings.get(server)
  // what others pass on says nothing about whether the server will be back
  if (held !== undefined && held.doubt !== 'lapsed') (held.confirmed as Set<UserId>).add(user)
}

/** The server has taken the user back, in place. */
export const unconfirm = (standings: Standings, server: ServerId, user: UserId): void => {
  const held = standings.get(server)
  if (held?.confirmed.has(user) === true) (held.confirmed as Set<UserId>).delete(user)
}

export const surenessOf = (standings: ReadonlyMap<ServerId, Standing>, server: ServerId, user: UserId): Sureness => {
  const held = standings.get(server)
  return held === undefined || held.confirmed.has(user) ? 'online' : held.doubt
}

type StandingFact = 'link.linked' | 'link.silent' | 'link.closed' | 'link.refused' | 'link.lapsed' | 'link.synced'

/** Folds what a link says about how sure we are of its users, in place. */
export const evolveStandings = (held: ReadonlyMap<ServerId, Standing>, fact: Extract<LinkFact, { readonly type: StandingFact }>): void => {
  const standings = held as Standings
  switch (fact.type) {
    case 'link.linked':
      linkAgain(standings, fact.server, fact.caps)
      return
    case 'link.silent':
    case 'link.closed':
    case 'link.refused':
      doubt(standings, fact.server)
      return
    case 'link.lapsed':
      lapse(standings, fact.server)
      return
    case 'link.synced':
      standings.delete(fact.server)
      return
  }
}
