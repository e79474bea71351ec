/** What people do: they write to each other, to all, look who is there and send files, each at their own times. */
import type { Dice } from './dice.ts'
import type { SimulatedUser } from './user.ts'
import type { World } from './world.ts'

/** The standard load; figures count only with it. */
export const standardLoad = { everyMs: 10_000 } as const

/** Stands in every text, so that one in the clear is seen wherever it turns up. */
export const MARK = 'in confidence'
const FILE_BYTES = 2_000
/** What a person does → how often in a hundred. */
const habits: readonly (readonly [share: number, act: 'tell' | 'all' | 'list' | 'file'])[] = [
  [94, 'tell'],
  [0.5, 'all'],
  [4, 'list'],
  [1.5, 'file'],
]

export interface Load {
  /** Nobody says anything any more. */
  stop(): void
}

/** Has everybody act every `everyMs` on average, from when they are first there. */
export const startLoad = (world: World, { everyMs }: { readonly everyMs: number } = standardLoad): Load => {
  const { schedule, witnesses } = world
  const byId = new Map(world.users.map(user => [user.id as string, user]))
  let stopped = false

  const act = (user: SimulatedUser, dice: Dice, number: number): boolean => {
    const { client, life } = user
    if (client === undefined || life === undefined || life.paused || !client.attached) return false
    let rest = dice.fraction() * 100
    const what = habits.find(([share]) => (rest -= share) < 0)?.[1] ?? 'tell'
    const said = (to: readonly SimulatedUser[], kind: 'direct' | 'public'): string => {
      const text = `${MARK} ${user.name} ${number}`
      witnesses.sending({ from: user, to, number, text, kind, at: schedule.now() })
      return text
    }
    // a failure is told as an event; a client that dies answers nothing
    if (what === 'list') {
      void client.list()
      return true
    }
    const there = client.users().flatMap(({ user_id }) => (user_id === user.id ? [] : (byId.get(user_id) ?? [])))
    if (there.length === 0) return false
    else if (what === 'all') void client.all(said(there, 'public'))
    else {
      const other = dice.pick(there)
      if (what === 'tell') void client.tell(other.id, said([other], 'direct'))
      else void client.sendFile(other.id, `${dice.whole(1, FILE_BYTES)} file of ${user.name} ${number}`)
    }
    return true
  }

  for (const user of world.users) {
    const dice = world.dice.fork(`load of ${user.name}`)
    let number = 0
    const next = (): void => {
      schedule.after(dice.apart(everyMs), () => {
        if (stopped) return
        if (act(user, dice, number + 1)) number += 1
        next()
      })
    }
    next()
  }
  return {
    stop() {
      stopped = true
    },
  }
}
