/** Who is there: the lists of all servers against what is true, their pins, and what they keep. */
import type { PublicKeyText, UserId } from '../../protocol/ids.ts'
import type { Judge } from '../judge.ts'
import { areLinked, isAttached, listedAt } from '../paths.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import { partsOf, type World } from '../world.ts'

const CHECK_MS = 5_000
/** How long everything on the way must have been well before a list has to be right. */
const STEADY_MS = 20_000

export const people = (world: World, judge: Judge): Witness => {
  const { schedule, trouble, servers, users } = world
  const truth = new Map<UserId, PublicKeyText>(users.map(user => [user.id, user.key.text]))
  /** Since when what is named has held at every look. */
  const since = new Map<string, number>()

  const steady = (name: string, holds: boolean): boolean => {
    if (!holds) {
      since.delete(name)
      return false
    }
    const at = since.get(name)
    if (at === undefined) since.set(name, schedule.now())
    return at !== undefined && schedule.now() - at >= STEADY_MS
  }

  const look = (server: SimulatedServer, user: SimulatedUser): void => {
    const { home } = user
    const linked = server === home ? home.running !== undefined : areLinked(world, server, home)
    const way = partsOf(server.machine, home.machine)
    const calm = trouble.calm(way, schedule.now() - STEADY_MS)
    const there = isAttached(world, user)
    const attached = steady(`${user.name} there`, there)
    const gone = steady(`${user.name} gone`, home.running !== undefined && !home.fold.state.directory.users.has(user.id))
    if (!steady(`${server.name} ${home.name}`, linked) || !calm) return
    const listed = listedAt(server, user.id)
    if (attached && there)
      judge.check('presence', listed === home.id, () => `${server.name} does not list ${user.name}, who is at ${home.name}`)
    if (gone) judge.check('presence', listed !== home.id, () => `${server.name} lists ${user.name} at ${home.name}, who is gone`)
  }

  /** Pins are never replaced, and those of people are their own unless a liar was first. */
  const pinned = new Map<string, PublicKeyText>()
  const pinsOf = (server: SimulatedServer): void => {
    for (const [user, { pubkey }] of server.fold.state.directory.pins) {
      const name = `${server.name} ${user}`
      const before = pinned.get(name) ?? pubkey
      judge.check('keys', before === pubkey, () => `${server.name} replaced the key of ${user}`)
      pinned.set(name, before)
    }
  }

  const boundsOf = (server: SimulatedServer): void => {
    const { state, host } = server.fold
    const everybody = users.length + servers.length + 1
    const sockets = world.network.connectionsOf(server.machine).length
    const kept: readonly (readonly [string, number, number])[] = [
      ['session machines', host.count('session'), users.length],
      ['link machines', host.count('link'), servers.length],
      ['transfer machines', host.count('transfer'), 4 * users.length],
      ['listed people', state.directory.users.size, users.length + LIES],
      ['pinned people', state.directory.pins.size, users.length + LIES],
      ['members', state.membership.servers.size, servers.length + 1],
      ['departed people', state.directory.departed.size, users.length],
      ['connections', sockets, 8 * everybody],
    ]
    for (const [what, count, bound] of kept)
      judge.check('bounded', count <= bound, () => `${server.name} keeps ${count} ${what}, with a bound of ${bound}`)
  }

  const watch = (): void => {
    schedule.after(CHECK_MS, () => {
      for (const server of servers) {
        for (const user of users) look(server, user)
        if (server.running === undefined) continue
        pinsOf(server)
        boundsOf(server)
      }
      watch()
    })
  }
  watch()

  /** A client's own pins: `user pinned` → key. */
  return {
    recorded(server, recorded) {
      for (const { fact } of recorded)
        if (fact.type === 'session.attached' && truth.has(fact.user))
          judge.check(
            'keys',
            truth.get(fact.user) === fact.pubkey,
            () => `somebody attached to ${server.name} as ${fact.user} with another key`,
          )
    },
    userRecorded(user, recorded) {
      for (const { fact } of recorded) {
        if (fact.type !== 'key.pinned') continue
        const name = `client ${user.name} ${fact.user}`
        const before = pinned.get(name)
        judge.check('keys', before === undefined || before === fact.pubkey, () => `${user.name} pinned another key of ${fact.user}`)
        pinned.set(name, fact.pubkey)
      }
    },
  }
}

/** People whom a liar may invent. */
const LIES = 200
