/** Facts before effects: folds facts at once, appends a tick's facts in one batch, and lets what depends on them out after its commit. */
import type { Clock } from '../ports/clock.ts'
import { noFaultPoint, type ReachFaultPoint } from '../ports/fault-points.ts'
import type { Address } from '../protocol/ids.ts'
import type { EventLog, NewFact } from '../store/log.ts'
import type { MailChange } from '../store/mail.ts'
import type { MachineView, NamedEffect } from './contract.ts'
import { FoldBroken, type Host } from './host.ts'
import { replay, type Replayed, type ReplayOptions } from './replay.ts'

export interface RuntimeOptions<F extends { readonly type: string }> {
  readonly log: EventLog<F>
  readonly host: Host<F>
  readonly clock: Clock
  readonly reach?: ReachFaultPoint
  /** Does what a machine named, after the fact that caused it is safe. Called in the order of the facts. */
  readonly perform: (effect: NamedEffect) => void
  /** Called once when the log refuses or the fold breaks: the process must stop with this sentence. */
  readonly fatal: (error: Error) => void
  /** Called after each commit: how long (ms) the log took from being handed a batch of so many facts. */
  readonly committed?: (ms: number, facts: number) => void
  /** Called when `perform` or a released function threw, which is a bug; the rest goes on. */
  readonly crashed: (error: unknown, effect: NamedEffect | undefined) => void
}

export interface Runtime<F extends { readonly type: string }> {
  /**
   * Records a fact: machines and the fold have it when this returns, the log has it when `release`d functions run.
   * Throws when a machine or the fold's check refuses (a bug; nothing was recorded), or when the runtime has stopped. `mail` changes
   * together with the fact.
   */
  record(stream: Address, fact: F, mail?: readonly MailChange[]): void
  /** Runs `run` in order once all that was recorded so far is committed; at the end of the tick when nothing is pending. */
  release(run: () => void): void
  /** Folds the log, or its tail, effects dropped; what cannot be folded is set aside. Once, before anything is recorded. */
  recover(options?: ReplayOptions<F>): Promise<Replayed>
  /** The stream takes no facts any more (`record` throws), and what its machine names is not performed. */
  setAside(stream: Address): void
  /** Undoes `setAside`. */
  readmit(stream: Address): void
  isSetAside(stream: Address): boolean
  machine(address: Address): MachineView | undefined
  machines(): Iterable<readonly [Address, MachineView]>
  /** Facts recorded and not yet committed: what admission looks at before it takes more work. */
  pending(): number
  /** Facts recorded by this runtime, committed or not. */
  recorded(): number
  /** Time of the last fact, Unix milliseconds; 0 before the first. */
  lastAt(): number
  /** Resolves when all that was recorded and released so far is through; rejects when the runtime has stopped. */
  flushed(): Promise<void>
  /** Takes no more facts, lets what is pending through, and resolves. The log stays open: it belongs to whoever opened it. */
  close(): Promise<void>
}

/** The runtime has stopped: closed, or by the failure in `cause`. */
export class RuntimeStopped extends Error {
  override readonly name = 'RuntimeStopped'
}

/** The stream cannot be folded and waits for an operator's decision; the caller should have asked before. */
export class StreamSetAside extends Error {
  override readonly name = 'StreamSetAside'
}

type Waiting = { readonly effect: NamedEffect } | { readonly run: () => void }

interface Batch<F extends { readonly type: string }> {
  readonly facts: NewFact<F>[]
  readonly waiting: Waiting[]
  committed: boolean
}

/** Makes the runtime of one node or client; `recover` comes first. */
export const createRuntime = <F extends { readonly type: string }>(options: RuntimeOptions<F>): Runtime<F> => {
  const { log, host, clock, reach = noFaultPoint, perform, fatal, crashed } = options
  const aside = new Set<Address>()
  const waiters = new Set<(error: Error) => void>()
  let open: Batch<F> | undefined
  const inFlight: Batch<F>[] = []
  let pending = 0
  let count = 0
  let lastAt = 0
  let phase: 'new' | 'recovering' | 'live' = 'new'
  let stopped: RuntimeStopped | undefined

  const stop = (cause: Error): void => {
    if (stopped?.cause !== undefined) return
    stopped = new RuntimeStopped(`nothing more is recorded: ${cause.message}`, { cause })
    open = undefined
    for (const reject of waiters) reject(stopped)
    waiters.clear()
    fatal(cause)
  }

  const letOut = (waiting: Waiting): void => {
    const effect = 'effect' in waiting ? waiting.effect : undefined
    try {
      if ('effect' in waiting) perform(waiting.effect)
      else waiting.run()
      reach('effect performed')
    } catch (error) {
      crashed(error, effect)
    }
  }

  /** Lets out the batches at the head of the queue that are safe; one that is not holds back all behind it. */
  const drain = (): void => {
    for (let head = inFlight[0]; head?.committed; head = inFlight[0]) {
      inFlight.shift()
      pending -= head.facts.length
      for (const waiting of head.waiting) {
        // an effect may find the fold broken; then nothing else leaves
        if (stopped?.cause !== undefined) return
        letOut(waiting)
      }
    }
  }

  const append = async (batch: Batch<F>): Promise<void> => {
    const began = clock.monotonic()
    try {
      await log.append(batch.facts, { expected: { epoch: log.epoch } })
    } catch (error) {
      stop(error instanceof Error ? error : new Error('the log refused', { cause: error }))
      return
    }
    options.committed?.(clock.monotonic() - began, batch.facts.length)
    batch.committed = true
    reach('batch committed')
    drain()
  }

  const flush = (): void => {
    const batch = open
    if (batch === undefined) return
    open = undefined
    inFlight.push(batch)
    reach('batch closed')
    if (batch.facts.length > 0) void append(batch)
    else {
      batch.committed = true
      drain()
    }
  }

  const thisTick = (): Batch<F> => {
    if (open === undefined) {
      open = { facts: [], waiting: [], committed: false }
      clock.endOfTick(flush)
    }
    return open
  }

  const flushed = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if (stopped?.cause !== undefined) {
        reject(stopped)
        return
      }
      waiters.add(reject)
      thisTick().waiting.push({
        run: () => {
          waiters.delete(reject)
          resolve()
        },
      })
    })

  return {
    record: (stream, fact, mail) => {
      if (stopped) throw stopped
      if (phase === 'recovering') throw new Error(`${fact.type} was recorded while the log was still being read`)
      phase = 'live'
      if (aside.has(stream)) throw new StreamSetAside(`${stream} was set aside and takes no facts`)
      // time may jump back, the log's time does not
      const at = Math.max(clock.now(), lastAt)
      const recorded: NewFact<F> = { stream, at, fact, ...(mail && { mail }) }
      let effects: readonly NamedEffect[]
      try {
        effects = host.apply(recorded)
      } catch (error) {
        if (error instanceof FoldBroken) stop(error)
        throw error
      }
      lastAt = at
      reach('fact folded')
      const batch = thisTick()
      batch.facts.push(recorded)
      pending += 1
      count += 1
      for (const effect of effects) if (!aside.has(effect.address)) batch.waiting.push({ effect })
    },
    release: run => {
      if (stopped?.cause === undefined) thisTick().waiting.push({ run })
    },
    recover: async options => {
      if (phase !== 'new') throw new Error('recovery comes once, and before anything is recorded')
      phase = 'recovering'
      const replayed = await replay(log, host, options)
      phase = 'live'
      lastAt = replayed.lastAt
      for (const { stream } of replayed.setAside) aside.add(stream)
      return replayed
    },
    setAside: stream => void aside.add(stream),
    readmit: stream => void aside.delete(stream),
    isSetAside: stream => aside.has(stream),
    machine: address => host.machine(address),
    machines: () => host.machines(),
    pending: () => pending,
    recorded: () => count,
    lastAt: () => lastAt,
    flushed,
    close: async () => {
      if (stopped) return
      stopped = new RuntimeStopped('nothing more is recorded: the runtime was closed')
      // a failure of the log on the way was said through `fatal`
      await flushed().catch(() => {})
    },
  }
}
