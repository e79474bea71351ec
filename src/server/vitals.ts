/** What a node counts and measures of itself, as plain numbers: for metrics, for `socp status`, and for tests that want bounds. */
import { priorities } from '../crypto/signing-queue.ts'
import { claimOf } from '../domain/directory.ts'
import type { Distribution } from '../ports/metrics.ts'
import type { ActorGroup, Node } from './node.ts'

/** `family label` → number; a family without labels is its name alone. */
export type Numbers = Readonly<Record<string, number>>

export interface Vitals {
  /** How often what happened, by kind and reason. */
  count(what: string, why: string, times?: number): void
  counters(): Numbers
  /** What there is now: links by state, queues, and every structure that grows with peers or users. */
  gauges(): Numbers
  /** Times in milliseconds. */
  distributions(): Readonly<Record<string, Distribution>>
  /** A batch of facts was committed so long (ms) after it was handed to the log. */
  committed(ms: number, facts: number): void
  /** The log takes so many bytes of its disk. */
  noteLogBytes(bytes: number): void
  /** Begins to measure how late the loop is. */
  start(): void
}

/** Upper ends in milliseconds; the lowest is what a tmpfs takes, the highest what a dying disk does. */
const APPEND_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000, 5_000]
/** How often the loop's lateness is looked at, and for how many looks the worst one is shown. */
const LOOP_MS = 1_000
const LOOKS = 15

/** Kind of an address → the name under which machines of that kind are counted by state, and the states that are shown when empty. */
const populations: Readonly<Record<string, readonly [family: string, ...states: string[]]>> = {
  link: ['links', 'resting', 'dialling', 'linked'],
  session: ['sessions', 'attached', 'detached'],
  transfer: ['transfers', 'offered', 'active', 'suspended'],
  bootstrap: ['bootstrap'],
}

const GROUPS: readonly ActorGroup[] = ['node', 'connections', 'links', 'sessions', 'transfers']

export const createVitals = (node: Node): Vitals => {
  const counters = new Map<string, number>()
  const appends = { counts: new Array<number>(APPEND_MS.length + 1).fill(0), sum: 0 }
  const late: number[] = []
  let logBytes = 0

  const count: Vitals['count'] = (what, why, times = 1) => {
    const name = `${what} ${why}`
    counters.set(name, (counters.get(name) ?? 0) + times)
  }

  /** Everything that a peer or a user makes longer, by name; each has its bound, which follows from the live ones or from the limits. */
  const kept = (): Readonly<Record<string, number>> => {
    const { directory, membership, vouchers, aside } = node.state
    return {
      members: membership.servers.size,
      bans: membership.bans.size,
      vouchers: vouchers.size,
      set_aside: aside.size,
      pins: directory.pins.size,
      key_conflicts: directory.conflicts.size,
      origins: directory.origins.size,
      departed: directory.departed.size,
      homes: node.state.homes.size,
      other_keys: node.otherKeys.size,
      timers: node.timers.armed,
      seen_origins: node.seen.origins,
      dead_letters: node.supervisor.deadLetters.list().length,
    }
  }

  /** Those of a server that has been silent for too long are kept, and not listed. */
  const listedUsers = (): number => {
    let count = 0
    for (const entry of node.state.directory.users.values()) if (claimOf(node.state.directory, entry, node.links.isLinked)) count += 1
    return count
  }

  return {
    count,
    counters: () => {
      const signing = node.signer.counts()
      const dead = node.supervisor.deadLetters.counts()
      const all = [
        ...GROUPS.flatMap(group => ['crashed', 'restarted'].map(what => [`${what} ${group}`, 0] as const)),
        ...counters,
        ...Object.entries(signing.signed).map(([priority, n]) => [`signed ${priority}`, n] as const),
        ...Object.entries(signing.shed).map(([priority, n]) => [`shed ${priority}`, n] as const),
        ...Object.entries(dead).map(([reason, n]) => [`dead_letter ${reason}`, n] as const),
      ]
      return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    gauges() {
      const gauges: Record<string, number> = {}
      const add = (name: string, by: number): void => {
        gauges[name] = (gauges[name] ?? 0) + by
      }
      for (const [family, ...states] of Object.values(populations)) for (const state of states) add(`${family} ${state}`, 0)
      for (const [address, { state }] of node.runtime.machines()) {
        const [family] = populations[address.split(':', 1)[0] ?? ''] ?? ['machines']
        add(`${family} ${state}`, 1)
      }
      for (const { group, waiting } of node.supervisor.actors()) {
        add(`actors ${group}`, 1)
        add(`mailbox ${group}`, waiting)
      }
      const sockets = node.connections.sizes()
      for (const [priority, waiting] of Object.entries(node.signer.depths())) add(`signing_queue ${priority}`, waiting)
      add('signing_rate', Math.round(node.pace.perSecond()))
      for (const priority of priorities) add(`refusing ${priority}`, node.load.refusing.includes(priority) ? 1 : 0)
      for (const [name, size] of Object.entries(kept())) add(`kept ${name}`, size)
      return {
        ...gauges,
        'sockets open': sockets.open,
        'sockets hello': sockets.hello,
        outgoing_frames: sockets.frames,
        outgoing_bytes: sockets.bytes,
        'users online': listedUsers(),
        'users here': node.state.directory.attached.size,
        withheld: node.standings.withheld,
        append_queue: node.runtime.pending(),
        log_bytes: logBytes,
        loop_lag: Math.max(0, ...late),
        epoch: node.state.epoch,
      }
    },
    distributions: () => ({ append: { bounds: APPEND_MS, counts: [...appends.counts], sum: appends.sum } }),
    committed(ms, facts) {
      const bucket = APPEND_MS.findIndex(bound => ms <= bound)
      const at = bucket < 0 ? APPEND_MS.length : bucket
      appends.counts[at] = (appends.counts[at] ?? 0) + 1
      appends.sum += ms
      count('recorded', 'fact', facts)
    },
    noteLogBytes(bytes) {
      logBytes = bytes
    },
    start() {
      let due = node.ports.clock.monotonic() + LOOP_MS
      node.timers.every(LOOP_MS, () => {
        const now = node.ports.clock.monotonic()
        late.push(Math.max(0, now - due))
        if (late.length > LOOKS) late.shift()
        // the next round was armed before this one ran, so it counts from here
        due = now + LOOP_MS
      })
    },
  }
}
