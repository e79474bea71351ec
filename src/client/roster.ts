/** Who is online in the whole network, as our server tells it: a list when we attach, advertisements and removals after that. */
import type { ServerId, UserId } from '../protocol/ids.ts'
import type { UserKeys } from './facts.ts'
import { displayName } from './names.ts'
import type { ClientEvent, ListedPresence, PresenceState } from './events.ts'

export interface Member {
  readonly id: UserId
  readonly name: string
  readonly server: ServerId | ''
  readonly presence: ListedPresence
  /** Announced keys and capabilities; absent until an advertisement or an answer to a request said so in this session. */
  readonly announced: { readonly keys: UserKeys; readonly caps: readonly string[] } | undefined
}

export interface Sighting {
  readonly id: UserId
  readonly name: string | undefined
  readonly server: ServerId | ''
  readonly presence: ListedPresence
  readonly announced?: Member['announced']
}

/** People who are kept in memory; more are not listed and cannot be written to. */
export const maxMembers = 100_000

/** Servers that are gone, whose users are remembered. */
const maxServers = 1_024

/** People who left and whose names are still known: what they sent before may arrive after. */
const maxDeparted = 1_024

export interface Roster {
  readonly members: ReadonlyMap<UserId, Member>
  /** The name of somebody who is or was here; the id of anybody else. */
  nameOf(user: UserId): string
  /** People who were here, with their names. */
  readonly departed: ReadonlyMap<UserId, string>
  /** Somebody was advertised or listed. */
  seen(sighting: Sighting): void
  /** Counts only while the user is where the remover says (SOCP §8.2). */
  removed(user: UserId, server: ServerId | ''): void
  announced(user: UserId, announced: NonNullable<Member['announced']>): void
  /**
   * How sure our server is of all users of another: `lapsed` ones are not listed until it is back. Answers false when only a new list can
   * tell who they are.
   */
  standing(server: ServerId, presence: 'online' | 'suspect' | 'recovered' | 'lapsed'): boolean
  /** Not attached any more: the next server tells anew whom it is not sure of. */
  detached(): void
  /** A list was asked for: what changes from now on is newer than the list. */
  listBegins(): void
  /** The whole list is here: who is not on it has left. */
  listEnds(listed: readonly Sighting[]): void
}

export const createRoster = (emit: (event: ClientEvent) => void): Roster => {
  const members = new Map<UserId, Member>()
  /** Users of servers that are gone, for their return; at most `maxMembers` of `maxServers`. */
  const lapsed = new Map<ServerId | '', readonly Member[]>()
  const departed = new Map<UserId, string>()
  /** Users that changed since the list was asked for, with the server that they left, if that is what changed; `undefined` while none is under way. */
  let changed: Map<UserId, ServerId | '' | undefined> | undefined

  const tell = (id: UserId, name: string, state: PresenceState): void => {
    emit({ event: 'presence', user_id: id, name, state })
  }
  const note = (user: UserId, left: ServerId | '' | undefined): void => {
    if (changed !== undefined && changed.size < maxMembers) changed.set(user, left)
  }
  /** Keeps who was listed at a server that is gone; one whose users nobody can be told of any more needs a list when it is back. */
  const keep = (server: ServerId | '', users: readonly Member[]): void => {
    let kept = 0
    for (const { length } of lapsed.values()) kept += length
    if (lapsed.size < maxServers && kept + users.length <= maxMembers) lapsed.set(server, users)
  }
  const drop = (member: Member): void => {
    members.delete(member.id)
    departed.delete(member.id)
    departed.set(member.id, member.name)
    if (departed.size > maxDeparted) departed.delete(departed.keys().next().value as UserId)
    tell(member.id, member.name, 'offline')
  }
  const enter = (sighting: Sighting): void => {
    const before = members.get(sighting.id)
    if (before === undefined && members.size >= maxMembers) return
    // a list has no keys: what an advertisement said stays, unless the user is elsewhere now
    const announced = sighting.announced ?? (before?.server === sighting.server ? before.announced : undefined)
    const { id, server, presence } = sighting
    const member = { id, server, presence, announced, name: displayName(id, sighting.name) }
    members.set(id, member)
    // nobody comes or goes because a server is silent for a moment
    if (before === undefined || (before.presence === 'away') !== (presence === 'away') || before.name !== member.name)
      tell(id, member.name, presence)
  }
  const ofServer = (server: ServerId): readonly Member[] => [...members.values()].filter(member => member.server === server)

  return {
    members,
    departed,
    nameOf: user => members.get(user)?.name ?? departed.get(user) ?? user,
    seen: sighting => {
      note(sighting.id, undefined)
      enter(sighting)
    },
    removed: (user, server) => {
      const back = lapsed.get(server)
      if (back?.some(({ id }) => id === user) === true)
        lapsed.set(
          server,
          back.filter(({ id }) => id !== user),
        )
      const member = members.get(user)
      if (member === undefined || (member.server !== '' && server !== '' && member.server !== server)) return
      note(user, server)
      drop(member)
    },
    announced: (user, announced) => {
      const member = members.get(user)
      if (member !== undefined) members.set(user, { ...member, announced })
    },
    standing: (server, presence) => {
      const here = ofServer(server)
      if (presence === 'lapsed') {
        keep(server, here)
        for (const member of here) drop(member)
        return true
      }
      for (const member of here) members.set(member.id, { ...member, presence })
      const back = lapsed.get(server)
      if (presence !== 'online') return true
      lapsed.delete(server)
      for (const member of back ?? []) if (!members.has(member.id)) enter({ ...member, presence })
      // those who are listed although it was in doubt came back one by one: there may be others who were not listed
      return back !== undefined || (here.length > 0 && here.every(member => member.presence !== 'online'))
    },
    detached: () => {
      lapsed.clear()
    },
    listBegins: () => {
      changed = new Map()
    },
    listEnds: listed => {
      const newer = changed ?? new Map<UserId, ServerId | '' | undefined>()
      changed = undefined
      const names = new Set(listed.map(sighting => sighting.id))
      for (const member of [...members.values()]) if (!names.has(member.id) && !newer.has(member.id)) drop(member)
      for (const sighting of listed) {
        const left = newer.get(sighting.id)
        // who left one server may be listed at another
        if (!newer.has(sighting.id) || (left && sighting.server && left !== sighting.server)) enter(sighting)
      }
    },
  }
}
