/** A bounded queue of messages with watermarks, so that whoever fills it can be made to wait. */

export interface MailboxOptions {
  /** Most messages that wait. */
  readonly messages: number
  /** Most bytes that wait, by the sizes given on offering. Without it only messages are counted. */
  readonly bytes?: number
  /** Called when three quarters are full: pause the socket. */
  readonly high?: () => void
  /** Called after `high`, when a quarter or less is left: resume. */
  readonly low?: () => void
}

export interface Waiting<M> {
  readonly message: M
  readonly bytes: number
}

export interface Mailbox<M> {
  /** Queues a message; false, and nothing changed, when it does not fit. */
  offer(message: M, bytes: number): boolean
  /** The oldest message and its size, or undefined when there is none. */
  take(): Waiting<M> | undefined
  /** Calls `low` if that is due; apart from `take`, so that a throw in it costs no message. */
  ease(): void
  /** Takes all that waits. */
  clear(): readonly Waiting<M>[]
  size(): number
}

/** Taken entries are cut off the array in strides of this, so that taking costs O(1). */
const stride = 256

export const createMailbox = <M>(options: MailboxOptions): Mailbox<M> => {
  const { messages, bytes = Infinity, high, low } = options
  const highWater = { messages: Math.ceil(messages * 0.75), bytes: bytes * 0.75 }
  const lowWater = { messages: Math.floor(messages * 0.25), bytes: bytes * 0.25 }
  const waiting: (Waiting<M> | undefined)[] = []
  let head = 0
  let held = 0
  let isHigh = false

  const size = (): number => waiting.length - head

  return {
    size,
    offer: (message, messageBytes) => {
      if (size() >= messages || held + messageBytes > bytes) return false
      waiting.push({ message, bytes: messageBytes })
      held += messageBytes
      if (!isHigh && (size() >= highWater.messages || held >= highWater.bytes)) {
        isHigh = true
        high?.()
      }
      return true
    },
    take: () => {
      const first = waiting[head]
      if (first === undefined) return undefined
      waiting[head] = undefined
      head += 1
      held -= first.bytes
      if (head === waiting.length) {
        waiting.length = 0
        head = 0
      } else if (head >= stride) {
        waiting.splice(0, head)
        head = 0
      }
      return first
    },
    ease: () => {
      if (!isHigh || size() > lowWater.messages || held > lowWater.bytes) return
      isHigh = false
      low?.()
    },
    clear: () => {
      const rest = waiting.slice(head).filter(entry => entry !== undefined)
      waiting.length = 0
      head = 0
      held = 0
      return rest
    },
  }
}
