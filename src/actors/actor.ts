/** One actor: a mailbox, one message at a time, and what happens when handling one throws. */
import type { Clock } from '../ports/clock.ts'
import type { DeadReason } from './dead-letters.ts'
import type { Child } from './group.ts'
import { createMailbox, type MailboxOptions, type Waiting } from './mailbox.ts'

export interface ActorOptions<M = unknown, Group extends string = string> {
  /** Its name; one actor an address. Durable actors use the address of their stream. */
  readonly address: string
  readonly group: Group
  readonly mailbox: MailboxOptions
  /** A temporary actor stops when it throws, and counts against nobody: right for whatever a stranger's socket owns. */
  readonly restart?: 'permanent' | 'temporary'
  /** Handles one message; the next waits until a promise that this answers is settled. Throwing is a bug. */
  readonly receive: (message: M) => void | Promise<void>
  /** Called before it goes on after it, or a neighbour by the group's strategy, threw `error`. What waits in the mailbox stays. */
  readonly restarted?: (error: unknown) => void
  /** Called last, after the message in hand. */
  readonly stopped?: (why: string) => void | Promise<void>
}

/** What an actor asks of its supervisor. */
export interface ActorHost {
  readonly clock: Clock
  /** Most milliseconds that stopping waits for a message in hand, and again for `stopped`. */
  readonly stopMs: number
  /** Puts the actor in the queue of those that have something to do. */
  ready(actor: Actor): void
  crashed(actor: Actor, error: unknown): void
  restarted(actor: Actor, error: unknown): void
  stopped(actor: Actor, why: string, inTime: boolean): void
  dead(actor: Actor, letter: Waiting<unknown>, reason: DeadReason): void
}

export interface Actor extends Child {
  readonly options: ActorOptions
  tell(message: unknown, bytes: number): boolean
  /** Handles up to `limit` messages; answers how many. */
  run(limit: number): number
  readonly waiting: () => number
  readonly state: () => 'running' | 'suspended' | 'stopped'
}

/** Makes an actor that runs when its host lets it. */
export const createActorOf = (options: ActorOptions, host: ActorHost): Actor => {
  const mailbox = createMailbox<unknown>(options.mailbox)
  let state: 'running' | 'suspended' | 'stopped' = 'running'
  /** The message in hand; settles, and never rejects, when it was handled. */
  let inHand: Promise<void> | undefined
  let restartAfterwards: { readonly error: unknown } | undefined

  const readyIfDue = (): void => {
    if (state === 'running' && inHand === undefined && mailbox.size() > 0) host.ready(actor)
  }

  const crash = (error: unknown, letter: Waiting<unknown> | undefined): void => {
    if (letter) host.dead(actor, letter, 'crashed')
    if (state !== 'stopped') state = 'suspended'
    host.crashed(actor, error)
  }

  const settled = (): void => {
    inHand = undefined
    if (restartAfterwards) {
      const { error } = restartAfterwards
      restartAfterwards = undefined
      actor.restart(error)
    }
    readyIfDue()
  }

  const within = async (work: Promise<void>): Promise<boolean> => {
    const late = Promise.withResolvers<boolean>()
    const cancel = host.clock.after(host.stopMs, () => late.resolve(false))
    const inTime = await Promise.race([work.then(() => true), late.promise])
    cancel()
    return inTime
  }

  const actor: Actor = {
    options,
    waiting: () => mailbox.size(),
    state: () => state,
    tell: (message, bytes) => {
      if (state === 'stopped' || !mailbox.offer(message, bytes)) return false
      readyIfDue()
      return true
    },
    run: limit => {
      let handled = 0
      let letter: Waiting<unknown> | undefined
      try {
        while (handled < limit && state === 'running' && inHand === undefined && (letter = mailbox.take())) {
          handled += 1
          const result = options.receive(letter.message)
          if (result instanceof Promise) {
            const taken = letter
            inHand = result.catch((error: unknown) => crash(error, taken)).then(settled)
          }
          letter = undefined
        }
        mailbox.ease()
      } catch (error) {
        crash(error, letter)
      }
      readyIfDue()
      return handled
    },
    suspend: () => {
      if (state === 'running') state = 'suspended'
      restartAfterwards = undefined
    },
    restart: error => {
      if (state === 'stopped') return
      if (inHand !== undefined) {
        restartAfterwards = { error }
        return
      }
      try {
        options.restarted?.(error)
      } catch (again) {
        crash(again, undefined)
        return
      }
      state = 'running'
      host.restarted(actor, error)
      readyIfDue()
    },
    stop: async why => {
      if (state === 'stopped') return
      state = 'stopped'
      for (const letter of mailbox.clear()) host.dead(actor, letter, 'stopped')
      const handled = inHand === undefined || (await within(inHand))
      let inTime = handled
      try {
        const result = options.stopped?.(why)
        if (result instanceof Promise) inTime = (await within(result)) && handled
      } catch (error) {
        host.crashed(actor, error)
      }
      host.stopped(actor, why, inTime)
    },
  }
  return actor
}
