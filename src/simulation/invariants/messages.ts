/** Messages between people: they arrive, once, in order, unread on the way, and from whom they say. */
import { contentOf } from '../files.ts'
import type { Judge } from '../judge.ts'
import { MARK } from '../load.ts'
import { openPath } from '../paths.ts'
import type { SimulatedUser } from '../user.ts'
import type { Sending, Witness } from '../witness.ts'
import type { World } from '../world.ts'

export const DELIVERY_MS = 5_000
/** What is kept is sent again within it. */
const RESENT_MS = 35_000

/** A text in base64 has one of three forms, by where it begins; each without the characters that what stands beside it decides. */
const encoded = [0, 1, 2].map(before => {
  const text = Buffer.from(`${' '.repeat(before)}${MARK}`).toString('base64url')
  return text.slice(before === 0 ? 0 : 4, -4)
})
/** Who is there for a public message is decided when it leaves. */
const isFor = ({ kind, to }: Sending, user: SimulatedUser): boolean => kind === 'public' || to.includes(user)

const isReadable = (text: string): boolean => text.includes(MARK) || encoded.some(form => text.includes(form))

export const messages = (world: World, judge: Judge): Witness => {
  const { schedule, trouble } = world
  const sendings = new Map<string, Sending>()
  /** Person → texts that their program showed in its present life as verified; whoever invents something may say it again. */
  const shown = new Map<SimulatedUser, Set<string>>()
  /** `from>to` → the number shown last. */
  const latest = new Map<string, number>()

  /** Texts that were shown as verified to their reader, in any life of their program. */
  const read = new Set<string>()
  /** Texts of which their sender was told that they wait at the reader's server. */
  const waiting = new Set<string>()

  /** Texts that their sender's program keeps → since when. */
  const keeping = new Map<string, number>()

  const has = (user: SimulatedUser, text: string): boolean => shown.get(user)?.has(text) === true

  const intact = (
    user: SimulatedUser,
    { name, size, sha256 }: { readonly name: string; readonly size: number; readonly sha256: string },
  ): void => {
    const hash = Buffer.from(world.place.sha256(contentOf(name, size))).toString('hex')
    judge.check('intact', hash === sha256, () => `${user.name} was shown "${name}" with ${size} bytes, which are not those that were sent`)
  }

  return {
    userStarted(user) {
      shown.set(user, new Set())
    },
    sending(sending) {
      const { from, to, text, at } = sending
      sendings.set(text, sending)
      for (const person of to) {
        const parts = openPath(world, from, person)
        if (parts === undefined || !trouble.calm(parts, at)) continue
        schedule.after(DELIVERY_MS, () => {
          if (trouble.calm(parts, at))
            judge.check('delivered', has(person, text), () => `"${text}", sent at ${Math.round(at)} to ${person.name}, was not shown`)
        })
      }
    },
    showed(user, event) {
      if (event.event === 'file' && event.verified) intact(user, event)
      if (event.event === 'sent' && event.ref !== null && sendings.get(event.ref)?.kind === 'direct') {
        const { ref, status } = event
        if (status === 'waiting') waiting.add(ref)
        if (status === 'sent') keeping.set(ref, schedule.now())
        if (status === 'failed') keeping.delete(ref)
        if (status === 'delivered')
          judge.check('accepted', read.has(ref), () => `${user.name} was told that "${ref}" was delivered, which nobody was shown`)
      }
      if (event.event !== 'message') return
      const { text, from, verified } = event
      const sending = sendings.get(text)
      judge.check(
        'truthful',
        !verified || (sending !== undefined && sending.from.id === from && sending.kind === event.kind && isFor(sending, user)),
        () => `${user.name} was shown "${text}" as verified from ${event.name}`,
      )
      if (!verified) return
      judge.check('shown_once', !has(user, text), () => `${user.name} was shown "${text}" twice`)
      shown.get(user)?.add(text)
      read.add(text)
      if (sending === undefined) return
      const pair = `${sending.from.name}>${user.name}`
      const before = latest.get(pair) ?? 0
      judge.check('in_order', sending.number >= before, () => `${user.name} was shown "${text}" after number ${before}`)
      latest.set(pair, Math.max(before, sending.number))
    },
    ended() {
      const well = schedule.now() - RESENT_MS
      if (trouble.lastAt() < well)
        for (const [text, since] of keeping)
          if (since < well) judge.check('kept', read.has(text), () => `"${text}" was said to be sent, and was never shown`)
      for (const text of waiting)
        judge.check('accepted', read.has(text), () => `"${text}" waited for its reader, who is there and was never shown it`)
    },
    frameSent(from, to, text) {
      judge.check('confidential', !isReadable(text), () => `${from.name} sent ${to.name} a text in the clear: ${text.slice(0, 200)}`)
    },
  }
}
