/** What people do: they write to each other, to all, look who is there and send files, each at their own times. */
import type { Dice } from './dice.ts'
import type { Sending } from './witness.ts'
import type { SimulatedUser } from './user.ts'
import type { World } from './world.ts'

/** The standard load; figures count only with it. */
const EVERY_MS = 10_000

/** Stands in every text, so that one in the clear is seen wherever it turns up. */
export const MARK = 'in confidence'
const FILE_BYTES = 2_000
/** Lines that somebody writes one right after the other; they rest as much longer. */
const BURST = 4
/** What a person does → how often in a hundred. */
const habits: readonly (readonly [share: number, act: 'tell' | 'absent' | 'burst' | 'all' | 'list' | 'file'])[] = [
  [80, 'tell'],
  [10, 'absent'],
  [4, 'burst'],
  [0.5, 'all'],
  [4, 'list'],
  [1.5, 'file'],
]

const said = ({ witnesses, schedule }: World, user: SimulatedUser, to: readonly SimulatedUser[], kind: Sending['kind']): string => {
  user.written += 1
  const text = `${MARK} ${user.name} ${user.written}`
  witnesses.sending({ from: user, to, text, kind, at: schedule.now() })
  return text
}

/** One person writes to another; the text is its own reference, by which its sender hears what became of it. */
export const write = (world: World, from: SimulatedUser, to: SimulatedUser): void => {
  const text = said(world, from, [to], 'direct')
  // a failure is told as an event; a client that dies answers nothing
  void from.client?.tell(to.id, text, { ref: text })
}

/** One person sends another a file of so many bytes. */
export const offer = ({ witnesses, schedule }: World, from: SimulatedUser, to: SimulatedUser, size: number): void => {
  from.written += 1
  const name = `file of ${from.name} ${from.written}`
  witnesses.offering({ from, to, name, size, at: schedule.now() })
  void from.client?.sendFile(to.id, `${size} ${name}`)
}

export interface Load {
  /** Nobody says anything any more. */
  stop(): void
}

/** Has everybody act every ten seconds on average, from when they are first there. */
export const startLoad = (world: World): Load => {
  const { schedule } = world
  let stopped = false

  /** Answers how many things were done. */
  const act = (user: SimulatedUser, dice: Dice): number => {
    const { client, life } = user
    if (client === undefined || life === undefined || life.paused) return 0
    let rest = dice.fraction() * 100
    const what = habits.find(([share]) => (rest -= share) < 0)?.[1] ?? 'tell'
    if (what === 'list') {
      if (client.attached) void client.list()
      return 1
    }
    const listed = new Set(client.users().map(({ user_id }) => user_id))
    const there = world.users.filter(other => other !== user && listed.has(other.id))
    // what is written without a connection is kept
    const away = world.users.filter(other => other !== user && !listed.has(other.id) && world.knows(user, other))
    const others = what === 'absent' && away.length > 0 ? away : there
    if (others.length === 0) return 0
    if (what === 'all') {
      if (client.attached) void client.all(said(world, user, there, 'public'))
      return 1
    }
    const other = dice.pick(others)
    if (what === 'file') {
      if (client.attached) offer(world, user, other, dice.whole(1, FILE_BYTES))
      return 1
    }
    const times = what === 'burst' ? BURST : 1
    for (let nth = 0; nth < times; nth += 1) write(world, user, other)
    return times
  }

  for (const user of world.users) {
    const dice = world.dice.fork(`load of ${user.name}`)
    const next = (times: number): void => {
      schedule.after(times * dice.apart(EVERY_MS), () => {
        if (stopped) return
        const done = act(user, dice)
        next(Math.max(1, done))
      })
    }
    next(1)
  }
  return {
    stop() {
      stopped = true
    },
  }
}
