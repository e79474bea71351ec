/** Actors by address in groups, as in OTP: bounded mailboxes, restarts with intensity and backoff, escalation, ordered shutdown, dead letters. */
import type { Clock } from '../ports/clock.ts'
import { createActorOf, type Actor, type ActorHost, type ActorOptions } from './actor.ts'
import { createDeadLetters, type DeadLetters } from './dead-letters.ts'
import { createGroup, type Group, type GroupOptions } from './group.ts'

/** What happened under a supervisor, for logs and metrics. */
export type SupervisorEvent =
  | { readonly type: 'actor.crashed' | 'actor.restarted'; readonly address: string; readonly group: string; readonly error: unknown }
  /** `inTime` is false when the message in hand or `stopped` took longer than `stopMs`. */
  | { readonly type: 'actor.stopped'; readonly address: string; readonly group: string; readonly why: string; readonly inTime: boolean }
  | { readonly type: 'group.escalated'; readonly group: string; readonly error: unknown }

export interface SupervisorOptions<Name extends string> {
  readonly clock: Clock
  /** Groups in the order in which they start; a parent stands before its children. */
  readonly groups: Readonly<Record<Name, GroupOptions<Name>>>
  /** Most dead letters that are kept. */
  readonly deadLetters: number
  /** Most milliseconds that stopping one actor waits for it. */
  readonly stopMs: number
  /** A group without a parent failed; all actors have been stopped. */
  readonly escalated: (error: unknown) => void
  readonly observe?: (event: SupervisorEvent) => void
}

export interface ActorView {
  readonly address: string
  readonly group: string
  readonly state: 'running' | 'suspended' | 'stopped'
  readonly waiting: number
}

export interface Supervisor<Name extends string> {
  /** Starts an actor and answers how to tell this one, and none after it, something. Throws when the address is taken or the supervisor is stopping. */
  spawn<M>(options: ActorOptions<M, Name>): { readonly tell: (message: M, bytes?: number) => boolean }
  /** Queues a message; false when there is no such actor or its mailbox is full, and then it is a dead letter. */
  tell(address: string, message: unknown, bytes?: number): boolean
  /** Frees the address at once; `stopped` comes after the message in hand. What waited becomes dead letters. */
  stop(address: string, why: string): void
  /** Stops all actors, the last started first, one after the other; then nothing more can be spawned. */
  shutdown(why: string): Promise<void>
  actors(): Iterable<ActorView>
  readonly deadLetters: DeadLetters
}

/** Messages that one actor handles before the next has its turn, and all together before sockets and timers have theirs. */
const turn = 64
const burst = 1_024

/** Makes a supervisor with its groups and no actors. Throws when a group's parent does not stand before it. */
export const createSupervisor = <Name extends string>(options: SupervisorOptions<Name>): Supervisor<Name> => {
  const { clock, observe } = options
  const actors = new Map<string, Actor>()
  const groups = new Map<string, Group>()
  const roots: Group[] = []
  const deadLetters = createDeadLetters({ capacity: options.deadLetters, now: () => clock.now(), tell: (...letter) => tell(...letter) })
  let stopping: Promise<void> | undefined

  let queue = new Set<Actor>()
  let waking = false
  const drain = (): void => {
    let handled = 0
    while (queue.size > 0 && handled < burst) {
      const batch = queue
      queue = new Set()
      for (const actor of batch) handled += actor.run(turn)
    }
    waking = queue.size > 0
    if (waking) clock.endOfTick(drain)
  }

  const groupOf = (name: string): Group => {
    const group = groups.get(name)
    if (!group) throw new Error(`there is no group ${name}`)
    return group
  }

  const forget = (actor: Actor): void => {
    const { address, group } = actor.options
    groupOf(group).remove(actor)
    actors.delete(address)
  }

  const host: ActorHost = {
    clock,
    stopMs: options.stopMs,
    ready: actor => {
      queue.add(actor)
      if (waking) return
      waking = true
      // one microtask a burst, not one a message
      queueMicrotask(drain)
    },
    crashed: (actor, error) => {
      const { address, group, restart } = actor.options
      observe?.({ type: 'actor.crashed', address, group, error })
      if (restart !== 'temporary') groupOf(group).failed(actor, error)
      else if (actor.state() !== 'stopped') {
        forget(actor)
        void actor.stop('crashed')
      }
    },
    restarted: ({ options: { address, group } }, error) => observe?.({ type: 'actor.restarted', address, group, error }),
    stopped: ({ options: { address, group } }, why, inTime) => observe?.({ type: 'actor.stopped', address, group, why, inTime }),
    dead: (actor, letter, reason) => deadLetters.add({ address: actor.options.address, reason, ...letter }),
  }

  const deliver = (actor: Actor | undefined, address: string, message: unknown, bytes: number): boolean => {
    if (actor?.tell(message, bytes)) return true
    const reason = actor === undefined ? 'unknown' : actor.state() === 'stopped' ? 'stopped' : 'full'
    deadLetters.add({ address, message, bytes, reason })
    return false
  }
  const tell = (address: string, message: unknown, bytes = 0): boolean => deliver(actors.get(address), address, message, bytes)

  const shutdown = (why: string): Promise<void> =>
    (stopping ??= (async () => {
      for (const group of [...roots].reverse()) await group.stop(why)
      actors.clear()
    })())

  for (const [name, group] of Object.entries<GroupOptions<Name>>(options.groups)) {
    const parent = group.parent === undefined ? undefined : groupOf(group.parent)
    const made = createGroup(group, clock, (failed, error) => {
      observe?.({ type: 'group.escalated', group: name, error })
      if (parent) parent.failed(failed, error)
      else void shutdown('escalated').then(() => options.escalated(error))
    })
    groups.set(name, made)
    if (parent) parent.add(made)
    else roots.push(made)
  }

  return {
    spawn: <M>(spec: ActorOptions<M, Name>) => {
      if (stopping) throw new Error(`${spec.address} cannot start: the supervisor is stopping`)
      if (actors.has(spec.address)) throw new Error(`${spec.address} is there already`)
      // typed at its handle; from here on a message is opaque
      const actor = createActorOf(spec as unknown as ActorOptions, host)
      groupOf(spec.group).add(actor)
      actors.set(spec.address, actor)
      return { tell: (message: M, bytes = 0) => deliver(actor, spec.address, message, bytes) }
    },
    tell,
    stop: (address, why) => {
      const actor = actors.get(address)
      if (!actor) return
      forget(actor)
      void actor.stop(why)
    },
    shutdown,
    actors: () =>
      actors.values().map(actor => ({
        address: actor.options.address,
        group: actor.options.group,
        state: actor.state(),
        waiting: actor.waiting(),
      })),
    deadLetters: { list: deadLetters.list, replay: deadLetters.replay, counts: deadLetters.counts },
  }
}
