/** What a client asks its server, once or again and again: who is online, by which key, which other servers there are, what became of messages that waited. */
import type { Clock } from '../ports/clock.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { Attachment } from './handshake.ts'
import type { Journal } from './journal.ts'
import type { Wire } from './wire.ts'

export interface Questions {
  list(): void
  key(user: UserId): void
  attached(): void
  lost(): void
}

export interface QuestionsOptions {
  readonly clock: Clock
  readonly journal: Journal
  readonly wire: Wire
  readonly attachment: () => Attachment | undefined
  readonly send: (texts: readonly string[]) => boolean
  readonly crashed: (error: unknown) => void
}

/**
 * Milliseconds between questions which other servers there are, at first and then: their answer is kept for the day when ours is gone.
 * A server that has just started knows others a moment later.
 */
const serversMs = { first: [2_000, 8_000], then: 60_000 } as const
/** Milliseconds between questions about messages that wait: a receipt may be lost with a link on its way. */
const receiptsMs = 600_000

export const createQuestions = ({ clock, journal, wire, attachment, send, crashed }: QuestionsOptions): Questions => {
  let cancels: (() => void)[] = []

  const ask = (
    type: 'LIST_REQUEST' | 'PUBKEY_REQUEST' | 'SERVERS_REQUEST' | 'RECEIPT_ASK',
    payload: Readonly<Record<string, unknown>>,
  ): void => {
    wire
      .signed({ type, to: attachment()?.server || '*', payload }, 'control')
      .then(text => send([text]))
      .catch(crashed)
  }

  const askForReceipts = (): void => {
    const byReader = new Map<UserId, string[]>()
    for (const [id, { to }] of journal.state.waiting) byReader.set(to, [...(byReader.get(to) ?? []), id])
    for (const [recipient, ids] of byReader)
      for (let from = 0; from < ids.length; from += limits.maxRefs)
        ask('RECEIPT_ASK', { recipient, refs: ids.slice(from, from + limits.maxRefs) })
  }

  /** Now, and again while this attachment lasts; `wait` says when, for the how many-th time. */
  const repeat = (question: () => void, wait: (time: number) => number): void => {
    question()
    const place = cancels.length
    const next = (time: number): void => {
      cancels[place] = clock.after(wait(time), () => {
        question()
        next(time + 1)
      })
    }
    next(0)
  }

  const lost = (): void => {
    for (const cancel of cancels) cancel()
    cancels = []
  }

  return {
    list: () => {
      ask('LIST_REQUEST', {})
    },
    key: user => {
      ask('PUBKEY_REQUEST', { user_id: user })
    },
    attached: () => {
      lost()
      const can = attachment()?.caps ?? []
      if (can.includes('servers'))
        repeat(
          () => {
            ask('SERVERS_REQUEST', {})
          },
          time => serversMs.first[time] ?? serversMs.then,
        )
      if (can.includes('receipt-ask')) repeat(askForReceipts, () => receiptsMs)
    },
    lost,
  }
}
