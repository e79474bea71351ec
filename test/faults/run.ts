/** One run: a mesh of real processes, people who talk, faults from a seed one after the other or several at once, and how long it takes to be well again. */
import { randomInt } from 'node:crypto'
import { difference, listText } from './checker.ts'
import { type Begun, type Fault, type FaultName, faults } from './faults.ts'
import { type Line, machineMs } from './history.ts'
import { startTown, type Town } from './town.ts'

export interface RunOptions {
  readonly seed: number
  readonly servers: number
  readonly people: number
  readonly programs: number
  /** What goes wrong, in this order; several names at once are faults that overlap. */
  readonly plan: readonly (readonly FaultName[])[]
  /** 1 in earnest; less makes what lasts shorter. */
  readonly scale: number
  /** Milliseconds between two things that a person says, on average. */
  readonly everyMs: number
  readonly folder: string
  readonly history: string
}

/** How long after a heal everybody must be able to write and be reached. */
const PATIENCE_MS = 90_000
const LOOK_MS = 400
const RETRY_MS = 500
const FIRST_MS = 60_000
/** After the last word everything that is kept must have arrived within it. */
const SETTLE_MS = 60_000

/** People talk: everybody to anybody, at their own times. */
const startTalk = (town: Town, everyMs: number): (() => void) => {
  const dice = town.dice.fork('talk')
  const names = [...town.people.keys()]
  let timer: NodeJS.Timeout
  const next = (): void => {
    timer = setTimeout(
      () => {
        const from = dice.pick(names)
        const to = dice.pick(names.filter(name => name !== from))
        // now and then several lines at once, for the order
        const lines = dice.chance(0.1) ? 3 : 1
        for (let line = 0; line < lines; line += 1) town.say(from, { to })
        next()
      },
      dice.apart(everyMs / names.length),
    )
  }
  next()
  return () => {
    clearTimeout(timer)
  }
}

/** Has everybody whose program runs say something to somebody whose program runs, until each has been heard once. */
const startProbe = (town: Town, name: string) => {
  const there = town.programs.filter(({ state }) => state === 'running').flatMap(({ people }) => people)
  const waiting = new Set(there)
  const said = new Map<string, string>()
  let heardAt = machineMs()
  const ids = new Map([...town.people].map(([person, id]) => [id, person]))
  const say = (from: string): void => {
    const next = there[(there.indexOf(from) + 1) % there.length] ?? ''
    if (!town.say(from, { to: next, probe: name })) waiting.delete(from)
  }
  const stop = town.listen((line: Line) => {
    if (line.what === 'saying' && line.probe === name) said.set(`${line.from} ${String(line.n)}`, line.from)
    if (
      line.what === 'told' &&
      (line.status === 'unsaid' || line.status === 'failed') &&
      said.has(`${line.from} ${String(line.n)}`) &&
      waiting.has(line.from)
    )
      setTimeout(() => {
        say(line.from)
      }, RETRY_MS).unref()
    if (line.what === 'shown') {
      const from = ids.get(line.from) ?? ''
      if (said.has(`${from} ${String(line.n)}`) && waiting.delete(from)) heardAt = line.ms
    }
  })
  for (const person of there) say(person)
  return {
    waiting,
    there,
    get heardAt() {
      return heardAt
    },
    stop,
  }
}

/** Waits until everybody can write and be reached, and lists are the same and whole; says how long that took since `sinceMs`. */
const recover = async (
  town: Town,
  round: number,
  kind: string,
  after: 'fault' | 'heal',
  sinceMs: number,
  untilMs: number,
): Promise<boolean> => {
  const probe = startProbe(town, `${String(round)} after ${after}`)
  let equalAt: number | undefined
  let why: readonly string[] = []
  for (;;) {
    const asked = machineMs()
    const lists = await town.look()
    const whole = [...lists.values()].every(users => {
      const online = new Set(users.flatMap(([user, , state]) => (state === 'online' ? [user] : [])))
      return probe.there.every(person => online.has(town.people.get(person) ?? ''))
    })
    const asking = town.servers.filter(({ state }) => state === 'running').length
    const same = lists.size === asking && new Set([...lists.values()].map(listText)).size === 1
    if (!same || !whole) {
      equalAt = undefined
      why = [same ? 'somebody is not listed as online' : difference([...lists].map(([server, users]) => ({ server, users })))]
    } else equalAt ??= asked
    await town.pass(0)
    const tookMs = Math.max(probe.heardAt, equalAt ?? 0) - sinceMs
    if (equalAt !== undefined && probe.waiting.size === 0) {
      probe.stop()
      town.tell({ what: 'recovered', round, kind, after, tookMs, waiting: [] })
      return true
    }
    if (machineMs() > untilMs) {
      probe.stop()
      const waiting = [...(equalAt === undefined ? why : []), ...[...probe.waiting].map(person => `${person} was not heard`)]
      town.tell({ what: 'stuck', round, kind, after, tookMs: machineMs() - sinceMs, waiting })
      return false
    }
    await town.pass(LOOK_MS)
  }
}

/** Begins faults of one round, and heals each in its time; resolves at the last heal. */
const playRound = async (town: Town, round: number, names: readonly FaultName[], scale: number): Promise<void> => {
  const kind = names.length === 1 ? (names[0] ?? '') : 'several'
  const dice = town.dice.fork(`round ${String(round)}`)
  const begun: Begun[] = []
  const goesOn = names.every(name => (faults[name] as Fault).goesOn === true)
  for (const name of names) {
    const one = await (faults[name] as Fault).begin(town, dice, scale)
    if (one === undefined) continue
    begun.push(one)
    town.tell({ what: 'fault', round, kind, details: { name, ...one }, goesOn })
    if (names.length > 1) await town.pass(dice.whole(0, 3_000) * scale)
  }
  const from = machineMs()
  const meanwhile =
    goesOn && names.length === 1
      ? recover(town, round, kind, 'fault', from, from + Math.max(...begun.map(({ holdMs }) => holdMs)))
      : undefined
  await Promise.all(
    begun.map(async ({ holdMs, heal }) => {
      await town.pass(Math.max(0, from + holdMs - machineMs()))
      await meanwhile
      heal()
    }),
  )
  const healedAt = machineMs()
  town.tell({ what: 'healed', round, kind })
  await recover(town, round, kind, 'heal', healedAt, healedAt + PATIENCE_MS)
}

/** Everything that is kept arrives: nothing was told `sent` for the last time, and nothing that was accepted is unseen. */
const settle = async (town: Town): Promise<void> => {
  const until = machineMs() + SETTLE_MS
  for (;;) {
    const shown = new Set(town.lines.flatMap(line => (line.what === 'shown' ? [line.id] : [])))
    const failed = new Set(town.lines.flatMap(line => (line.what === 'told' && line.status === 'failed' ? [line.id] : [])))
    const open = town.lines.some(line => line.what === 'told' && line.id !== '' && !shown.has(line.id) && !failed.has(line.id))
    if (!open || machineMs() > until) return
    await town.pass(LOOK_MS)
  }
}

/** Runs it; answers the history. Rejects when the mesh did not even begin. */
export const run = async (options: RunOptions): Promise<readonly Line[]> => {
  const town = await startTown(options)
  try {
    for (const server of town.servers) server.start()
    for (const program of town.programs) program.start()
    const begin = machineMs()
    if (!(await recover(town, 0, 'the start', 'fault', begin, begin + FIRST_MS))) throw new Error('the mesh did not begin')
    const hush = startTalk(town, options.everyMs)
    for (const [index, names] of options.plan.entries()) {
      await playRound(town, index + 1, names, options.scale)
      await town.pass(town.dice.whole(0, 2_000))
    }
    hush()
    await settle(town)
  } finally {
    await town.close()
  }
  return town.lines
}

/** A seed of its own for each run that nobody gave one to. */
export const anySeed = (): number => randomInt(2 ** 31)
