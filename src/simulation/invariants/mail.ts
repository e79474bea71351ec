/** Messages that are kept: in their sender's program until they are accepted, in a mailbox until they were shown; and what is said of them. */
import type { MailboxFact } from '../../domain/facts.ts'
import { FAILED } from '../../client/facts.ts'
import type { Order } from '../../client/order.ts'
import { WORLD_BEGAN } from '../clock.ts'
import type { Judge } from '../judge.ts'
import { type SimulatedServer, mailboxBounds } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import type { World } from '../world.ts'

/** A message as its sender's log knows it. */
export interface Letter {
  readonly id: string
  readonly from: SimulatedUser
  readonly to: string
  readonly order: Order
  /** When it was durable with its sender. */
  readonly at: number
  /** Shown as verified to its reader. */
  shown: boolean
  /** Its sender's program says that it will not arrive, or a mailbox that it is too old. */
  over: 'failed' | 'expired' | undefined
  /** When it was over, or shown; `Infinity` until then. */
  closedAt: number
  /** Its sender's program keeps it no more. */
  settled: boolean
}

export interface Mail extends Witness {
  letter(id: string): Letter | undefined
  /** Servers on whose disks a message waits for its reader. */
  waitsAt(id: string): readonly SimulatedServer[]
  /** What waits at a server for a person, by its disk: message → when it was written. */
  waitingAt(server: string, person: string): ReadonlyMap<string, { readonly ts: number }>
  /** What the clock of a server may say by now at most, Unix milliseconds. */
  latestClock(server: SimulatedServer): number
  /** Those of one person to another that are neither shown nor over, in the order of writing. */
  unread(from: SimulatedUser, to: SimulatedUser): readonly Letter[]
  /** Whether somebody who was written to later has to wait: for what a mailbox accepted, or for what has failed since. */
  isWaitedFor(from: SimulatedUser, to: SimulatedUser, before: number): boolean
  /** What was durable before that time, and is neither shown nor over, or still kept by its sender. */
  open(before: number): readonly string[]
}

/** What a letter takes in a mailbox at most, in bytes: so near to its bound a mailbox may refuse one. */
const LETTER_BYTES = 4_000
const CONTENTS_MS = 10_000
/** So long a reader waits for what is missing: also, from when the next came, for what has failed meanwhile. */
const WAIT_MS = 10_000
/** A quartz is not exact. */
const CLOCK_MS = 1_000

export const mail = (world: World, judge: Judge): Mail => {
  const { schedule } = world
  const letters = new Map<string, Letter>()
  const byId = new Map(world.users.map(user => [user.id as string, user]))
  const unread = new Map<string, Map<string, Letter>>()
  /** Messages that were ever durable in a mailbox → at which servers. */
  const boxed = new Map<string, Set<SimulatedServer>>()
  /** `server user` → what waits there: the durable truth. */
  const waiting = new Map<
    string,
    Map<string, { readonly bytes: number; readonly until: number; readonly by: string; readonly ts: number }>
  >()
  /** Mailboxes that were once as good as full. */
  const wereFull = new Set<string>()
  /** By how much each server's clock went ahead most: what a program read when it began, it goes by. */
  const latest = new Map<SimulatedServer, number>()
  const readClock = (server: SimulatedServer): void => {
    latest.set(server, Math.max(latest.get(server) ?? 0, server.quartz.offsetMs))
  }
  const latestClock = (server: SimulatedServer): number => WORLD_BEGAN + schedule.now() + (latest.get(server) ?? 0) + CLOCK_MS
  const byMachine = new Map(world.users.map(user => [user.machine, user]))
  /** What stands in the mail of each program: what is kept or waits, and receipts for who is away. */
  const content = new Map<SimulatedServer | SimulatedUser, Set<string>>(
    [...world.servers, ...world.users].map(program => [program, new Set<string>()]),
  )
  /** `person message`: shown, by their program's log. */
  const received = new Set<string>()
  /** Shown, but not as verified; and people who were shown that something cannot be read. */
  const doubtful = new Set<string>()
  const unreadable = new Set<string>()

  const close = (letter: Letter): void => {
    letter.closedAt = Math.min(letter.closedAt, schedule.now())
    unread.get(`${letter.from.id} ${letter.to}`)?.delete(letter.id)
  }
  const stored = (server: SimulatedServer, fact: Extract<MailboxFact, { readonly type: 'mailbox.stored' }>): void => {
    const { user, id, bytes, until, by, ts } = fact
    const at = boxed.get(id) ?? new Set()
    boxed.set(id, at.add(server))
    const name = `${server.name} ${user}`
    const box = waiting.get(name) ?? new Map<string, { bytes: number; until: number; by: string; ts: number }>()
    waiting.set(name, box.set(id, { bytes, until, by, ts }))
    const all = [...box.values()]
    const size = all.reduce((sum, held) => sum + held.bytes, 0)
    const ofSender = all.filter(held => held.by === by).length
    const { mailboxMessages, mailboxMessagesOfSender, mailboxBytes } = mailboxBounds
    if (all.length >= mailboxMessages || ofSender >= mailboxMessagesOfSender || size + LETTER_BYTES > mailboxBytes) wereFull.add(user)
    judge.check(
      'bounded',
      all.length <= mailboxMessages && ofSender <= mailboxMessagesOfSender && size <= mailboxBytes,
      () => `${server.name} keeps ${all.length} messages of ${size} bytes for one person, ${ofSender} of them of one sender`,
    )
  }
  /** Why a mailbox may let go of a message, by what it says. */
  const mayGo: Readonly<Record<string, (id: string, server: SimulatedServer, until: number) => boolean>> = {
    delivered: id => letters.get(id)?.shown === true,
    refused: id => doubtful.has(id) || unreadable.has(letters.get(id)?.to ?? ''),
    moved: (id, server) => [...(boxed.get(id) ?? [])].some(other => other !== server),
    expired: (_id, server, until) => latestClock(server) >= until,
  }
  const released = (server: SimulatedServer, fact: Extract<MailboxFact, { readonly type: 'mailbox.released' }>): void => {
    const box = waiting.get(`${server.name} ${fact.user}`)
    for (const id of fact.ids) {
      const held = box?.get(id)
      box?.delete(id)
      const letter = letters.get(id)
      judge.check(
        'mailbox',
        held !== undefined && mayGo[fact.why]?.(id, server, held.until) === true,
        () => `${server.name} let go of what waited for ${byId.get(fact.user)?.name ?? fact.user} as "${fact.why}", which it was not`,
      )
      if (fact.why === 'expired' && letter !== undefined) {
        letter.over ??= 'expired'
        close(letter)
      }
    }
  }

  /** A reader says that messages were shown. */
  const confirm = (reader: SimulatedUser, text: string): void => {
    const { payload } = JSON.parse(text) as { readonly payload: { readonly refs: readonly string[] } }
    // words about a file are not on any disk
    for (const id of payload.refs.filter(ref => !ref.includes('/')))
      judge.check(
        'recorded_first',
        received.has(`${reader.name} ${id}`),
        () => `${reader.name} says that a message was shown, which their log does not know`,
      )
  }
  /** The content of what waits or is kept is there, and no other. */
  const contents = (): void => {
    const size = ({ disk }: SimulatedServer | SimulatedUser): number =>
      (disk.database.prepare('SELECT count(*) AS size FROM mail').get() as { readonly size: number }).size
    for (const program of [...world.servers, ...world.users]) {
      if (program.life === undefined || program.disk.pending > 0) continue
      const [is, due] = [size(program), content.get(program)?.size ?? 0]
      judge.check('mailbox', is === due, () => `${program.name} has the content of ${is} messages, and should have that of ${due}`)
    }
    schedule.after(CONTENTS_MS, contents)
  }
  schedule.after(CONTENTS_MS, contents)

  return {
    letter: id => letters.get(id),
    waitingAt: (server, person) => waiting.get(`${server} ${person}`) ?? new Map(),
    latestClock,
    waitsAt: id =>
      [...(boxed.get(id) ?? [])].filter(server => waiting.get(`${server.name} ${letters.get(id)?.to ?? ''}`)?.has(id) === true),
    unread: (from, to) => [...(unread.get(`${from.id} ${to.id}`)?.values() ?? [])],
    isWaitedFor: (from, to, before) =>
      letters.values().some(letter => {
        if (letter.from !== from || letter.to !== to.id || letter.at > before) return false
        return letter.over === undefined ? letter.settled && !letter.shown : letter.closedAt >= before - WAIT_MS
      }),
    open: before =>
      [...letters.values()]
        .filter(({ at, shown, over, settled }) => at < before && (!settled || (!shown && over === undefined)))
        .map(({ from, to, shown }) => `what ${from.name} wrote to ${byId.get(to)?.name ?? to} ${shown ? 'is kept' : 'was not shown'}`),
    userRecorded(user, recorded) {
      for (const { fact } of recorded) {
        if (fact.type === 'message.stored') {
          const { id, to, order } = fact
          const letter: Letter = {
            id,
            from: user,
            to,
            order,
            at: schedule.now(),
            shown: false,
            over: undefined,
            closedAt: Infinity,
            settled: false,
          }
          letters.set(id, letter)
          content.get(user)?.add(`${to} ${id}`)
          const pair = `${user.id} ${to}`
          unread.set(pair, (unread.get(pair) ?? new Map<string, Letter>()).set(id, letter))
        }
        if (fact.type === 'message.received') received.add(`${user.name} ${fact.id}`)
        if (fact.type === 'copy.dropped') content.get(user)?.delete(`${fact.to} ${fact.id}`)
        if (fact.type !== 'message.settled') continue
        const { id, to, state } = fact
        // what waits elsewhere is kept too, and sent again when its reader is seen without it
        if (state !== 'waiting') content.get(user)?.delete(`${to} ${id}`)
        const letter = letters.get(id)
        if (letter === undefined) continue
        letter.settled = true
        if (state === 'delivered')
          judge.check('accepted', letter.shown, () => `${user.name} takes a message as delivered that nobody was shown`)
        if (state === 'waiting')
          judge.check('accepted', boxed.has(id), () => `${user.name} takes a message as waiting that no server has on its disk`)
        judge.check('honest', state !== 'passed', () => `${user.name} gave a message to a server that can do more as to one that cannot`)
        if (!FAILED.has(state)) continue
        letter.over = 'failed'
        close(letter)
        judge.check(
          'honest',
          state === 'full' ? wereFull.has(to) : state === 'refused' && (doubtful.has(id) || unreadable.has(to)),
          () => `${user.name} gave up a message to ${byId.get(to)?.name ?? to} as "${state}", which it was not`,
        )
      }
    },
    started: readClock,
    recorded(server, recorded) {
      for (const { fact } of recorded) {
        if (fact.type === 'mailbox.stored') stored(server, fact)
        if (fact.type === 'mailbox.released') released(server, fact)
        const mailed = content.get(server)
        if (fact.type === 'mailbox.stored' || fact.type === 'receipt.kept') mailed?.add(`${fact.user} ${fact.id}`)
        if (fact.type === 'mailbox.released' || fact.type === 'receipt.forgotten')
          for (const id of fact.ids) mailed?.delete(`${fact.user} ${id}`)
      }
    },
    showed(user, event) {
      if (event.event === 'error' && event.code === 'UNREADABLE') unreadable.add(user.id)
      if (event.event === 'message') {
        const letter = letters.get(event.id)
        if (!event.verified) doubtful.add(event.id)
        else if (letter?.to === user.id) {
          letter.shown = true
          close(letter)
        }
      }
      // of what is for all the name is that of the first copy
      if (event.event !== 'sent' || event.to === 'public' || event.id === '') return
      const letter = letters.get(event.id)
      const says = `${user.name} was told that a message was "${event.status}"`
      if (event.status === 'sent' && letter !== undefined) return
      if (event.status === 'delivered') judge.check('accepted', letter?.shown === true, () => `${says}, which nobody was shown`)
      if (event.status === 'waiting') judge.check('accepted', boxed.has(event.id), () => `${says}, which no server has on its disk`)
      if (event.status === 'failed' && letter !== undefined)
        judge.check('honest', letter.over === 'failed' || !letter.settled, () => `${says}, which its log does not know`)
    },
    frameSent(from, _to, text, slipped) {
      const reader = slipped === true ? undefined : byMachine.get(from)
      if (reader !== undefined && text.includes('"type":"RECEIPT"') && text.includes('"state":"delivered"')) confirm(reader, text)
    },
    ended() {
      for (const { from, to, shown, over, settled } of letters.values()) {
        if (over !== undefined) continue
        const what = (): string => `what ${from.name} wrote to ${byId.get(to)?.name ?? to} was never shown`
        judge.check('kept', shown, what)
        if (settled) judge.check('accepted', shown, what)
      }
    },
  }
}
