/** Where people are: whoever can reach a server is attached, nobody is told that they are when they are not, and all say the same of everybody. */
import type { Judge } from '../judge.ts'
import type { Machine } from '../network.ts'
import { areLinked, isAttached, saidAt, untruths } from '../paths.ts'
import type { SimulatedServer } from '../server.ts'
import { between } from '../trouble.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import { healthyBetween, type World } from '../world.ts'

/** SOCP §9.1, and not what the program takes it for. */
const GRACE_MS = 30_000
/** No whole number of seconds: a look must not fall together with the same ping each time. */
const LOOK_MS = 2_300
/** Until a program knows that its server is gone, which was 12 s silent; or that it does not hear us, for 30 s; each and a look. */
const UNTOLD_MS = 15_000
const UNHEARD_MS = 33_000
/** Until it is attached to another: that, each server that does not answer, and the longest pause. */
const ELSEWHERE_MS = 45_000
/** Until a silent server's people are in doubt, and until they are listed no more. */
const DOUBT_MS = 20_000
const LAPSE_MS = DOUBT_MS + GRACE_MS
/** Until a program knows that its server has let it go. */
const UNKNOWN_MS = 5_000
/** A person's program asks which servers there are when it is attached, 2 s later and 8 s after that. */
const LEARN_MS = 14_000
/** Until no connection is left of what was before. */
const QUIET_MS = 20_000
/** How long all must have been well before everybody says the same. */
const AGREED_MS = 20_000

export const whereabouts = (world: World, judge: Judge): Witness => {
  const { schedule, trouble, network, servers, users } = world
  /** Since when what is named has held at every look. */
  const since = new Map<string, number>()
  const lasts = (name: string, holds: boolean): number => {
    if (!holds) since.delete(name)
    else if (!since.has(name)) since.set(name, schedule.now())
    return schedule.now() - (since.get(name) ?? schedule.now())
  }
  /** When something arrived last at a person's machine. */
  const heardAt = new Map<Machine, number>()
  const isUp = ({ running, life }: SimulatedServer): boolean => running !== undefined && life?.paused === false

  /** Servers that a person's program was told of, by their log. */
  const told = new Map<SimulatedUser, Set<string>>(users.map(user => [user, new Set<string>()]))
  const knows = (user: SimulatedUser, server: SimulatedServer): boolean =>
    user.named.includes(server) || told.get(user)?.has(server.id) === true

  /** Where they can go is told to people while they need not go there. */
  const learns = (user: SimulatedUser): void => {
    const { name, home, machine } = user
    const attached = lasts(`${name} at ${home.name}`, isAttached(world, user))
    for (const other of servers) {
      if (other === home) continue
      const linked = lasts(`${home.name} has ${other.name}`, areLinked(world, home, other))
      if (
        attached < LEARN_MS ||
        linked < attached ||
        !trouble.calm([name, home.name, between(machine, home.machine)], schedule.now() - attached)
      )
        continue
      judge.check('moved', knows(user, other), () => `${name} has not been told of ${other.name}`)
    }
    for (const other of servers) {
      const quiet = trouble.calm([name, ...servers.flatMap(each => [each.name, between(machine, each.machine)])], schedule.now() - QUIET_MS)
      const open = network.connectionsOf(machine).filter(({ ends }) => ends.some(end => end.machine === other.machine)).length
      const most = other === home ? 1 : 0
      if (quiet && attached >= QUIET_MS)
        judge.check('bounded', open <= most, () => `${name}, who is at ${home.name}, has ${open} connections to ${other.name}`)
    }
  }

  const moves = (user: SimulatedUser): void => {
    const { name, home, machine, client, life } = user
    const awake = life?.paused === false && client !== undefined
    const attached = awake && client.attached
    const hears = isUp(home) && healthyBetween(network, machine, home.machine) > 0
    const unheard = lasts(`${name} unheard`, attached && !hears)
    const untold = Math.min(unheard, schedule.now() - (heardAt.get(machine) ?? 0))
    judge.check(
      'moved',
      untold <= UNTOLD_MS && unheard <= UNHEARD_MS,
      () => `${name} has not been told for ${Math.round(unheard / 1_000)} s that ${home.name} is gone`,
    )
    const here = hears && home.fold.state.directory.users.get(user.id)?.local === 'attached'
    const unknown = lasts(`${name} unknown`, attached && hears && !here)
    if (trouble.calm([name, home.name, between(machine, home.machine)], schedule.now() - UNKNOWN_MS))
      judge.check('moved', unknown <= UNKNOWN_MS, () => `${name} is attached to ${home.name}, which does not know it`)
    learns(user)
    const lost = lasts(`${name} lost`, awake && !isAttached(world, user))
    const could = servers.some(
      server =>
        knows(user, server) &&
        isUp(server) &&
        trouble.calm([name, server.name, between(machine, server.machine)], schedule.now() - ELSEWHERE_MS),
    )
    if (could) judge.check('moved', lost <= ELSEWHERE_MS, () => `${name} could reach a server, and is attached to none`)
  }

  /** Of a server that is silent nobody can be sure for long. */
  const doubts = (server: SimulatedServer, silent: SimulatedServer): void => {
    const gone = lasts(`${silent.name} gone`, !isUp(silent))
    const witnessed = lasts(`${server.name} up`, isUp(server))
    const ms = Math.min(gone, witnessed)
    if (ms < DOUBT_MS || !trouble.calm([server.name], schedule.now() - ms)) return
    for (const user of users) {
      const said = saidAt(server, user.id)
      const there = said?.home === silent.id
      judge.check(
        'doubted',
        !there || (said.presence !== 'online' && ms < LAPSE_MS),
        () =>
          `${server.name} lists ${user.name} as ${said?.presence ?? ''} at ${silent.name}, which has been silent for ${Math.round(ms / 1_000)} s`,
      )
    }
    for (const user of users) {
      const { client, home, machine, name } = user
      const sees = home === server && client !== undefined && isAttached(world, user)
      if (!sees || !trouble.calm([name, between(machine, server.machine)], schedule.now() - ms)) continue
      for (const { server_id, presence, user_id } of client.users())
        judge.check(
          'doubted',
          server_id !== silent.id || (presence !== 'online' && ms < LAPSE_MS) || ms < DOUBT_MS + LOOK_MS,
          () => `${name} sees ${user_id} as ${presence} at ${silent.name}, which has been silent for ${Math.round(ms / 1_000)} s`,
        )
    }
  }

  const agree = (): void => {
    if (schedule.now() - trouble.lastAt() < AGREED_MS || users.some(({ client }) => client === undefined)) return
    const found = untruths(world)
    judge.check('agreed', found.length === 0, () => found.slice(0, 3).join('; '))
  }

  const watch = (): void => {
    schedule.after(LOOK_MS, () => {
      for (const user of users) moves(user)
      for (const server of servers) for (const other of servers) if (server !== other) doubts(server, other)
      agree()
      watch()
    })
  }
  watch()
  return {
    userRecorded(user, recorded) {
      for (const { fact } of recorded) if (fact.type === 'server.learned') told.get(user)?.add(fact.server)
    },
    frameArrived(_from, to) {
      heardAt.set(to, schedule.now())
    },
  }
}
