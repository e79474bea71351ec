/** Connections that break, go deaf, clog or crawl, and meshes that fall apart. */
import type { Connection } from '../connection.ts'
import type { Dice } from '../dice.ts'
import type { Machine } from '../network.ts'
import type { SimulatedServer } from '../server.ts'
import { between } from '../trouble.ts'
import type { World } from '../world.ts'
import type { Fault, Inject, Injected } from './fault.ts'

const aConnection = ({ network, servers }: World, dice: Dice): Connection | undefined => {
  const all = network.connectionsOf(dice.pick(servers).machine)
  return all.length === 0 ? undefined : dice.pick(all)
}
const namesOf = ({ ends: [a, b] }: Connection) => ({
  parts: [between(a.machine, b.machine)],
  details: { between: [a.machine.name, b.machine.name] },
})

const cut: Inject = (world, dice) => {
  const connection = aConnection(world, dice)
  if (connection === undefined) return undefined
  connection.cut()
  return { ...namesOf(connection), forMs: 0 }
}

const halfOpen: Inject = (world, dice) => {
  const connection = aConnection(world, dice)
  if (connection === undefined) return undefined
  connection.deafen()
  return { ...namesOf(connection), forMs: 0 }
}

/** Several connections stand still, and go on in another order. */
const clog: Inject = (world, dice) => {
  const { servers, network, schedule } = world
  const held = network.connectionsOf(dice.pick(servers).machine).filter(() => dice.chance(0.5))
  if (held.length === 0) return undefined
  for (const connection of held) connection.hold(dice.pick(connection.ends).machine)
  const forMs = dice.whole(200, 20_000)
  return {
    parts: held.flatMap(connection => namesOf(connection).parts),
    details: { connections: held.length },
    forMs: forMs + 2_000,
    heal: () => {
      for (const connection of held)
        for (const { machine } of connection.ends)
          schedule.after(dice.whole(0, 1_000), () => {
            connection.free(machine, () => 0)
          })
    },
  }
}

const slow: Inject = ({ network, servers }, dice) => {
  const [a, b] = [dice.pick(servers), dice.pick(servers)]
  if (a === b) return undefined
  const way = network.way(a.machine, b.machine)
  const ms = dice.whole(100, 4_000)
  way.extraMs += ms
  return {
    parts: [between(a, b)],
    details: { from: a.name, to: b.name, ms },
    forMs: dice.whole(1_000, 30_000),
    heal: () => {
      way.extraMs -= ms
    },
  }
}

/** Blocks ways, each from the first to the second. */
const block = ({ network }: World, ways: readonly (readonly [Machine, Machine])[], dice: Dice, details: Injected['details']): Injected => {
  for (const [from, to] of ways) network.way(from, to).blocked += 1
  return {
    parts: ways.map(([from, to]) => between(from, to)),
    details,
    forMs: 1_000 + dice.apart(30_000),
    heal: () => {
      for (const [from, to] of ways) network.unblock(from, to)
    },
  }
}

const bothWays = (a: readonly SimulatedServer[], b: readonly SimulatedServer[]) =>
  a.flatMap(one => b.flatMap(other => [[one.machine, other.machine] as const, [other.machine, one.machine] as const]))
const list = (servers: readonly SimulatedServer[]): readonly string[] => servers.map(({ name }) => name)

/** Half of the servers do not reach the other half; their people stay with them. */
const halves: Inject = (world, dice) => {
  const mixed = [...world.servers].map(server => ({ server, at: dice.fraction() })).sort((a, b) => a.at - b.at)
  const servers = mixed.map(({ server }) => server)
  const half = Math.ceil(servers.length / 2)
  const [near, far] = [servers.slice(0, half), servers.slice(half)]
  return far.length === 0 ? undefined : block(world, bothWays(near, far), dice, { near: list(near), far: list(far) })
}

/** Two groups that only one server reaches both of. */
const bridge: Inject = (world, dice) => {
  const { servers } = world
  if (servers.length < 3) return undefined
  const over = dice.pick(servers)
  const others = servers.filter(server => server !== over)
  const half = Math.ceil(others.length / 2)
  const [near, far] = [others.slice(0, half), others.slice(half)]
  return block(world, bothWays(near, far), dice, { over: over.name, near: list(near), far: list(far) })
}

const alone: Inject = (world, dice) => {
  const one = dice.pick(world.servers)
  const others = world.servers.filter(server => server !== one)
  return others.length === 0 ? undefined : block(world, bothWays([one], others), dice, { on: one.name })
}

const oneWay: Inject = (world, dice) => {
  const [a, b] = [dice.pick(world.servers), dice.pick(world.servers)]
  return a === b ? undefined : block(world, [[a.machine, b.machine]], dice, { from: a.name, to: b.name })
}

export const wireFaults = {
  cut: { what: 'a connection breaks', inject: cut },
  half_open: { what: 'a connection goes deaf, and neither end is told', inject: halfOpen },
  clog: { what: 'connections stand still, and go on in another order', inject: clog },
  slow: { what: 'the way between two servers gets slow', inject: slow },
  halves: { what: 'the servers fall into two halves', inject: halves },
  bridge: { what: 'the servers fall into two groups with one between them', inject: bridge },
  alone: { what: 'one server is cut off from all others', inject: alone },
  one_way: { what: 'what one server sends another does not get there', inject: oneWay },
} as const satisfies Readonly<Record<string, Fault>>
