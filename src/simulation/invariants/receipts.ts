/** What writers hear of their messages: that a mailbox took them, that they were shown, also of those that had waited; and nothing before it is so. */
import { FAILED } from '../../client/facts.ts'
import { lastHomeOf } from '../../domain/homes.ts'
import type { Judge } from '../judge.ts'
import { areLinked, isAttached, isLinked, openPath } from '../paths.ts'
import type { SimulatedServer } from '../server.ts'
import type { SimulatedUser } from '../user.ts'
import type { Witness } from '../witness.ts'
import { partsOf, type World } from '../world.ts'
import type { Letter, Mail } from './mail.ts'

const HEARD_MS = 5_000
const TAKEN_MS = 5_000
/** Servers have compared what they know of each other's people. */
const SETTLED_MS = 5_000
const LOOK_MS = 2_300
/** A writer who sees somebody online for 4 s takes what waits for stuck; a reader waits 10 s for what comes before. */
const STRANDED_MS = 25_000
/** A reader who died so long before something was written could not have been on their way back. */
const AWAY_MS = 1_000
/** Names of messages are SHA-256 in base64url, those of files are not. */
const NAME_LENGTH = 43

export const receipts = (world: World, judge: Judge, mail: Mail): Witness => {
  const { schedule, trouble, users, servers } = world
  const byId = new Map(users.map(user => [user.id as string, user]))
  /** What the log of a message's writer says of it. */
  const states = new Map<string, string>()
  /** Messages that wait as far as their writer knows. */
  const waiting = new Map<string, Letter>()
  /** A server that had a message in its mailbox when its reader said that it was shown there. */
  const readAt = new Map<string, { readonly server: SimulatedServer }>()
  const expired = new Set<string>()
  /** `server reader receipt` → how long it is kept, Unix milliseconds. */
  const until = new Map<string, number>()
  /** `writer ts` → copies of a message to all. */
  const copies = new Map<string, string[]>()
  const copyOf = new Map<string, string>()
  const diedAt = new Map<SimulatedUser, number>()

  /** Where a server sends what is for somebody, now or when they are back. */
  const homeAt = (server: SimulatedServer, reader: SimulatedUser): string | undefined => {
    const home = lastHomeOf(server.fold.state, reader.id, other => isLinked(server, other))
    return home === 'local' ? server.id : home
  }
  /** The way from a person to a server where somebody else's mail is; undefined while it is not open. */
  const wayTo = (writer: SimulatedUser, server: SimulatedServer, reader: SimulatedUser): readonly string[] | undefined => {
    const { home } = writer
    if (!isAttached(world, writer) || server.running === undefined || server.life?.paused !== false) return undefined
    if (home !== server && !areLinked(world, home, server)) return undefined
    return homeAt(home, reader) === server.id ? partsOf(writer.machine, home.machine, server.machine) : undefined
  }

  const shown = (reader: SimulatedUser, letter: Letter): void => {
    const at = schedule.now()
    const parts = openPath(world, letter.from, reader)
    if (parts === undefined || !trouble.calm(parts, at)) return
    schedule.after(HEARD_MS, () => {
      // of what was given up nothing is expected any more; a copy of it may have got through all the same
      if (trouble.calm(parts, at) && letter.over === undefined)
        judge.check(
          'heard',
          states.get(letter.id) === 'delivered',
          () => `${letter.from.name} has not heard that ${reader.name} was shown a message`,
        )
    })
  }

  /** Nobody takes it but a mailbox: its reader's program is not there. */
  const stored = (writer: SimulatedUser, id: string): void => {
    const at = schedule.now()
    const reader = byId.get(mail.letter(id)?.to ?? '')
    if (reader === undefined) return
    const isAway = (): boolean => reader.life === undefined && (diedAt.get(reader) ?? Infinity) < at - AWAY_MS
    const parts = wayTo(writer, reader.home, reader)
    const { home } = reader
    if (!isAway() || parts === undefined) return
    const { pins, attached } = home.fold.state.directory
    // a server is not told that a machine has lost its power, and waits for it to read
    if (pins.get(reader.id)?.proven !== true || attached.has(reader.id)) return
    // where somebody is listed changes while a server that had them is back
    if (!trouble.calm([...parts, ...servers.map(({ name }) => name)], at - SETTLED_MS)) return
    schedule.after(TAKEN_MS, () => {
      if (!isAway() || !trouble.calm(parts, at) || wayTo(writer, home, reader) === undefined) return
      judge.check('taken', states.has(id), () => `no mailbox took what ${writer.name} wrote to ${reader.name}, who is away`)
    })
  }

  /** Whoever comes back asks what became of what had waited. */
  const back = (writer: SimulatedUser): void => {
    // their own trouble ends in this moment
    const at = schedule.now() + 1
    const asked = [...waiting].filter(([id, { from }]) => from === writer && readAt.has(id))
    schedule.after(HEARD_MS, () => {
      for (const [id, { to }] of asked) {
        const [read, reader] = [readAt.get(id), byId.get(to)]
        if (read === undefined || reader === undefined || expired.has(`${read.server.name} ${to}`)) continue
        const parts = wayTo(writer, read.server, reader)
        if (parts !== undefined && trouble.calm(parts, at))
          judge.check(
            'heard',
            states.get(id) !== 'waiting',
            () => `${writer.name} is back, and has not heard that ${reader.name} was shown what had waited`,
          )
      }
    })
  }

  /** Since when what waits could be sent again, and what was looked at once is not looked at again. */
  const stuckSince = new Map<string, number>()
  const tried = new Set<string>()
  const stranded = (id: string, { from: writer, to, shown: isShown, over }: Letter): void => {
    const reader = byId.get(to)
    if (reader === undefined || isShown || over !== undefined || tried.has(id)) return
    const boxes = mail.waitsAt(id)
    const gone = boxes.length > 0 && boxes.every(({ life }) => life === undefined)
    const parts = gone ? openPath(world, writer, reader) : undefined
    const since = stuckSince.get(id)
    if (parts === undefined || !trouble.calm(parts, since ?? schedule.now() - 1)) {
      // a copy may have left that was lost: the next is sent ten minutes later
      if (since !== undefined || isAttached(world, reader)) tried.add(id)
      return
    }
    if (since === undefined) stuckSince.set(id, schedule.now())
    judge.check(
      'stranded',
      schedule.now() - (since ?? schedule.now()) <= STRANDED_MS,
      () => `what ${writer.name} wrote to ${reader.name} waits at a server that is gone, and was not sent again`,
    )
  }

  const watch = (): void => {
    schedule.after(LOOK_MS, () => {
      for (const [id, letter] of waiting) stranded(id, letter)
      watch()
    })
  }
  watch()

  return {
    userDied(user) {
      diedAt.set(user, schedule.now())
    },
    userStarted(user) {
      diedAt.delete(user)
    },
    userRecorded(user, recorded) {
      for (const { fact } of recorded) {
        if (fact.type === 'message.stored') {
          stored(user, fact.id)
          if (fact.kind !== 'public') continue
          const name = `${user.name} ${fact.ts}`
          copies.set(name, [...(copies.get(name) ?? []), fact.id])
          copyOf.set(fact.id, name)
        }
        if (fact.type !== 'message.settled') continue
        states.set(fact.id, fact.state)
        const letter = mail.letter(fact.id)
        if (fact.state === 'waiting' && letter !== undefined) waiting.set(fact.id, letter)
        else waiting.delete(fact.id)
      }
    },
    recorded(server, recorded) {
      for (const { fact } of recorded) {
        if (fact.type === 'mailbox.released' && fact.why === 'delivered') for (const id of fact.ids) readAt.set(id, { server })
        if (fact.type === 'receipt.kept') until.set(`${server.name} ${fact.user} ${fact.id}`, fact.until)
        if (fact.type !== 'receipt.forgotten') continue
        expired.add(`${server.name} ${fact.user}`)
        for (const id of fact.ids)
          judge.check(
            'heard',
            mail.latestClock(server) >= (until.get(`${server.name} ${fact.user} ${id}`) ?? Infinity),
            () => `${server.name} forgot a receipt before its time`,
          )
      }
    },
    showed(user, event) {
      if (event.event === 'ready' || event.event === 'resumed') back(user)
      if (event.event === 'message' && event.verified) {
        const letter = mail.letter(event.id)
        if (letter?.to === user.id) shown(user, letter)
      }
      if (event.event !== 'sent' || event.id.length !== NAME_LENGTH) return
      const { id, status } = event
      const says = (): string => `${user.name} was told that a message was "${status}"`
      if (status === 'sent') judge.check('recorded_first', mail.letter(id) !== undefined, () => `${says()}, which its log does not know`)
      else if (event.to !== 'public') {
        const state = states.get(id) ?? ''
        const known = status === 'failed' ? FAILED.has(state as never) || mail.letter(id) === undefined : state === status
        judge.check('recorded_first', known, () => `${says()}, and its log says "${state}"`)
      } else if (status === 'delivered') {
        const all = copies.get(copyOf.get(id) ?? '') ?? []
        const unread = all.filter(copy => states.get(copy) !== 'delivered')
        judge.check('accepted', unread.length === 0, () => `${says()}, of which ${unread.length} of ${all.length} copies are not`)
      }
    },
    ended() {
      for (const server of servers)
        judge.check('bounded', server.fold.state.receipts.size <= users.length, () => `${server.name} keeps receipts of strangers`)
    },
  }
}
