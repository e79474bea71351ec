/** What people do: they write to each other, to all, look who is there and send files, each at their own times. */
import type { Dice } from './dice.ts'
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
const habits: readonly (readonly [share: number, act: 'tell' | 'burst' | 'all' | 'list' | 'file'])[] = [
  [90, 'tell'],
  [4, 'burst'],
  [0.5, 'all'],
  [4, 'list'],
  [1.5, 'file'],
]

export interface Load {
  /** Nobody says anything any more. */
  stop(): void
}

/** Has everybody act every ten seconds on average, from when they are first there. */
export const startLoad = (world: World): Load => {
  const { schedule, witnesses } = world
  const byId = new Map(world.users.map(user => [user.id as string, user]))
  let stopped = false

  /** Answers how many things were done. */
  const act = (user: SimulatedUser, dice: Dice, number: number): number => {
    const { client, life } = user
    if (client === undefined || life === undefined || life.paused || !client.attached) return 0
    let rest = dice.fraction() * 100
    const what = habits.find(([share]) => (rest -= share) < 0)?.[1] ?? 'tell'
    const said = (to: readonly SimulatedUser[], kind: 'direct' | 'public', nth = number): string => {
      const text = `${MARK} ${user.name} ${nth}`
      witnesses.sending({ from: user, to, number: nth, text, kind, at: schedule.now() })
      return text
    }
    // a failure is told as an event; a client that dies answers nothing
    if (what === 'list') {
      void client.list()
      return 1
    }
    const there = client.users().flatMap(({ user_id }) => (user_id === user.id ? [] : (byId.get(user_id) ?? [])))
    if (there.length === 0) return 0
    // the text is its own reference, by which its sender hears what became of it
    const tell = (other: SimulatedUser, nth = number): void => {
      const text = said([other], 'direct', nth)
      void client.tell(other.id, text, { ref: text })
    }
    if (what === 'all') void client.all(said(there, 'public'))
    else {
      const other = dice.pick(there)
      if (what === 'burst') {
        for (let nth = number; nth < number + BURST; nth += 1) tell(other, nth)
        return BURST
      }
      if (what === 'tell') tell(other)
      else void client.sendFile(other.id, `${dice.whole(1, FILE_BYTES)} file of ${user.name} ${number}`)
    }
    return 1
  }

  for (const user of world.users) {
    const dice = world.dice.fork(`load of ${user.name}`)
    let number = 0
    const next = (times: number): void => {
      schedule.after(times * dice.apart(EVERY_MS), () => {
        if (stopped) return
        const done = act(user, dice, number + 1)
        number += done
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
