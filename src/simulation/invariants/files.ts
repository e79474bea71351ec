/** Files: they arrive, whole, from whom they say, and no faster than their reader writes them. */
import { contentOf } from '../files.ts'
import type { Judge } from '../judge.ts'
import { openPath } from '../paths.ts'
import type { SimulatedUser } from '../user.ts'
import type { Offering, Witness } from '../witness.ts'
import type { World } from '../world.ts'

const SAVED_MS = 10_000
/** Chunks that a sender may be ahead, and how long they wait for word (docs/protocol.md, "Delivery"); a mistake in the program must not change what is asked of it. */
const WINDOW = 32
const PATIENCE_MS = 10_000
/** A quartz is not exact. */
const ABOUT_MS = 100

/** A file on its way, as its sender's frames and its reader's words tell. */
interface Ahead {
  sent: number
  written: number
  /** Of the first chunk, or of the last word of the reader. */
  heardAt: number
  /** The reader was silent for so long that more may be sent. */
  freed: boolean
}

interface Chunk {
  readonly payload: { readonly file_id: string }
}
interface Receipt {
  readonly payload: { readonly refs: readonly string[] }
}

export const files = (world: World, judge: Judge): Witness => {
  const { schedule, trouble } = world
  const byMachine = new Map(world.users.map(user => [user.machine, user]))
  const offerings = new Map<string, Offering>()
  const saved = new Set<string>()
  const ahead = new Map<string, Ahead>()

  const chunk = (sender: SimulatedUser, text: string): void => {
    const { payload } = JSON.parse(text) as Chunk
    const now = schedule.now()
    const file: Ahead = ahead.get(payload.file_id) ?? { sent: 0, written: 0, heardAt: now, freed: false }
    ahead.set(payload.file_id, file)
    file.sent += 1
    file.freed ||= now - file.heardAt >= PATIENCE_MS - ABOUT_MS
    const most = file.written + WINDOW
    judge.check(
      'paced',
      file.freed || file.sent <= most,
      () => `${sender.name} sent chunk ${file.sent} of a file of which ${file.written} are written`,
    )
  }
  /** A reader's word has come to the machine of the sender. */
  const word = (text: string): void => {
    for (const ref of (JSON.parse(text) as Receipt).payload.refs) {
      const at = ref.lastIndexOf('/')
      const file = at < 0 ? undefined : ahead.get(ref.slice(0, at))
      if (file === undefined) continue
      file.written = Math.max(file.written, Number(ref.slice(at + 1)))
      file.heardAt = schedule.now()
    }
  }

  return {
    offering(offering) {
      const { from, to, name, at } = offering
      offerings.set(name, offering)
      const parts = openPath(world, from, to)
      if (parts === undefined || !trouble.calm(parts, at)) return
      schedule.after(SAVED_MS, () => {
        if (trouble.calm(parts, at))
          judge.check('saved', saved.has(name), () => `"${name}", sent at ${Math.round(at)} to ${to.name}, has not arrived`)
      })
    },
    showed(user, event) {
      if (event.event !== 'file' || !event.verified) return
      const { name, size, sha256, from } = event
      const hash = Buffer.from(world.place.sha256(contentOf(name, size))).toString('hex')
      const offering = offerings.get(name)
      saved.add(name)
      judge.check(
        'intact',
        hash === sha256 && offering?.size === size && offering.from.id === from && offering.to === user,
        () => `${user.name} was shown "${name}" of ${event.from_name} with ${size} bytes as verified, which was not sent so`,
      )
    },
    frameSent(from, _to, text, slipped) {
      const sender = byMachine.get(from)
      if (sender !== undefined && slipped !== true && text.includes('"type":"FILE_CHUNK"')) chunk(sender, text)
    },
    frameArrived(_from, to, text) {
      if (byMachine.has(to) && text.includes('"type":"RECEIPT"') && text.includes('"state":"delivered"')) word(text)
    },
  }
}
