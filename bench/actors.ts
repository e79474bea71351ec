/** What machines and the runtime cost: each figure beside a plain reducer that was run in the same process. `node bench/actors.ts` */
import { createActor } from 'xstate'
import { createHost } from '../src/actors/host.ts'
import { createRuntime } from '../src/actors/runtime.ts'
import { createStepper, type MachineState, type NamedAction } from '../src/actors/stepper.ts'
import { createSupervisor } from '../src/actors/supervisor.ts'
import type { Fact, LinkFact } from '../src/domain/facts.ts'
import { bootstrapMachine } from '../src/machines/bootstrap.ts'
import { linkMachine } from '../src/machines/link.ts'
import { sessionMachine } from '../src/machines/session.ts'
import { transferMachine } from '../src/machines/transfer.ts'
import type { Address, ServerId } from '../src/protocol/ids.ts'
import type { EventLog, NewFact } from '../src/store/log.ts'
import { createManualClock } from '../test/helpers/manual-clock.ts'

const links = 1_000
const rounds = 50
const at = 1_750_000_000_000

/** Every link is dialled, links and closes, `rounds` times over: 150,000 facts. */
const history: NewFact<LinkFact>[] = []
for (let round = 0; round < rounds; round += 1)
  for (const step of ['link.dialled', 'link.linked', 'link.closed'] as const)
    for (let n = 0; n < links; n += 1) {
      const server = `server-${n}` as ServerId
      const fact: LinkFact =
        step === 'link.dialled'
          ? { type: step, server, url: 'ws://127.0.0.1:1' }
          : step === 'link.linked'
            ? { type: step, server, direction: 'dialled', proven: true, caps: [] }
            : { type: step, server, why: '1000' }
      history.push({ stream: `link:${server}`, at: at + history.length, fact })
    }

/** The same three modes without a machine. */
const plain = () => {
  const modes = new Map<Address, { state: string; failures: number; since: number | null }>()
  return ({ stream, at: when, fact }: NewFact<Fact>): void => {
    const mode = modes.get(stream) ?? { state: 'resting', failures: 0, since: null }
    if (fact.type === 'link.dialled') mode.state = 'dialling'
    else if (fact.type === 'link.linked') {
      mode.state = 'linked'
      mode.since = when
    } else if (fact.type === 'link.closed') {
      mode.state = 'resting'
      mode.failures += 1
      mode.since = null
    }
    modes.set(stream, mode)
  }
}

const nodeHost = (evolve: (recorded: NewFact<Fact>) => void) =>
  createHost<Fact>({
    machines: { link: linkMachine, session: sessionMachine, transfer: transferMachine, bootstrap: bootstrapMachine },
    fold: { evolve },
    broadcast: type => type === 'node.started',
  })

interface Case {
  readonly name: string
  readonly operations: number
  readonly body: () => void | Promise<void>
  readonly times: number[]
}
const cases: Case[] = []
const measure = (name: string, operations: number, body: Case['body']): void => void cases.push({ name, operations, body, times: [] })

measure('reference: plain reducer, facts', history.length, () => {
  const evolve = plain()
  for (const fact of history) evolve(fact)
})

measure('stepper: machine.transition with a reused scope', history.length, () => {
  const stepper = createStepper(linkMachine)
  const states = new Map<Address, MachineState>()
  for (const { stream, at: when, fact } of history) {
    const named: NamedAction[] = []
    const event = { ...fact, at: when }
    states.set(stream, stepper.next(states.get(stream) ?? stepper.initial('x', named), event, named))
  }
})

measure('reference: XState actor.send', history.length, () => {
  const actors = new Map<Address, ReturnType<typeof createActor<typeof linkMachine>>>()
  for (const { stream, at: when, fact } of history) {
    let actor = actors.get(stream)
    if (!actor) {
      actor = createActor(linkMachine, { id: stream, input: { id: 'x' } }).start()
      actors.set(stream, actor)
    }
    actor.send({ ...fact, at: when })
  }
})

measure('host: facts with a machine and a plain fold', history.length, () => {
  const host = nodeHost(plain())
  for (const fact of history) host.apply(fact)
})

measure('host: facts without a machine', history.length, () => {
  const host = nodeHost(plain())
  for (const { fact } of history) host.apply({ stream: 'user:x', at, fact })
})

/** A log that takes everything at once: what is left is the runtime's own cost. */
const instantLog: EventLog<Fact> = {
  epoch: 1,
  append: () => Promise.resolve({ firstSeq: 1 }),
  read: async function* () {},
  head: () => Promise.resolve(0),
  mail: { read: () => Promise.resolve([]), size: () => Promise.resolve({ count: 0, bytes: 0 }) },
  close: () => Promise.resolve(),
}

measure('runtime: record to effect, 100 facts a tick', history.length, async () => {
  const clock = createManualClock()
  let performed = 0
  const runtime = createRuntime<Fact>({
    log: instantLog,
    host: nodeHost(plain()),
    clock,
    perform: () => {
      performed += 1
    },
    fatal: error => {
      throw error
    },
    crashed: error => {
      throw error
    },
  })
  for (const [index, { stream, fact }] of history.entries()) {
    runtime.record(stream, fact)
    if (index % 100 === 99) {
      clock.tick()
      await Promise.resolve()
    }
  }
  const flushed = runtime.flushed()
  clock.tick()
  await flushed
  if (performed === 0) throw new Error('no effect came out')
})

const messages = 200_000
for (const [name, burst] of [
  ['supervisor: tell to receive, bursts of 100', 100],
  ['supervisor: tell to receive, one at a time', 1],
] as const)
  measure(name, messages, async () => {
    let handled = 0
    const supervisor = createSupervisor({
      clock: createManualClock({ endOfTick: 'microtask' }),
      groups: { all: { strategy: 'one_for_one', restarts: 1, withinMs: 1, backoff: { firstMs: 1, capMs: 1 } } },
      deadLetters: 1,
      stopMs: 1,
      escalated: () => {},
    })
    const actor = supervisor.spawn<number>({
      address: 'a',
      group: 'all',
      mailbox: { messages: 128 },
      receive: () => {
        handled += 1
      },
    })
    for (let n = 1; n <= messages; n += 1) {
      actor.tell(n)
      if (n % burst === 0) await Promise.resolve()
    }
    await Promise.resolve()
    if (handled !== messages) throw new Error(`only ${handled} were handled`)
  })

// turn and turn about, and in time of the processor, so that what else runs on the machine weighs on all alike
for (let run = 0; run < 7; run += 1)
  for (const { body, times } of cases) {
    const began = process.cpuUsage()
    await body()
    const { user, system } = process.cpuUsage(began)
    times.push(user + system)
  }
for (const { name, operations, times } of cases) {
  const median = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN
  const each = median / operations
  console.log(
    `${name.padEnd(52)} ${each.toFixed(3).padStart(8)} CPU µs ${Math.round(1e6 / each)
      .toLocaleString('en')
      .padStart(12)} /CPU s`,
  )
}
