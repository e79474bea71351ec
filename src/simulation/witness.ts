/** What is seen of a world while it runs: every part tells it, and the trace and the invariants listen. */
import type { ClientEvent } from '../client/events.ts'
import type { ClientFact } from '../client/facts.ts'
import type { Fact } from '../domain/facts.ts'
import type { LogLevel, NodeEvent } from '../server/events.ts'
import type { RecordedFact } from '../store/log.ts'
import type { Machine } from './network.ts'
import type { SimulatedServer } from './server.ts'
import type { SimulatedUser } from './user.ts'

/** A message that a person sent: `text` tells it from every other. */
export interface Sending {
  readonly from: SimulatedUser
  readonly to: readonly SimulatedUser[]
  readonly text: string
  readonly kind: 'direct' | 'public'
  readonly at: number
}

/** A file that a person sent: its name tells it from every other. */
export interface Offering {
  readonly from: SimulatedUser
  readonly to: SimulatedUser
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly at: number
}

export interface Witness {
  /** Also what somebody slipped into a connection, whose program does not know of it: then `slipped` is true. */
  frameSent?(from: Machine, to: Machine, text: string, slipped?: boolean): void
  frameArrived?(from: Machine, to: Machine, text: string): void
  /** Facts of a server, once they are durable. */
  recorded?(server: SimulatedServer, facts: readonly RecordedFact<Fact>[]): void
  /** The same of a person's program. */
  userRecorded?(user: SimulatedUser, facts: readonly RecordedFact<ClientFact>[]): void
  /** What a server told whoever started it. */
  told?(server: SimulatedServer, event: NodeEvent): void
  wrote?(server: SimulatedServer, level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void
  /** The server stopped by itself. */
  gaveUp?(server: SimulatedServer, error: Error): void
  /** It has recovered, and serves. */
  started?(server: SimulatedServer): void
  died?(server: SimulatedServer): void
  sending?(sending: Sending): void
  offering?(offering: Offering): void
  /** What a person's program showed. */
  showed?(user: SimulatedUser, event: ClientEvent): void
  userStarted?(user: SimulatedUser): void
  userDied?(user: SimulatedUser): void
  /** The world is well again, and about to end. */
  ended?(): void
  /** A fault began, changed or ended. */
  fault?(name: string, what: string, details: Readonly<Record<string, unknown>>): void
}

type Told = Required<{ readonly [Name in keyof Witness]: NonNullable<Witness[Name]> }>

const names = [
  'frameSent',
  'frameArrived',
  'recorded',
  'userRecorded',
  'told',
  'wrote',
  'gaveUp',
  'started',
  'died',
  'sending',
  'offering',
  'showed',
  'userStarted',
  'userDied',
  'ended',
  'fault',
] as const satisfies readonly (keyof Witness)[]

export interface Witnesses extends Told {
  /** From now on it hears of everything; before it, whoever joined earlier. */
  join(witness: Witness): void
}

/** One that tells all who joined, in their order. */
export const createWitnesses = (): Witnesses => {
  const listening = new Map<keyof Witness, ((...seen: never[]) => void)[]>(names.map(name => [name, []]))
  const telling = Object.fromEntries(
    names.map(name => {
      const all = listening.get(name) ?? []
      return [
        name,
        (...seen: never[]) => {
          for (const hear of all) hear(...seen)
        },
      ]
    }),
  ) as unknown as Told
  return {
    ...telling,
    join(witness) {
      for (const name of names) {
        const hear = witness[name] as ((...seen: never[]) => void) | undefined
        if (hear !== undefined) listening.get(name)?.push(hear.bind(witness))
      }
    },
  }
}
