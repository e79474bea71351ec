/** The queue before RSA signatures, which are what a node runs out of first: urgent ones overtake, few are in flight, and it never grows without bound. */
import type { Clock } from '../ports/clock.ts'
import type { Crypto, PrivateKey } from '../ports/crypto.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Base64Url } from '../protocol/ids.ts'
import { signPayload } from './transport-signature.ts'

/** From the most urgent to the one that can wait; within one the order of asking is kept. */
export const priorities = ['control', 'presence', 'message', 'file'] as const
/**
 * What somebody asks for who has not proved anything yet waits behind all of these, or one free of cost could keep members' messages
 * from ever being signed; but it gets every fourth turn, or a busy server would let nobody in.
 */
export type Priority = (typeof priorities)[number] | 'stranger'

const ranks: readonly Priority[] = [...priorities, 'stranger']
/** Signatures of others between two of strangers, while both wait. */
const MEMBERS_FIRST = 3

export interface SigningQueue {
  /**
   * Signs a canonical payload; rejects with `ProtocolError TIMEOUT` 'overloaded' when the queue is full of what is as urgent
   * or more. A full queue makes room by turning away the newest of its least urgent.
   */
  sign(canonicalPayload: string, priority: Priority): Promise<Base64Url>
  /** How many wait, those in flight not counted. */
  depth(): number
}

export interface SigningQueueOptions {
  readonly crypto: Crypto
  readonly privateKey: PrivateKey
  /** Signatures at work at once; the number of cores is right, more only makes the urgent wait. */
  readonly inFlight: number
  readonly maxQueued: number
}

interface Job {
  readonly payload: string
  readonly resolve: (signature: Base64Url) => void
  readonly reject: (error: unknown) => void
}

export const createSigningQueue = ({ crypto, privateKey, inFlight, maxQueued }: SigningQueueOptions): SigningQueue => {
  const waiting = ranks.map((): Job[] => [])
  const strangers = waiting.at(-1) ?? []
  let queued = 0
  let working = 0
  let sinceStranger = 0

  const take = (): Job | undefined => {
    const first = sinceStranger >= MEMBERS_FIRST && strangers.length > 0 ? strangers : waiting.find(jobs => jobs.length > 0)
    sinceStranger = first === strangers || strangers.length === 0 ? 0 : sinceStranger + 1
    return first?.shift()
  }
  const startNext = (): void => {
    const job = working < inFlight ? take() : undefined
    if (job === undefined) return
    queued -= 1
    working += 1
    const finished = (): void => {
      working -= 1
      startNext()
    }
    void signPayload(crypto, privateKey, job.payload).then(job.resolve, job.reject).then(finished)
  }

  const makeRoom = (rank: number): boolean => {
    if (queued < maxQueued) return true
    const job = waiting.findLast((jobs, other) => other > rank && jobs.length > 0)?.pop()
    if (job === undefined) return false
    queued -= 1
    job.reject(overloaded())
    return true
  }

  return {
    depth: () => queued,
    sign: (payload, priority) =>
      new Promise((resolve, reject) => {
        const rank = ranks.indexOf(priority)
        // one that can start at once never waits, so it needs no room
        if (working >= inFlight && !makeRoom(rank)) {
          reject(overloaded())
          return
        }
        waiting[rank]?.push({ payload, resolve, reject })
        queued += 1
        startNext()
      }),
  }
}

const overloaded = (): ProtocolError =>
  new ProtocolError('TIMEOUT', 'overloaded', 'This machine cannot sign that much: wait a moment and send less at once.')

export interface MeasureOptions {
  readonly crypto: Crypto
  readonly privateKey: PrivateKey
  readonly clock: Clock
  /** As many at once as the queue will have. */
  readonly inFlight: number
  /** Wall time to spend, in milliseconds. */
  readonly budgetMs?: number
}

/** More than this fits in no budget on any machine; it ends the measurement on a clock that stands still. */
const MAX_SAMPLES = 64

/** Measures this machine: RSA-4096 signatures per second with `inFlight` at once. Spends about `budgetMs`, but at least one signature each. */
export const measureSigning = async ({ crypto, privateKey, clock, inFlight, budgetMs = 50 }: MeasureOptions): Promise<number> => {
  const started = clock.monotonic()
  let done = 0
  const worker = async (): Promise<void> => {
    let now = clock.monotonic()
    let last = 0
    // starts another only if it will be over in time
    while (now + last - started <= budgetMs && done < MAX_SAMPLES) {
      await crypto.sign(privateKey, new Uint8Array(32))
      done += 1
      const after = clock.monotonic()
      last = after - now
      now = after
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return (done * 1000) / Math.max(1, clock.monotonic() - started)
}
