/** The queue before RSA signatures, which are what a node runs out of first: urgent ones overtake, few are in flight, and it never grows without bound. */
import type { Crypto, PrivateKey } from '../ports/crypto.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { Base64Url } from '../protocol/ids.ts'
import type { SigningPace } from './signing-pace.ts'
import { signPayload } from './transport-signature.ts'

/**
 * From the most urgent to the one that can wait; within one the order of asking is kept. A machine that cannot sign all of it gives
 * up the last first: files, then the public channel, direct messages, presence, and heartbeats when nothing else is left.
 */
export const priorities = ['heartbeat', 'control', 'presence', 'message', 'public', 'file'] as const
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
  depths(): Readonly<Record<Priority, number>>
  /** Whether what goes before work of this kind fills `part` of its share: at 1 more of it is turned away. */
  crowded(priority: Priority, part?: number): boolean
  /** Signatures made and turned away since the start. */
  counts(): { readonly signed: Readonly<Record<Priority, number>>; readonly shed: Readonly<Record<Priority, number>> }
}

export interface SigningQueueOptions {
  readonly crypto: Crypto
  readonly privateKey: PrivateKey
  /** Signatures at work at once; the number of cores is right, more only makes the urgent wait. */
  readonly inFlight: number
  readonly maxQueued: number
  /** Of the machine: so many wait at most as it signs within `withinMs`. */
  readonly pace?: { readonly of: SigningPace; readonly withinMs: number }
  /**
   * Parts of what may wait, that may wait when work of a kind is asked for, it and what is more urgent counted; 1 unless given. So what
   * can wait is turned away long before what is urgent has to wait as long.
   */
  readonly shares?: Readonly<Partial<Record<Priority, number>>>
}

interface Job {
  readonly rank: number
  readonly payload: string
  readonly resolve: (signature: Base64Url) => void
  readonly reject: (error: unknown) => void
}

export const createSigningQueue = ({ crypto, privateKey, inFlight, maxQueued, pace, shares = {} }: SigningQueueOptions): SigningQueue => {
  const waiting = ranks.map((): Job[] => [])
  const strangers = waiting.at(-1) ?? []
  const signed = ranks.map(() => 0)
  const shed = ranks.map(() => 0)
  let queued = 0
  let working = 0
  let sinceStranger = 0

  const room = (): number =>
    pace === undefined ? maxQueued : Math.max(1, Math.min(maxQueued, Math.ceil((pace.of.perSecond() * pace.withinMs) / 1_000)))
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
    const made = pace?.of.begin()
    const done = (signature: Base64Url): void => {
      made?.()
      signed[job.rank] = (signed[job.rank] ?? 0) + 1
      job.resolve(signature)
    }
    void signPayload(crypto, privateKey, job.payload).then(done, job.reject).then(finished)
  }

  const turnAway = (rank: number, reject: (error: unknown) => void): void => {
    shed[rank] = (shed[rank] ?? 0) + 1
    reject(overloaded())
  }

  /** What is less urgent is not in the way. */
  const crowdedAt = (rank: number, part: number): boolean => {
    const share = shares[ranks[rank] ?? 'control'] ?? 1
    const ahead = waiting.slice(0, rank + 1).reduce((sum, jobs) => sum + jobs.length, 0)
    return ahead >= Math.max(1, share * room() * part)
  }

  const makeRoom = (rank: number): boolean => {
    if (queued < room()) return true
    const job = waiting.findLast((jobs, other) => other > rank && jobs.length > 0)?.pop()
    if (job === undefined) return false
    queued -= 1
    turnAway(job.rank, job.reject)
    return true
  }

  return {
    depth: () => queued,
    depths: () => byPriority(waiting.map(jobs => jobs.length)),
    crowded: (priority, part = 1) => crowdedAt(ranks.indexOf(priority), part),
    counts: () => ({ signed: byPriority(signed), shed: byPriority(shed) }),
    sign: (payload, priority) =>
      new Promise((resolve, reject) => {
        const rank = ranks.indexOf(priority)
        // one that can start at once never waits, so it needs no room
        if (working >= inFlight && (crowdedAt(rank, 1) || !makeRoom(rank))) {
          turnAway(rank, reject)
          return
        }
        waiting[rank]?.push({ rank, payload, resolve, reject })
        queued += 1
        startNext()
      }),
  }
}

const byPriority = (numbers: readonly number[]): Readonly<Record<Priority, number>> =>
  Object.fromEntries(ranks.map((priority, rank) => [priority, numbers[rank] ?? 0])) as Record<Priority, number>

const overloaded = (): ProtocolError =>
  new ProtocolError('TIMEOUT', 'overloaded', 'This machine cannot sign that much: wait a moment and send less at once.')
