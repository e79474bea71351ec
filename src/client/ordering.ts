/** Holds messages back until those before them were shown, for a while and within bounds. */
import type { Clock } from '../ports/clock.ts'
import type { UserId } from '../protocol/ids.ts'
import { isDue, type Order, type Shown } from './order.ts'

/** Milliseconds that a message waits for those before it; a lost one is sent again sooner. */
export const orderMs = 10_000
/** Messages that are held back: of one sender, and in all. */
const heldLimits = { ofSender: 64, all: 512 } as const

export interface Ordering {
  /** Calls `show` once, now or later; a copy of what is held back changes nothing. */
  offer(sender: UserId, id: string, order: Order, show: () => void): void
  /** Forgets what is held back: nobody was told that it came, so it comes again. */
  lost(): void
}

interface Held {
  readonly id: string
  readonly order: Order
  readonly show: () => void
}

/** @param shown what was shown of a sender; it must have changed when `show` returns */
export const createOrdering = ({
  clock,
  shown,
}: {
  readonly clock: Clock
  readonly shown: (sender: UserId) => Shown | undefined
}): Ordering => {
  const held = new Map<UserId, { readonly messages: Held[]; cancel: () => void }>()
  let all = 0

  const showFirst = (sender: UserId): void => {
    const queue = held.get(sender)
    const first = queue?.messages.shift()
    if (queue === undefined || first === undefined) return
    all -= 1
    first.show()
    settle(sender)
  }
  /** Shows what is due, and waits for the rest anew. */
  const settle = (sender: UserId): void => {
    const queue = held.get(sender)
    if (queue === undefined) return
    const [first] = queue.messages
    if (first === undefined) {
      queue.cancel()
      held.delete(sender)
      return
    }
    if (isDue(shown(sender), first.order)) {
      showFirst(sender)
      return
    }
    queue.cancel()
    queue.cancel = clock.after(orderMs, () => {
      showFirst(sender)
    })
  }

  return {
    offer(sender, id, order, show) {
      const queue = held.get(sender)
      if (queue?.messages.some(message => message.id === id) === true) return
      if (isDue(shown(sender), order)) {
        show()
        settle(sender)
        return
      }
      const { messages } = queue ?? { messages: [] }
      const at = messages.findIndex(({ order: [stream, number] }) => stream > order[0] || (stream === order[0] && number > order[1]))
      messages.splice(at < 0 ? messages.length : at, 0, { id, order, show })
      all += 1
      if (queue === undefined) {
        held.set(sender, { messages, cancel: () => {} })
        settle(sender)
      }
      if (messages.length > heldLimits.ofSender || all > heldLimits.all) showFirst(sender)
    },
    lost() {
      for (const { cancel } of held.values()) cancel()
      held.clear()
      all = 0
    },
  }
}
