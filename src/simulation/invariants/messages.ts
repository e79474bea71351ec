/** Messages between people: they arrive, once, in order, unread on the way, and from whom they say. */
import type { Judge } from '../judge.ts'
import { MARK } from '../load.ts'
import type { Machine } from '../network.ts'
import { openPath } from '../paths.ts'
import type { SimulatedUser } from '../user.ts'
import type { Sending, Witness } from '../witness.ts'
import type { World } from '../world.ts'
import type { Letter, Mail } from './mail.ts'

const DELIVERY_MS = 5_000
/** So long a reader waits for what is missing (docs/protocol.md, "Order"); a mistake in the program must not change what is asked of it. */
const WAIT_MS = 10_000
/** So long what was shown before a program died may be shown again. */
const AGAIN_MS = 1_000
/** A quartz is not exact. */
const ABOUT_MS = 100
/** What arrived is remembered for so long: nothing is held back for longer. */
const ARRIVED_MS = 90_000

/** A text in base64 has one of three forms, by where it begins; each without the characters that what stands beside it decides. */
const encoded = [0, 1, 2].map(before => {
  const text = Buffer.from(`${' '.repeat(before)}${MARK}`).toString('base64url')
  return text.slice(before === 0 ? 0 : 4, -4)
})
/** Who is there for a public message is decided when it leaves. */
const isFor = ({ kind, to }: Sending, user: SimulatedUser): boolean => kind === 'public' || to.includes(user)

const isReadable = (text: string): boolean => text.includes(MARK) || encoded.some(form => text.includes(form))

interface Shown {
  readonly id: string
  readonly at: number
  readonly life: number
}

export const messages = (world: World, judge: Judge, mail: Mail): Witness => {
  const { schedule, trouble } = world
  const byMachine = new Map<Machine, SimulatedUser>(world.users.map(user => [user.machine, user]))
  const sendings = new Map<string, Sending>()
  /** Person → text → how it was shown to them last as verified; whoever invents something may say it again. */
  const shown = new Map<SimulatedUser, Map<string, Shown>>(world.users.map(user => [user, new Map<string, Shown>()]))
  /** Of each person's program: which life it is, and when the one before ended. */
  const lives = new Map<SimulatedUser, { number: number; diedAt: number }>(world.users.map(user => [user, { number: 0, diedAt: 0 }]))
  /** The highest number of a sender's stream that a person was shown. */
  const highest = new Map<string, number>()
  /** Deliveries that arrived at a person's program in this life. */
  const arrived = new Map<SimulatedUser, { readonly at: number; readonly text: string }[]>()

  const has = (user: SimulatedUser, text: string): boolean => shown.get(user)?.has(text) === true

  const arrives = ({ from, text, at }: Sending, person: SimulatedUser): void => {
    const parts = openPath(world, from, person)
    if (parts === undefined || !trouble.calm(parts, at)) return
    const look = (late: boolean): void => {
      if (!trouble.calm(parts, at)) return
      if (!late && !has(person, text) && mail.isWaitedFor(from, person, at))
        schedule.after(WAIT_MS, () => {
          look(true)
        })
      else judge.check('delivered', has(person, text), () => `"${text}", sent at ${Math.round(at)} to ${person.name}, was not shown`)
    }
    schedule.after(DELIVERY_MS, () => {
      look(false)
    })
  }

  const once = (user: SimulatedUser, id: string, text: string): void => {
    const { number: life = 0, diedAt = 0 } = lives.get(user) ?? {}
    const before = shown.get(user)?.get(text)
    const killedThen = before !== undefined && before.life === life - 1 && diedAt - before.at <= AGAIN_MS
    judge.check(
      'shown_once',
      before === undefined || (killedThen && before.id === id),
      () => `${user.name} was shown "${text}" twice, ${Math.round(schedule.now() - (before?.at ?? 0))} ms apart`,
    )
    shown.get(user)?.set(text, { id, at: schedule.now(), life })
  }

  /** Nothing that its sender counted before it is missing, or it was waited for. */
  const ordered = (user: SimulatedUser, letter: Letter, text: string, ts: number): void => {
    const { from, order } = letter
    const [stream, number, previous] = order
    const pair = `${from.name} ${user.name} ${stream}`
    // what was waited for once is not waited for again
    const reached = highest.get(pair) ?? 0
    highest.set(pair, Math.max(reached, number))
    const missing = mail
      .unread(from, user)
      .filter(other => other.order[0] === stream && other.order[1] <= previous && other.order[1] > reached)
    const mark = `"ts":${ts},`
    const came =
      missing.length === 0 ? undefined : arrived.get(user)?.find(other => other.text.includes(mark) && other.text.includes(from.id))
    judge.check(
      'in_order',
      missing.length === 0 || (came !== undefined && schedule.now() - came.at >= WAIT_MS - ABOUT_MS),
      () => `${user.name} was shown "${text}" before ${missing.length} that ${from.name} wrote earlier, without waiting for them`,
    )
  }

  return {
    userStarted(user) {
      const life = lives.get(user)
      if (life !== undefined) life.number += 1
      arrived.set(user, [])
    },
    userDied(user) {
      const life = lives.get(user)
      if (life !== undefined) life.diedAt = schedule.now()
    },
    sending(sending) {
      sendings.set(sending.text, sending)
      for (const person of sending.to) arrives(sending, person)
    },
    showed(user, event) {
      if (event.event !== 'message') return
      const { id, ts, text, from, verified } = event
      const sending = sendings.get(text)
      judge.check(
        'truthful',
        !verified || (sending !== undefined && sending.from.id === from && sending.kind === event.kind && isFor(sending, user)),
        () => `${user.name} was shown "${text}" as verified from ${event.name}`,
      )
      if (!verified) return
      once(user, id, text)
      const letter = mail.letter(id)
      judge.check('recorded_first', letter !== undefined, () => `${user.name} was shown "${text}", which its sender's log does not know`)
      if (letter !== undefined) ordered(user, letter, text, ts)
    },
    frameSent(from, to, text) {
      judge.check('confidential', !isReadable(text), () => `${from.name} sent ${to.name} a text in the clear: ${text.slice(0, 200)}`)
    },
    frameArrived(_from, to, text) {
      const user = byMachine.get(to)
      if (user === undefined || !text.includes('"type":"USER_DELIVER"')) return
      const all = arrived.get(user) ?? []
      while (all.length > 0 && schedule.now() - (all[0]?.at ?? 0) > ARRIVED_MS) all.shift()
      all.push({ at: schedule.now(), text })
    },
  }
}
