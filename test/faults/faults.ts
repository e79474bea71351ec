/** What goes wrong between and in the processes of a mesh, each drawn from the dice and healed after a while. */
import type { Dice } from '../../src/simulation/dice.ts'
import type { Connection, Way } from './proxy.ts'
import type { Program, Town } from './town.ts'

export interface Begun {
  readonly details: unknown
  /** Milliseconds until it is healed. */
  readonly holdMs: number
  /** Every path works again, and no process is stopped. */
  heal(): void
}

export interface Fault {
  readonly what: string
  /** Everybody else can go on before it is healed, and most of those whom it hits, at other servers. */
  readonly goesOn?: true
  /** Undefined where there is nothing that it could hit. `scale` shortens what need not be as long as it is in earnest. */
  begin(town: Town, dice: Dice, scale: number): Promise<Begun | undefined> | Begun | undefined
}

const HOUR_MS = 3_600_000

const running = (programs: readonly Program[]): readonly Program[] => programs.filter(({ state }) => state === 'running')
/** The home of somebody as a rule: people leave servers that are lost, and faults of a server without people concern few. */
const aServer = ({ servers, homes }: Town, dice: Dice): Program | undefined => {
  const all = running(servers)
  if (all.length === 0) return undefined
  const home = dice.pick([...homes.values()])
  return (dice.chance(0.8) ? all.find(({ name }) => name === home) : undefined) ?? dice.pick(all)
}
const someone = ({ programs }: Town, dice: Dice): Program | undefined => {
  const all = running(programs)
  return all.length === 0 ? undefined : dice.pick(all)
}
const between = (dice: Dice, from: number, to: number, scale = 1): number => Math.round(dice.whole(from, to) * scale)
const shuffled = <T>(all: readonly T[], dice: Dice): readonly T[] =>
  all
    .map(one => ({ one, at: dice.fraction() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one)
const namesOf = (programs: readonly Program[]): readonly string[] => programs.map(({ name }) => name)

const killed = async (victims: readonly Program[], holdMs: number, heal = (): void => {}): Promise<Begun> => {
  await Promise.all(victims.map(victim => victim.kill()))
  return {
    details: namesOf(victims),
    holdMs,
    heal() {
      heal()
      for (const victim of victims) victim.start()
    },
  }
}

const stopped = (victim: Program, holdMs: number): Begun => {
  victim.stop()
  return {
    details: victim.name,
    holdMs,
    heal() {
      victim.proceed()
    },
  }
}

const changed = (ways: readonly Way[], change: (way: Way) => void, undo: (way: Way) => void, holdMs: number, details: unknown): Begun => {
  for (const way of ways) change(way)
  return {
    details,
    holdMs,
    heal() {
      for (const way of ways) undo(way)
    },
  }
}
const blocked = (ways: readonly Way[], holdMs: number, details: unknown): Begun =>
  changed(
    ways,
    way => {
      way.block()
    },
    way => {
      way.unblock()
    },
    holdMs,
    details,
  )

const bothWays = ({ proxy }: Town, near: readonly string[], far: readonly string[]): readonly Way[] =>
  near.flatMap(a => far.flatMap(b => [proxy.way(a, b), proxy.way(b, a)]))
/** Nothing that those who only look on need is touched. */
const connections = ({ proxy }: Town): readonly Connection[] => [...proxy.connections].filter(({ dialler }) => !dialler.startsWith('o'))

/** Two groups of servers; sometimes their people are torn apart with them. */
const halves: Fault['begin'] = (town, dice, scale) => {
  const mixed = shuffled(namesOf(town.servers), dice)
  const half = Math.ceil(mixed.length / 2)
  const [near, far] = [mixed.slice(0, half), mixed.slice(half)]
  const people = dice.chance(0.5) ? [...town.people.keys()] : []
  const [nearPeople, farPeople] = [people.filter((_, at) => at % 2 === 0), people.filter((_, at) => at % 2 === 1)]
  const ways = [...bothWays(town, near, far), ...bothWays(town, nearPeople, far), ...bothWays(town, farPeople, near)]
  return blocked(ways, between(dice, 15_000, 45_000, scale), { near, far, people: people.length > 0 })
}

/** Two groups that only one server reaches both of. */
const bridge: Fault['begin'] = (town, dice, scale) => {
  const [over = '', ...rest] = shuffled(namesOf(town.servers), dice)
  const half = Math.ceil(rest.length / 2)
  const [near, far] = [rest.slice(0, half), rest.slice(half)]
  return blocked(bothWays(town, near, far), between(dice, 15_000, 45_000, scale), { over, near, far })
}

/** What a server sends arrives nowhere, or nothing arrives at it; or only between two. */
const oneWay: Fault['begin'] = (town, dice, scale) => {
  const [one = '', other = '', ...rest] = shuffled(namesOf(town.servers), dice)
  const others = dice.chance(0.5) ? [other] : [other, ...rest]
  const outwards = dice.chance(0.5)
  const ways = others.map(name => (outwards ? town.proxy.way(one, name) : town.proxy.way(name, one)))
  return blocked(ways, between(dice, 10_000, 45_000, scale), { [outwards ? 'from' : 'to']: one, others })
}

const delay: Fault['begin'] = (town, dice, scale) => {
  const slow = shuffled(namesOf(town.servers), dice).slice(0, dice.whole(1, town.servers.length))
  const all = [...namesOf(town.servers), ...town.people.keys()]
  const ways = slow.flatMap(server =>
    all.filter(name => name !== server).flatMap(name => [town.proxy.way(name, server), town.proxy.way(server, name)]),
  )
  const [delayMs, jitterMs] = [dice.whole(50, 1_000), dice.whole(0, 500)]
  return changed(
    ways,
    way => {
      way.delayMs += delayMs
      way.jitterMs += jitterMs
    },
    way => {
      way.delayMs -= delayMs
      way.jitterMs -= jitterMs
    },
    between(dice, 10_000, 25_000, scale),
    { servers: slow, delayMs, jitterMs },
  )
}

const throttle: Fault['begin'] = (town, dice, scale) => {
  const server = dice.pick(namesOf(town.servers))
  const all = [...namesOf(town.servers), ...town.people.keys()].filter(name => name !== server)
  const rate = dice.whole(2_000, 16_000)
  return changed(
    bothWays(town, [server], all),
    way => {
      way.bytesPerSecond = rate
    },
    way => {
      way.bytesPerSecond = Infinity
    },
    between(dice, 10_000, 25_000, scale),
    { server, rate },
  )
}

/** Found out by silence: those that nobody missed by then are cut. */
const DEAF_MS = 15_000
const halfOpen: Fault['begin'] = (town, dice, scale) => {
  const deaf = connections(town).filter(() => dice.chance(0.4))
  for (const connection of deaf) connection.deafen()
  return {
    details: deaf.length,
    holdMs: Math.round(DEAF_MS * Math.max(1, scale)),
    heal() {
      for (const connection of deaf) connection.cut()
    },
  }
}

const cut: Fault['begin'] = (town, dice) => {
  const lost = connections(town).filter(() => dice.chance(0.5))
  for (const connection of lost) connection.cut()
  return { details: lost.length, holdMs: 0, heal: () => {} }
}

/** An hour ahead, an hour behind, or right again. */
const otherTime = ({ offsetMs }: Program, dice: Dice): number => dice.pick([-HOUR_MS, 0, HOUR_MS].filter(ms => ms !== offsetMs))

/** A program that runs does not look at the clock again, so most are started anew by it. */
const clock =
  (choose: (town: Town, dice: Dice) => Program | undefined): Fault['begin'] =>
  async (town, dice) => {
    const victim = choose(town, dice)
    if (victim === undefined) return undefined
    const offsetMs = otherTime(victim, dice)
    victim.setClock(offsetMs)
    const details = { process: victim.name, offsetMs }
    return dice.chance(0.3) ? { details, holdMs: 1_000, heal: () => {} } : { ...(await killed([victim], 500)), details }
  }

export const faults = {
  kill: {
    what: 'SIGKILL of a server, started again within 3 s',
    begin: (town, dice) => {
      const victim = aServer(town, dice)
      return victim && killed([victim], between(dice, 0, 3_000))
    },
  },
  lost: {
    what: 'SIGKILL of a server, gone for 40 to 60 s',
    goesOn: true,
    begin: (town, dice, scale) => {
      const victim = aServer(town, dice)
      return victim && killed([victim], between(dice, 40_000, 60_000, scale))
    },
  },
  stop: {
    what: 'SIGSTOP of a server for 60 s',
    goesOn: true,
    begin: (town, dice, scale) => {
      const victim = aServer(town, dice)
      return victim && stopped(victim, Math.round(60_000 * scale))
    },
  },
  mass: { what: 'SIGKILL of all servers at once', begin: (town, dice) => killed(running(town.servers), between(dice, 500, 5_000)) },
  introducers: {
    what: 'all introducers gone for 40 to 60 s, and a server started again meanwhile',
    goesOn: true,
    begin: async (town, dice, scale) => {
      const [first, rest] = [town.servers.slice(0, town.introducers), town.servers.slice(town.introducers)]
      const begun = await killed(running(first), between(dice, 40_000, 60_000, scale))
      const again = dice.pick(rest)
      await again.kill()
      again.start()
      return { ...begun, details: { gone: begun.details, again: again.name } }
    },
  },
  halves: { what: 'servers in two halves, people with them or not', begin: halves },
  bridge: { what: 'two groups that only one server reaches both of', begin: bridge },
  one_way: { what: 'what a server sends, or is sent, does not arrive', begin: oneWay },
  half_open: { what: 'four in ten connections go deaf', goesOn: true, begin: halfOpen },
  cut: { what: 'half of all connections are reset', begin: cut },
  delay: { what: 'servers answer 50 to 1,500 ms late', begin: delay },
  throttle: { what: 'a server has 2 to 16 kB/s to and from each', begin: throttle },
  clock: { what: "a server's clock jumps by an hour, mostly with a restart", begin: clock(aServer) },
  people_kill: {
    what: "SIGKILL of people's programs, started again within 3 s or after the grace time",
    begin: (town, dice, scale) => {
      const victim = someone(town, dice)
      return victim && killed([victim], dice.chance(0.6) ? between(dice, 0, 3_000) : between(dice, 32_000, 45_000, scale))
    },
  },
  people_stop: {
    what: "SIGSTOP of people's programs for 20 to 60 s",
    begin: (town, dice, scale) => {
      const victim = someone(town, dice)
      return victim && stopped(victim, between(dice, 20_000, 60_000, scale))
    },
  },
  people_clock: { what: "the clock of people's programs jumps by an hour, mostly with a restart", begin: clock(someone) },
} as const satisfies Readonly<Record<string, Fault>>

export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as readonly FaultName[]
