/** One run of a world: faults for a while, then none, and what was found. */
import { faultNames, needsLiar, startFaults, type FaultName } from './faults/faults.ts'
import { facts } from './invariants/facts.ts'
import { files } from './invariants/files.ts'
import { handing } from './invariants/handing.ts'
import { links } from './invariants/links.ts'
import { mail as watchMail, type Mail } from './invariants/mail.ts'
import { messages } from './invariants/messages.ts'
import { people } from './invariants/people.ts'
import { proofs } from './invariants/proofs.ts'
import { receipts } from './invariants/receipts.ts'
import { soundness } from './invariants/soundness.ts'
import { whereabouts } from './invariants/whereabouts.ts'
import { createJudge, type Invariant, type Violation } from './judge.ts'
import { startLoad } from './load.ts'
import { areLinked, isAttached, untruths } from './paths.ts'
import { createWorld, type Ground, type World } from './world.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly servers: number
  readonly users: number
  /** Virtual milliseconds with faults; the world gets well afterwards, for at most `SETTLE_MS`. */
  readonly timeMs: number
  /** All when left out. */
  readonly faults?: readonly FaultName[]
  /** Numbers of the faults that happen; every one when left out. */
  readonly keep?: ReadonlySet<number>
}

export interface Outcome {
  readonly seed: number
  readonly virtualMs: number
  /** Recorded by servers. */
  readonly facts: number
  /** Messages, each recipient counted. */
  readonly sent: number
  readonly displayed: number
  readonly faults: Readonly<Partial<Record<FaultName, number>>>
  /** How many faults were drawn. */
  readonly drawn: number
  readonly checked: Readonly<Record<Invariant, number>>
  readonly violations: readonly Violation[]
}

/** All is well before the first fault. */
const FIRST_FAULT_MS = 8_000
/** Silence of 45 s, a grace of 30 s, redials and whatever else takes its time. */
export const SETTLE_MS = 120_000
/** Frames of a calm world arrive within it. */
const ON_THE_WAY_MS = 2_000
/** No whole number of seconds: a look must not fall together with the same ping each time. */
const LOOK_MS = 1_733
/** It has to be well at so many looks one after the other: what comes and goes is not. */
const LOOKS_WELL = 4

/** Until everything that is kept has been shown, when nobody writes any more. */
const QUIET_MS = 60_000

/** What is not yet as it has to be in a world that is well; `before`: what was written by then must have been shown. */
const unsettled = (world: World, mail: Mail, before: number): readonly string[] => {
  const { servers, users } = world
  const wrong: string[] = [...mail.open(before), ...untruths(world)]
  for (const user of users) if (!isAttached(world, user)) wrong.push(`${user.name} is not attached to ${user.home.name}`)
  for (const server of servers) {
    if (server.running === undefined) {
      wrong.push(`${server.name} does not run`)
      continue
    }
    for (const user of users)
      if (server.fold.state.mailboxes.of.has(user.id) && user.home !== server)
        wrong.push(`${server.name} has mail of ${user.name}, who is elsewhere`)
    for (const other of servers)
      if (server.name < other.name && !areLinked(world, server, other))
        wrong.push(`${server.name} and ${other.name} do not hear each other`)
    for (const { ends, healthy, waitingSince = Infinity } of world.network.connectionsOf(server.machine))
      if (healthy && world.schedule.now() - waitingSince > ON_THE_WAY_MS)
        wrong.push(`frames between ${ends.map(({ machine }) => machine.name).join(' and ')} do not arrive`)
  }
  return wrong
}

/** Runs a world to its end. Rejects only for a mistake of the simulation itself. */
export const simulate = async (options: SimulationOptions, ground: Ground, watch: (world: World) => void = () => {}): Promise<Outcome> => {
  const { seed, servers, users, timeMs, faults: names = faultNames, keep } = options
  const world = createWorld({ seed, servers, users, liar: needsLiar(names) }, ground)
  const { schedule } = world
  const judge = createJudge(schedule.now)
  let recorded = 0
  let sent = 0
  let displayed = 0
  watch(world)
  world.witnesses.join({
    recorded: (_server, facts) => {
      recorded += facts.length
    },
    sending: ({ to }) => {
      sent += to.length
    },
    showed: (_user, { event }) => {
      if (event === 'message') displayed += 1
    },
  })
  const mail = watchMail(world, judge)
  const witnesses = [
    mail,
    handing(world, judge, mail),
    messages(world, judge, mail),
    facts(world, judge),
    people(world, judge),
    files(world, judge),
    proofs(world, judge),
    receipts(world, judge, mail),
    links(world, judge),
    whereabouts(world, judge),
    soundness(judge),
  ]
  for (const witness of witnesses) world.witnesses.join(witness)
  const load = startLoad(world)
  const faults = startFaults(world, { names, first: Math.abs(seed), ...(keep !== undefined && { keep }) }, FIRST_FAULT_MS)

  await schedule.run(timeMs)
  faults.stop()
  const until = timeMs + SETTLE_MS
  let wrong: readonly string[] = []
  for (let well = 0; well < LOOKS_WELL && schedule.now() < until;) {
    await schedule.run(Math.min(until, schedule.now() + LOOK_MS))
    const found = unsettled(world, mail, timeMs)
    well = found.length === 0 ? well + 1 : 0
    wrong = well === LOOKS_WELL ? [] : found.length === 0 ? wrong : found
  }
  judge.check('converged', wrong.length === 0, () => `${SETTLE_MS / 1_000} s after the last fault: ${wrong.slice(0, 8).join('; ')}`)
  load.stop()
  // what is on its way arrives
  const quiet = schedule.now() + QUIET_MS
  do await schedule.run(schedule.now() + 2 * LOOK_MS)
  while (wrong.length === 0 && schedule.now() < quiet && mail.open(Infinity).length > 0)
  if (wrong.length === 0) world.witnesses.ended()

  for (const server of [...world.servers, ...(world.liar === undefined ? [] : [world.liar])]) {
    server.kill()
    server.disk.database.close()
  }
  for (const user of world.users) {
    user.kill()
    user.disk.database.close()
  }
  return {
    seed,
    virtualMs: Math.round(schedule.now()),
    facts: recorded,
    sent,
    displayed,
    faults: faults.counts,
    drawn: faults.drawn(),
    checked: judge.checked,
    violations: judge.violations,
  }
}
