/** Whether a message can get from one person to another now, and which parts it passes. */
import { homeOf } from '../domain/directory.ts'
import { type Sureness, surenessOf } from '../domain/standing.ts'
import type { Address, ServerId, UserId } from '../protocol/ids.ts'
import type { SimulatedServer } from './server.ts'
import type { Part } from './trouble.ts'
import type { SimulatedUser } from './user.ts'
import { healthyBetween, partsOf, type World } from './world.ts'

/** A server that runs: whether its link to another is up. */
export const isLinked = (server: SimulatedServer, other: ServerId): boolean =>
  server.fold.host.machine(`link:${other}` as Address)?.state === 'linked'

/** Where a running server sends what is for a person. */
export const listedAt = (server: SimulatedServer, user: UserId): ServerId | undefined => {
  const home = homeOf(server.fold.state.directory, user, other => isLinked(server, other))
  return home === 'local' ? server.id : home
}

/** What a running server says of a person: where they are, and how sure it is; undefined when it does not list them. */
export const saidAt = (
  server: SimulatedServer,
  user: UserId,
): { readonly home: ServerId; readonly presence: Sureness | 'away' } | undefined => {
  const { directory } = server.fold.state
  const home = listedAt(server, user)
  if (home === undefined) return undefined
  if (home === server.id) return { home, presence: directory.users.get(user)?.local === 'attached' ? 'online' : 'away' }
  const sure = surenessOf(directory.standings, home, user)
  return { home, presence: sure === 'online' && !isLinked(server, home) ? 'suspect' : sure }
}

/** The person's program is attached, and its server knows. */
export const isAttached = (world: World, { id, home, client, life, machine }: SimulatedUser): boolean =>
  client?.attached === true &&
  life?.paused === false &&
  home.running !== undefined &&
  home.life?.paused === false &&
  home.fold.state.directory.users.get(id)?.local === 'attached' &&
  healthyBetween(world.network, machine, home.machine) > 0

/** Two servers that hear each other. */
export const areLinked = (world: World, a: SimulatedServer, b: SimulatedServer): boolean =>
  a.running !== undefined &&
  b.running !== undefined &&
  isLinked(a, b.id) &&
  isLinked(b, a.id) &&
  healthyBetween(world.network, a.machine, b.machine) > 0

/** The parts that a message passes; undefined while the way is not open. */
export const openPath = (world: World, from: SimulatedUser, to: SimulatedUser): readonly Part[] | undefined => {
  const [near, far] = [from.home, to.home]
  if (!isAttached(world, from) || !isAttached(world, to)) return undefined
  if (near !== far && !areLinked(world, near, far)) return undefined
  if (listedAt(near, to.id) !== far.id || listedAt(far, from.id) !== near.id) return undefined
  return partsOf(from.machine, near.machine, far.machine, to.machine)
}

/** What servers and people say of each other's whereabouts, where it is not what is so. */
export const untruths = ({ servers, users }: World): readonly string[] =>
  users.flatMap(user => {
    const place = { home: user.home.id, presence: 'online' }
    const isSo = (said: { readonly home: string; readonly presence: string } | undefined): boolean =>
      said?.home === place.home && said.presence === place.presence
    const by = (name: string, said: { readonly home: string; readonly presence: string } | undefined): readonly string[] => {
      const where = servers.find(({ id }) => id === said?.home)?.name ?? 'nowhere'
      return isSo(said) ? [] : [`${name} has ${user.name} as ${said?.presence ?? 'away'} at ${where}, who is at ${user.home.name}`]
    }
    return [
      ...servers.flatMap(server => by(server.name, saidAt(server, user.id))),
      ...users.flatMap(other => {
        if (other === user || other.client === undefined) return []
        const seen = other.client.users().find(({ user_id }) => user_id === user.id)
        return by(other.name, seen && { home: seen.server_id, presence: seen.presence })
      }),
    ]
  })
