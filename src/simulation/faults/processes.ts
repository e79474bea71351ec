/** Programs that die, stand still, or find their disk failing; machines without power and with wrong clocks. */
import { faultPoints } from '../../ports/fault-points.ts'
import type { Dice } from '../dice.ts'
import type { CommitFault } from '../disk.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'

type Program = SimulatedServer | SimulatedUser
type Choose = (world: World, dice: Dice) => Program | undefined

const running = <P extends Program>(programs: readonly P[], dice: Dice): P | undefined => {
  const alive = programs.filter(({ life }) => life !== undefined)
  return alive.length === 0 ? undefined : dice.pick(alive)
}
const aServer: Choose = ({ servers }, dice) => running(servers, dice)
const aUser: Choose = ({ users }, dice) => running(users, dice)

/** What a program's fault concerns: everybody who depends on it. */
const partsOf = (program: Program): readonly string[] => [program.name]

const kill =
  (choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    if (program === undefined) return undefined
    program.kill()
    return { parts: partsOf(program), details: { on: program.name }, forMs: 0 }
  }

const MOST_CALLS = 400
const kindly =
  (choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    if (program === undefined) return undefined
    const calls = Math.ceil(dice.fraction() ** 2 * MOST_CALLS)
    program.life?.dieAt(calls)
    return { parts: partsOf(program), details: { on: program.name, calls }, forMs: 10_000 }
  }

const MOST_TIMES = 5
const atPoint =
  (choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    if (program === undefined) return undefined
    const point = dice.pick(faultPoints)
    const times = dice.whole(1, MOST_TIMES)
    program.life?.dieAtPoint(point, times)
    return { parts: partsOf(program), details: { on: program.name, point, times }, forMs: 10_000 }
  }

const darken =
  (choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    if (program === undefined) return undefined
    return { parts: partsOf(program), details: { on: program.name }, forMs: 1_000 + dice.apart(15_000), heal: world.darken(program) }
  }

const pause =
  (choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    const life = program?.life
    if (program === undefined || life?.paused !== false) return undefined
    life.pause()
    return {
      parts: partsOf(program),
      details: { on: program.name },
      forMs: dice.whole(500, 60_000),
      heal: () => {
        life.resume()
      },
    }
  }

const HOUR_MS = 3_600_000
const jump =
  (choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    if (program === undefined) return undefined
    // most clocks are set by seconds, some by an hour
    const ms = (dice.chance(0.7) ? dice.whole(-20_000, 20_000) : dice.pick([-1, 1]) * HOUR_MS) - program.quartz.offsetMs
    program.quartz.offsetMs += ms
    return { parts: partsOf(program), details: { on: program.name, ms }, forMs: 0 }
  }

/** A disk that never answers is found out by people, who kill the program. */
const PATIENCE_MS = 20_000
const disk =
  (how: CommitFault, choose: Choose): Inject =>
  (world, dice) => {
    const program = choose(world, dice)
    if (program === undefined || program.disk.fault !== undefined) return undefined
    program.disk.fault = how
    const { life } = program
    return {
      parts: partsOf(program),
      details: { on: program.name, how },
      forMs: PATIENCE_MS,
      heal: () => {
        program.disk.fault = undefined
        if (how === 'never' && life?.alive === true) program.kill()
      },
    }
  }

/** All at once, as when a data centre loses its power; each comes back in its own time. */
const everybody: Inject = world => {
  for (const server of world.servers) server.kill()
  return { parts: world.servers.map(({ name }) => name), details: {}, forMs: 0 }
}

const introducer: Inject = (world, dice) => {
  const [first] = world.servers
  if (first?.life === undefined) return undefined
  return { parts: [first.name], details: { on: first.name }, forMs: 30_000 + dice.apart(60_000), heal: world.darken(first) }
}

/** Longer than the grace time, so that everybody has to notice. */
const vanish: Inject = (world, dice) => {
  const user = running(world.users, dice)
  if (user === undefined) return undefined
  const back = world.keepDown(user)
  user.kill()
  return { parts: partsOf(user), details: { on: user.name }, forMs: dice.whole(35_000, 90_000), heal: back }
}

const leave: Inject = (world, dice) => {
  const user = running(world.users, dice)
  if (user?.client === undefined) return undefined
  const back = world.keepDown(user)
  user.leave()
  return { parts: partsOf(user), details: { on: user.name }, forMs: 2_000 + dice.apart(30_000), heal: back }
}

export const processFaults = {
  kill: { what: 'a server is killed, and started again', inject: kill(aServer) },
  kill_call: { what: 'a server dies at any call that it makes to the world', inject: kindly(aServer) },
  kill_point: { what: 'a server dies at a fault point of its code', inject: atPoint(aServer) },
  power: { what: 'a server loses its power: no connection of it is closed', inject: darken(aServer) },
  pause: { what: 'a server stands still for up to a minute', inject: pause(aServer) },
  mass: { what: 'all servers are killed at once', inject: everybody },
  introducer: { what: 'the first introducer disappears for long', inject: introducer },
  clock: { what: "a server's clock jumps by seconds, or by an hour", inject: jump(aServer) },
  disk_before: { what: 'a commit of a server fails, and is not written', inject: disk('before', aServer) },
  disk_after: { what: 'a commit of a server fails, and is written all the same', inject: disk('after', aServer) },
  disk_slow: { what: 'a commit of a server takes long', inject: disk('slow', aServer) },
  disk_never: { what: 'a commit of a server never returns', inject: disk('never', aServer) },
  user_kill: { what: "a person's program is killed", inject: kill(aUser) },
  user_call: { what: "a person's program dies at any call that it makes to the world", inject: kindly(aUser) },
  user_point: { what: "a person's program dies at a fault point of its code", inject: atPoint(aUser) },
  user_power: { what: "a person's machine loses its power or its network for a while", inject: darken(aUser) },
  user_pause: { what: "a person's laptop is suspended", inject: pause(aUser) },
  user_clock: { what: "a person's clock jumps", inject: jump(aUser) },
  user_disk: { what: "a commit of a person's program fails", inject: disk('before', aUser) },
  vanish: { what: "a person's program dies, and is started again only after the grace time", inject: vanish },
  leave: { what: 'a person leaves, and comes back', inject: leave },
} as const satisfies Readonly<Record<string, Fault>>
