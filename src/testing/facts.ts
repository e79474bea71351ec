/** Facts as a test writes them: plain literals, each put into its stream and given its time. */
import type { Fact } from '../domain/facts.ts'
import type { Address, Base64Url, FileId, PublicKeyText, ServerId, UserId } from '../protocol/ids.ts'
import type { NewFact } from '../store/log.ts'

/** The same shape without branded ids: a test writes them as they are. */
export type Plain<T> = unknown extends T
  ? T
  : T extends Base64Url | FileId | PublicKeyText | ServerId | UserId
    ? string
    : { readonly [Key in keyof T]: Plain<T[Key]> }

/** A fact as a literal. */
export type PlainFact = Plain<Fact>

/** A fact with what does not follow from it. A row that was read from a log is one. */
export interface Told {
  readonly fact: PlainFact
  /** The stream, if it does not follow from the fact. */
  readonly stream?: string
  /** Milliseconds after the fact before; 0 when left out. */
  readonly after?: number
  /** Unix milliseconds, instead of `after`. */
  readonly at?: number
}

/** A fact, alone or with more. */
export type Given = PlainFact | Told

/** When the first fact of a test happened unless it says otherwise, in Unix milliseconds. */
export const startedAt = 1_750_000_000_000

/** The streams that hold facts of more than one kind, or of no one in particular. */
const streamsOf: Readonly<Record<string, (fact: never) => string>> = {
  link: ({ server }: { server: string }) => `link:${server}`,
  server: ({ server }: { server: string }) => `server:${server}`,
  session: ({ user }: { user: string }) => `session:${user}`,
  user: ({ user }: { user: string }) => `user:${user}`,
  mailbox: ({ user }: { user: string }) => `mailbox:${user}`,
}

/** Makes the function that completes facts; it remembers the time and the transfers of the facts before. */
export const createDating = (options: { readonly start?: number; readonly stream?: (type: string) => string | undefined } = {}) => {
  let now = options.start ?? startedAt
  const transfers = new Map<string, string>()

  const transferOf = (fact: PlainFact & { readonly file: string }): string => {
    if (fact.type === 'transfer.offered') {
      const stream = `transfer:${fact.file}/${fact.sender}/${fact.recipient}`
      transfers.set(fact.file, stream)
      return stream
    }
    const stream = transfers.get(fact.file)
    if (stream === undefined) throw new Error(`${fact.type} comes before the offer of ${fact.file}: give the offer first, or the stream`)
    return stream
  }

  const streamOf = (fact: PlainFact): string => {
    const told = options.stream?.(fact.type)
    if (told !== undefined) return told
    if ('file' in fact) return transferOf(fact)
    const kind = fact.type.slice(0, fact.type.indexOf('.'))
    return streamsOf[kind]?.(fact as never) ?? (kind === 'bootstrap' ? 'bootstrap' : 'node')
  }

  return {
    /** Time of the fact before. */
    now: (): number => now,
    complete(given: Given): NewFact<Fact> {
      const told: Told = 'fact' in given ? given : { fact: given }
      const { fact, after = 0, at = now + after, stream = streamOf(fact) } = told
      if (at < now) throw new RangeError(`${fact.type} at ${at} is before the fact before it (${now}): time in a log never goes back`)
      now = at
      return { stream: stream as Address, at, fact: fact as Fact }
    },
  }
}
