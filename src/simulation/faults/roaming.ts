/** What makes people move from server to server, and come back: servers that are gone for long or cut off from people, laptops that sleep or change their network. */
import type { Dice } from '../dice.ts'
import type { Machine } from '../network.ts'
import type { SimulatedServer } from '../server.ts'
import { between } from '../trouble.ts'
import type { World } from '../world.ts'
import type { Fault, Inject, Injected } from './fault.ts'

/** Blocks both ways between machines, each pair once. */
export const part = ({ network }: World, pairs: readonly (readonly [Machine, Machine])[]): (() => void) => {
  const ways = pairs.flatMap(([a, b]) => [[a, b] as const, [b, a] as const])
  for (const [from, to] of ways) network.way(from, to).blocked += 1
  return () => {
    for (const [from, to] of ways) network.unblock(from, to)
  }
}

/** Without power, or only its program; nobody starts it again for a minute or so. */
const outage: Inject = (world, dice) => {
  const server = dice.pick(world.servers)
  if (server.life === undefined) return undefined
  const dark = dice.chance(0.5)
  const up = dark ? world.darken(server) : world.keepDown(server)
  server.kill()
  return { parts: [server.name], details: { on: server.name, dark }, forMs: 25_000 + dice.apart(40_000), heal: up }
}

const cutOff = (world: World, dice: Dice, from: (server: SimulatedServer) => readonly Machine[]): Injected => {
  const server = dice.pick(world.servers)
  const pairs = from(server).map(other => [server.machine, other] as const)
  return {
    parts: pairs.map(([a, b]) => between(a, b)),
    details: { on: server.name },
    forMs: 8_000 + dice.apart(25_000),
    heal: part(world, pairs),
  }
}
const peopleOf = ({ users }: World): readonly Machine[] => users.map(({ machine }) => machine)

/** Its people go elsewhere, and it does not know. */
const shutIn: Inject = (world, dice) => cutOff(world, dice, () => peopleOf(world))

/** The same, and it does not hear where they went: until it does, two servers have them. */
const islanded: Inject = (world, dice) =>
  cutOff(world, dice, server => [...peopleOf(world), ...world.servers.flatMap(other => (other === server ? [] : [other.machine]))])

/** A person's connections go deaf, and for a moment there is no network at all. */
const network: Inject = (world, dice) => {
  const { machine, name } = dice.pick(world.users)
  for (const connection of world.network.connectionsOf(machine)) connection.deafen()
  const heal = part(
    world,
    world.servers.map(server => [machine, server.machine] as const),
  )
  return { parts: [name], details: { on: name }, forMs: dice.whole(100, 8_000), heal }
}

/** Its clock says how long it slept, its quartz does not count that, and no connection lives through it. */
const sleep: Inject = (world, dice) => {
  const { name, life, quartz, machine } = dice.pick(world.users)
  if (life?.paused !== false) return undefined
  const since = world.schedule.now()
  life.pause()
  for (const connection of world.network.connectionsOf(machine)) connection.deafen()
  return {
    parts: [name],
    details: { on: name },
    forMs: dice.whole(5_000, 120_000),
    heal: () => {
      quartz.asleepMs += (world.schedule.now() - since) * quartz.rate
      life.resume()
    },
  }
}

export const roamingFaults = {
  outage: { what: 'a server is gone for about a minute, and its people go elsewhere', inject: outage },
  shut_in: { what: 'a server is cut off from all people, and not from servers', inject: shutIn, people: 1 },
  islanded: { what: 'a server is cut off from everybody, so that soon two have the same people', inject: islanded, people: 1 },
  network: { what: "a person's network changes: their connections go deaf, and new ones take a while", inject: network, people: 1 },
  sleep: { what: "a person's laptop sleeps for up to two minutes, and its connections do not live through it", inject: sleep, people: 1 },
} as const satisfies Readonly<Record<string, Fault>>
