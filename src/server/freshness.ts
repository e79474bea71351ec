/** Which `ts` is taken, and which frame was seen before: order and duplicates, never authenticity (`ts` is not signed). */
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { utf8, toBase64Url } from '../protocol/encoding.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { Node } from './node.ts'
import { isEverybody } from './parcel.ts'

/** Messages; of nothing else a copy is ever taken, or whoever signs `receipt` into gossip would have it go round for ever. */
const ASKING: ReadonlySet<string> = new Set<FrameType>(['MSG_DIRECT', 'MSG_PUBLIC_CHANNEL'])

/**
 * Its sender keeps it until it hears of it, and sends it again as it was: then it is recognised by its name, not held to a window of time.
 * So only a message to one person asks.
 */
export const asksReceipt = ({ type, to, payload }: Frame): boolean => {
  const { receipt, inner_type: inner } = payload as { readonly receipt?: unknown; readonly inner_type?: string }
  return receipt === true && ASKING.has(type === 'SERVER_DELIVER' ? (inner ?? '') : type) && !isEverybody(to)
}

/**
 * Rejects a frame from too long ago or from the future, by the sender's clock as measured at their hello. Ours does as well: a client
 * learns it with the answer to that hello. A message that asks for a receipt is never too old.
 */
export const requireFresh = (node: Node, frame: Frame, offset: number): void => {
  if (asksReceipt(frame)) return
  const byOurs = node.ports.clock.now() - frame.ts
  const age = Math.abs(byOurs) < Math.abs(byOurs - offset) ? byOurs : byOurs - offset
  if (age > node.config.timing.acceptPastMs) throw new ProtocolError('TIMEOUT', 'stale', 'This frame is too old: check the clock.')
  if (-age > node.config.timing.acceptFutureMs)
    throw new ProtocolError('TIMEOUT', 'future', 'This frame is from the future: check the clock.')
}

/** Under which copies of an origin's frames are remembered that others passed on. */
export const relayedOf = (origin: string): string => `${origin} relayed`

export interface Seen {
  /** Whether this frame was entered before. A message that asks for a receipt may come again, but only as it was. */
  has(origin: string, frame: Frame): boolean
  /** Enters it; only once it was verified, so that a forged copy suppresses nothing. False when it was there already. */
  enter(origin: string, frame: Frame): boolean
  /** Forgets an origin that is gone, and what others passed on of it. */
  forget(origin: string): void
  /** How many origins are remembered. */
  readonly origins: number
}

/** Frames whose payload is never the same twice, because it is encrypted anew: `ts`, `to` and type are not signed, so they do not make a copy new. */
const UNREPEATABLE = new Set<FrameType>(['MSG_DIRECT', 'MSG_PUBLIC_CHANNEL', 'FILE_CHUNK', 'SERVER_DELIVER'])

interface Remembered {
  /** Digest → what the envelope said. */
  readonly unrepeatable: Map<string, string>
  /** Apart, because anybody can send these again with ever new times and would crowd the others out. */
  readonly timed: Map<string, string>
}

/** The short-term `seen_ids` of §10: by ts, from, to and hash of the payload, so many for each origin that no other can crowd out. */
export const createSeen = (node: Pick<Node, 'ports' | 'config'>): Seen => {
  const origins = new Map<string, Remembered>()
  const keyOf = (frame: Frame): readonly [kind: keyof Remembered, key: string, envelope: string] => {
    const digest = toBase64Url(node.ports.crypto.sha256(utf8(frame.payloadText)).subarray(0, 16))
    // a message that its reader's server is sent again may have come another way before, by a server where the reader was
    const to = frame.type === 'SERVER_DELIVER' && asksReceipt(frame) ? '' : frame.to
    const envelope = `${frame.ts} ${frame.from} ${to}`
    return UNREPEATABLE.has(frame.type) ? ['unrepeatable', digest, envelope] : ['timed', `${envelope} ${digest}`, '']
  }
  const isCopy = (known: string | undefined, frame: Frame, envelope: string): boolean =>
    known !== undefined && !(asksReceipt(frame) && known === envelope)
  return {
    has(origin, frame) {
      const [kind, key, envelope] = keyOf(frame)
      return isCopy(origins.get(origin)?.[kind].get(key), frame, envelope)
    },
    enter(origin, frame) {
      const remembered = origins.get(origin) ?? { unrepeatable: new Map<string, string>(), timed: new Map<string, string>() }
      origins.set(origin, remembered)
      const [kind, key, envelope] = keyOf(frame)
      const keys = remembered[kind]
      if (keys.has(key)) return !isCopy(keys.get(key), frame, envelope)
      keys.set(key, envelope)
      if (keys.size > node.config.limits.seen) keys.delete(keys.keys().next().value as string)
      return true
    },
    forget(origin) {
      origins.delete(origin)
      origins.delete(relayedOf(origin))
    },
    get origins() {
      return origins.size
    },
  }
}
