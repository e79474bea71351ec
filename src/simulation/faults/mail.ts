/** What goes wrong with mail: mailboxes that fill up, readers who take nothing, and connections that break just when it matters. */
import type { FrameType } from '../../protocol/frames.ts'
import type { Dice } from '../dice.ts'
import { write } from '../load.ts'
import { between } from '../trouble.ts'
import type { SimulatedUser } from '../user.ts'
import type { World } from '../world.ts'
import type { Fault, Inject } from './fault.ts'
import { part } from './roaming.ts'

/** Whom it is about, and others who know them and can write now; undefined when there is nobody. */
export const readerAndWriters = (world: World, dice: Dice): readonly [SimulatedUser, readonly SimulatedUser[]] | undefined => {
  const reader = dice.pick(world.users)
  const writers = world.users.filter(user => user !== reader && user.client !== undefined && world.knows(user, reader))
  return reader.client === undefined || writers.length === 0 ? undefined : [reader, writers]
}
const WRITERS = 4
const MOST_LETTERS = 14
const HOUR_MS = 3_600_000

/** Somebody goes away, and is written to a moment later; the answer brings them back. */
export const writtenToAway = (world: World, dice: Dice, reader: SimulatedUser, writer: SimulatedUser): (() => void) => {
  const back = world.keepDown(reader)
  reader.kill()
  world.schedule.after(1_500, () => {
    for (let letters = dice.whole(1, 3); letters > 0; letters -= 1) write(world, writer, reader)
  })
  return back
}

/** Some write a great deal to one person. */
const correspond = (world: World, dice: Dice, reader: SimulatedUser, writers: readonly SimulatedUser[]): void => {
  for (let nth = 0; nth < Math.min(WRITERS, writers.length); nth += 1) {
    const writer = dice.pick(writers)
    world.schedule.after(dice.whole(0, 2_000), () => {
      for (let letters = dice.whole(3, MOST_LETTERS); letters > 0; letters -= 1) write(world, writer, reader)
    })
  }
}

/** A mailbox fills, and often its server dies with it, or finds when it is back that a mailbox's time is over. */
const letters: Inject = (world, dice) => {
  const found = readerAndWriters(world, dice)
  if (found === undefined) return undefined
  const [reader, writers] = found
  const { home } = reader
  const back = world.keepDown(reader)
  if (dice.chance(0.5)) reader.kill()
  else reader.leave()
  world.schedule.after(dice.whole(500, 2_000), () => {
    correspond(world, dice, reader, writers)
  })
  const then = dice.pick(['nothing', 'server dies', 'time is over'] as const)
  world.schedule.after(dice.whole(4_000, 6_000), () => {
    if (then === 'time is over') home.quartz.offsetMs += HOUR_MS
    if (then !== 'nothing') home.kill()
  })
  return { parts: [reader.name], details: { to: reader.name, at: home.name, then }, forMs: dice.whole(5_000, 45_000), heal: back }
}

/** Nothing that their server sends arrives, for so long that it cuts them, or nearly. */
const slowReader: Inject = (world, dice) => {
  const found = readerAndWriters(world, dice)
  if (found === undefined) return undefined
  const [reader, writers] = found
  const { home, machine } = reader
  const held = world.network.connectionsOf(machine)
  for (const connection of held) connection.hold(home.machine)
  correspond(world, dice, reader, writers)
  return {
    parts: [between(machine, home.machine)],
    details: { to: reader.name, at: home.name },
    forMs: dice.whole(3_000, 20_000),
    heal: () => {
      for (const connection of held) connection.free(home.machine, () => 0)
    },
  }
}

const CROSSING_MS = 15_000
const LINE_MS = 700

/** What was written first waits at the server where they were, what is written later comes straight to the one where they are. */
const crossing: Inject = (world, dice) => {
  const found = readerAndWriters(world, dice)
  if (found === undefined) return undefined
  const [reader, writers] = found
  const { home, machine, name } = reader
  const back = world.keepDown(reader)
  reader.kill()
  const heal = part(world, [[machine, home.machine]])
  const writer = dice.pick(writers)
  for (let ms = LINE_MS; ms < CROSSING_MS; ms += LINE_MS)
    world.schedule.after(ms, () => {
      write(world, writer, reader)
    })
  world.schedule.after(dice.whole(1_000, 4_000), back)
  return {
    parts: [name],
    details: { to: name, from: writer.name, at: home.name },
    forMs: CROSSING_MS + dice.whole(0, 5_000),
    heal: () => {
      back()
      heal()
    },
  }
}

/** Somebody reads what waited for them while its writer is away, who comes back later. */
const missed: Inject = (world, dice) => {
  const found = readerAndWriters(world, dice)
  if (found === undefined) return undefined
  const [reader, writers] = found
  const writer = dice.pick(writers)
  let backs = [writtenToAway(world, dice, reader, writer)]
  world.schedule.after(5_000, () => {
    if (backs.length === 0) return
    backs.push(world.keepDown(writer))
    if (dice.chance(0.5)) writer.kill()
    else writer.leave()
  })
  world.schedule.after(7_000, () => {
    backs.shift()?.()
  })
  return {
    parts: [],
    details: { to: reader.name, from: writer.name },
    forMs: dice.whole(16_000, 25_000),
    heal: () => {
      for (const back of backs) back()
      backs = []
    },
  }
}

/** What waits for somebody is out of reach when they come back, for its server has lost its power. */
const stranded: Inject = (world, dice) => {
  const found = readerAndWriters(world, dice)
  if (found === undefined) return undefined
  const [reader, all] = found
  const { home } = reader
  const writers = all.filter(writer => writer.home !== home)
  if (writers.length === 0) return undefined
  const writer = dice.pick(writers)
  let backs = [writtenToAway(world, dice, reader, writer)]
  world.schedule.after(5_000, () => {
    if (backs.length > 0) backs.push(world.darken(home))
  })
  world.schedule.after(6_000, () => {
    backs.shift()?.()
  })
  return {
    parts: [home.name],
    details: { to: reader.name, from: writer.name, at: home.name },
    forMs: dice.whole(45_000, 55_000),
    heal: () => {
      for (const back of backs) back()
      backs = []
    },
  }
}

/** What is on its way when the connection breaks: each of these answers for something that is safe at one end only. */
const critical: readonly FrameType[] = [
  'MSG_DIRECT',
  'SERVER_DELIVER',
  'USER_DELIVER',
  'RECEIPT',
  'RECEIPT',
  'ACK',
  'PROOF',
  'USER_ADVERTISE',
  'USER_REMOVE',
  'PRESENCE_ASK',
  'PRESENCE_TELL',
  'PRESENCE_CHANGED',
  'SERVERS',
]

/** The next frame of one kind is lost, with its connection, its sender or its receiver. */
const ambush: Inject = (world, dice) => {
  const type = dice.pick(critical)
  const how = dice.pick(['cut', 'deaf', 'sender', 'receiver'] as const)
  const mark = `"type":"${type}"`
  const cancel = world.ambush(
    text => text.includes(mark),
    (from, to) => {
      world.trouble.strike([between(from, to)])
      for (const connection of world.network.connectionsOf(from)) {
        if (!connection.ends.some(({ machine }) => machine === to)) continue
        if (how === 'cut') connection.cut()
        if (how === 'deaf') connection.deafen()
      }
      const dies = how === 'sender' ? from : how === 'receiver' ? to : undefined
      for (const program of [...world.servers, ...world.users]) if (program.machine === dies) program.kill()
    },
  )
  return { parts: [], details: { type, how }, forMs: dice.whole(1_000, 20_000), heal: cancel }
}

/** What a connection carries again: whoever is on the way needs no key for that. */
const echo: Inject = (world, dice) => {
  const type = dice.pick([...critical, 'FILE_START', 'FILE_CHUNK', 'FILE_END', 'LIST_REQUEST'] as const)
  const mark = `"type":"${type}"`
  const cancel = world.ambush(
    text => text.includes(mark),
    (from, to, text) => {
      const way = world.network.connectionsOf(from).find(({ healthy, ends }) => healthy && ends.some(({ machine }) => machine === to))
      for (let times = dice.whole(1, 3); times > 0; times -= 1)
        world.schedule.after(dice.whole(0, 3_000), () => {
          way?.inject(from, text)
        })
    },
  )
  return { parts: [], details: { type }, forMs: 20_000, heal: cancel }
}

export const mailFaults = {
  letters: { what: 'a person is away, and is written to more than their mailbox holds', inject: letters, people: 2 },
  slow_reader: { what: 'a person takes nothing from their server, and is written to', inject: slowReader, people: 2 },
  crossing: { what: 'a person is written to while they are away, and while they come back at another server', inject: crossing, people: 2 },
  missed: { what: 'a person is away when what they wrote is read, which had waited, and comes back', inject: missed, people: 2 },
  stranded: { what: 'a server with mail for a person is gone when they come back elsewhere', inject: stranded, people: 2 },
  echo: { what: 'somebody on the way sends again what a connection carried', inject: echo, people: 1 },
  ambush: { what: 'the next frame of one kind is lost, with its connection, its sender or its receiver', inject: ambush, people: 1 },
} as const satisfies Readonly<Record<string, Fault>>
