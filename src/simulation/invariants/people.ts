/** Who is there: the lists of all servers against what is true, their pins, and what they keep. */
import type { PublicKeyText, UserId } from '../../protocol/ids.ts'
import type { Judge } from '../judge.ts'
import { areLinked, isAttached, listedAt } from '../paths.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import { partsOf, type World } from '../world.ts'

/** SOCP §9.1, and not what the program takes it for. */
const GRACE_MS = 30_000
const CHECK_MS = 5_000
/** How long everything on the way must have been well before a list has to be right. */
const STEADY_MS = 20_000
/** How long somebody without any connection may be held by a server: the grace time, and a while for the disk. */
const AWAY_MS = GRACE_MS + 5_000

export const people = (world: World, judge: Judge): Witness => {
  const { schedule, trouble, servers, users } = world
  const truth = new Map<UserId, PublicKeyText>(users.map(user => [user.id, user.key.text]))
  /** Since when what is named has held at every look. */
  const since = new Map<string, number>()

  const steady = (name: string, holds: boolean, ms = STEADY_MS): boolean => {
    if (!holds) {
      since.delete(name)
      return false
    }
    const at = since.get(name)
    if (at === undefined) since.set(name, schedule.now())
    return at !== undefined && schedule.now() - at >= ms
  }

  /** What `server` says of somebody's being at `origin`, against what is so there. */
  const look = (server: SimulatedServer, origin: SimulatedServer, user: SimulatedUser): void => {
    const heard = `${server.name} ${origin.name}`
    const way = partsOf(server.machine, origin.machine)
    const isHome = user.home === origin
    const there = steady(`${user.name} ${heard} there`, isHome && isAttached(world, user))
    const claimed = origin.fold.state.directory.users.get(user.id)?.claims.some(claim => claim.server === origin.id) === true
    const gone = steady(`${user.name} ${heard} gone`, origin.running !== undefined && !claimed)
    const linked = server === origin ? origin.running !== undefined : areLinked(world, server, origin)
    if (!steady(heard, linked) || !trouble.calm(way, schedule.now() - STEADY_MS)) return
    const listed = listedAt(server, user.id)
    if (there) {
      judge.check('presence', listed === origin.id, () => `${server.name} does not list ${user.name}, who is at ${origin.name}`)
      const { local } = server.fold.state.directory.users.get(user.id) ?? {}
      if (server !== origin)
        judge.check('presence', local === undefined, () => `${server.name} still has ${user.name}, who is at ${origin.name}`)
    }
    if (gone) {
      const { claims = [] } = server.fold.state.directory.users.get(user.id) ?? {}
      const none = claims.every(claim => claim.server !== origin.id)
      judge.check('presence', none, () => `${server.name} believes ${user.name} to be at ${origin.name}, where they are not`)
    }
  }

  /** When each program died that does not run, and when each server was started. */
  const awaySince = new Map<SimulatedUser, number>()
  const startedAt = new Map<SimulatedServer, number>()
  /** Whose program is away for longer than the grace time is held by no server that has lived through it. */
  const absent = (server: SimulatedServer, user: SimulatedUser): void => {
    const since = schedule.now() - AWAY_MS
    // a server is not told that a machine has lost its power
    const held = world.network.connectionsOf(user.machine).some(({ ends }) => ends.some(({ machine }) => machine === server.machine))
    const unheard = steady(`${server.name} ${user.name} unheard`, !held, AWAY_MS)
    const away = Math.max(awaySince.get(user) ?? Infinity, startedAt.get(server) ?? 0)
    if (away > since || server.running === undefined || !trouble.calm([server.name], since)) return
    if (!unheard || server.disk.pending > 0) return
    const { local } = server.fold.state.directory.users.get(user.id) ?? {}
    judge.check('presence', local === undefined, () => `${server.name} still has ${user.name}, who has been away for ${AWAY_MS / 1_000} s`)
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

  /** `person other`: told of another key. */
  const alarms = new Set<string>()
  const changed = (user: SimulatedUser, other: UserId): void => {
    const { life } = user
    schedule.after(ALARM_MS, () => {
      if (life?.alive === true && !life.paused)
        judge.check('keys', alarms.has(`${user.name} ${other}`), () => `${user.name} was not told that another key was announced`)
    })
  }

  const boundsOf = (server: SimulatedServer): void => {
    const { state, host } = server.fold
    const everybody = users.length + servers.length + 1
    const local = [...state.directory.users.values()].filter(user => user.local !== undefined).length
    const claims = [...state.directory.users.values()].reduce((sum, user) => sum + user.claims.length, 0)
    const counted = [...state.directory.usersOf.values()].reduce((sum, count) => sum + count, 0)
    const mailBytes = [...state.mailboxes.of.values()].reduce(
      (sum, { waiting }) => [...waiting.values()].reduce((all, { bytes }) => all + bytes, sum),
      0,
    )
    // whoever stands still has not heard yet who is gone
    const gauges = (trouble.calm([server.name], schedule.now() - STEADY_MS) && server.running?.gauges()) || {}
    const members = state.membership.servers.size
    const sockets = world.network.connectionsOf(server.machine).length
    const kept: readonly (readonly [string, number, number])[] = [
      ['session machines', host.count('session'), local],
      ['link machines', host.count('link'), state.membership.servers.size],
      ['transfer machines', host.count('transfer'), 4 * users.length],
      ['listed people', state.directory.users.size, users.length + LIES],
      ['pinned people', state.directory.pins.size, users.length + LIES],
      ['members', state.membership.servers.size, servers.length + 1],
      ['departed people', state.directory.departed.size, users.length],
      ['connections', sockets, 8 * everybody],
      ['claims by its count', counted, claims],
      ['bytes in mailboxes by its count', state.mailboxes.bytes, mailBytes],
      ['bytes in mailboxes', mailBytes, state.mailboxes.bytes],
      ['connections in their hello', gauges['sockets hello'] ?? 0, sockets],
      ['memories of what was seen', gauges['kept seen_origins'] ?? 0, local + 2 * members],
      ['timers', gauges['kept timers'] ?? 0, ROUTINE_TIMERS + users.length + 4 * members],
    ]
    for (const [what, count, bound] of kept)
      judge.check('bounded', count <= bound, () => `${server.name} keeps ${count} ${what}, with a bound of ${bound}`)
  }

  const watch = (): void => {
    schedule.after(CHECK_MS, () => {
      for (const server of servers) {
        for (const user of users) {
          absent(server, user)
          for (const origin of servers) look(server, origin, user)
        }
        if (server.running === undefined) continue
        pinsOf(server)
        boundsOf(server)
      }
      watch()
    })
  }
  watch()

  /** Who says goodbye is gone at once, and not within the grace time. */
  const leaves = (server: SimulatedServer, user: SimulatedUser): void => {
    const since = schedule.now()
    schedule.after(GOODBYE_MS, () => {
      if (user.life !== undefined || server.running === undefined || !trouble.calm([server.name], since)) return
      const { local } = server.fold.state.directory.users.get(user.id) ?? {}
      judge.check('presence', local === undefined, () => `${server.name} still has ${user.name}, who said goodbye`)
    })
  }

  return {
    frameArrived(from, to, text) {
      if (!text.includes('"type":"CTRL_CLOSE"')) return
      const [user, server] = [users.find(({ machine }) => machine === from), servers.find(({ machine }) => machine === to)]
      if (user !== undefined && server !== undefined) leaves(server, user)
    },
    userDied(user) {
      awaySince.set(user, schedule.now())
    },
    userStarted(user) {
      awaySince.delete(user)
    },
    started(server) {
      startedAt.set(server, schedule.now())
    },
    recorded(server, recorded) {
      for (const { fact } of recorded)
        if (fact.type === 'session.attached' && truth.has(fact.user))
          judge.check(
            'keys',
            truth.get(fact.user) === fact.pubkey,
            () => `somebody attached to ${server.name} as ${fact.user} with another key`,
          )
    },
    showed(user, event) {
      if (event.event === 'alarm') alarms.add(`${user.name} ${event.user_id}`)
    },
    userRecorded(user, recorded) {
      for (const { fact } of recorded) {
        judge.check('keys', fact.type !== 'key.trusted', () => `${user.name} trusts another key, and nobody said so`)
        if (fact.type === 'key.changed') changed(user, fact.user)
        if (fact.type !== 'key.pinned') continue
        const name = `client ${user.name} ${fact.user}`
        const before = pinned.get(name)
        judge.check('keys', before === undefined || before === fact.pubkey, () => `${user.name} pinned another key of ${fact.user}`)
        pinned.set(name, fact.pubkey)
      }
    },
  }
}

/** Until a goodbye is recorded. */
const GOODBYE_MS = 3_000
/** Until a person is told of another key, of which their log knows. */
const ALARM_MS = 1_000
/** What a server does again and again, whoever is there. */
const ROUTINE_TIMERS = 24
/** People whom a liar may invent. */
const LIES = 200
