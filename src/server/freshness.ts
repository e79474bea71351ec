/** Which `ts` is taken, and which frame was seen before: order and duplicates, never authenticity (`ts` is not signed). */
import type { Frame } from '../protocol/envelope.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { utf8, toBase64Url } from '../protocol/encoding.ts'
import type { FrameType } from '../protocol/frames.ts'
import type { Node } from './node.ts'

/**
 * Rejects a frame from too long ago or from the future, by the sender's clock as measured at their hello. Ours does as well: a client
 * learns it with the answer to that hello.
 */
export const requireFresh = (node: Node, frame: Frame, offset: number): void => {
  const byOurs = node.ports.clock.now() - frame.ts
  const age = Math.abs(byOurs) < Math.abs(byOurs - offset) ? byOurs : byOurs - offset
  if (age > node.config.timing.acceptPastMs) throw new ProtocolError('TIMEOUT', 'stale', 'This frame is too old: check the clock.')
  if (-age > node.config.timing.acceptFutureMs)
    throw new ProtocolError('TIMEOUT', 'future', 'This frame is from the future: check the clock.')
}

export interface Seen {
  /** Whether this frame was entered before. */
  has(origin: string, frame: Frame): boolean
  /** Enters it; only once it was verified, so that a forged copy suppresses nothing. False when it was there already. */
  enter(origin: string, frame: Frame): boolean
  /** Forgets an origin that is gone. */
  forget(origin: string): void
  /** How many origins are remembered. */
  readonly origins: number
}

/** Frames whose payload is never the same twice, because it is encrypted anew: `ts`, `to` and type are not signed, so they do not make a copy new. */
const UNREPEATABLE = new Set<FrameType>(['MSG_DIRECT', 'MSG_PUBLIC_CHANNEL', 'FILE_CHUNK', 'SERVER_DELIVER'])

interface Remembered {
  readonly unrepeatable: Set<string>
  /** Apart, because anybody can send these again with ever new times and would crowd the others out. */
  readonly timed: Set<string>
}

/** The short-term `seen_ids` of §10: by ts, from, to and hash of the payload, so many for each origin that no other can crowd out. */
export const createSeen = (node: Pick<Node, 'ports' | 'config'>): Seen => {
  const origins = new Map<string, Remembered>()
  const keyOf = (frame: Frame): readonly [keyof Remembered, string] => {
    const digest = toBase64Url(node.ports.crypto.sha256(utf8(frame.payloadText)).subarray(0, 16))
    return UNREPEATABLE.has(frame.type) ? ['unrepeatable', digest] : ['timed', `${frame.ts} ${frame.from} ${frame.to} ${digest}`]
  }
  return {
    has(origin, frame) {
      const [kind, key] = keyOf(frame)
      return origins.get(origin)?.[kind].has(key) ?? false
    },
    enter(origin, frame) {
      const remembered = origins.get(origin) ?? { unrepeatable: new Set(), timed: new Set() }
      origins.set(origin, remembered)
      const [kind, key] = keyOf(frame)
      const keys = remembered[kind]
      if (keys.has(key)) return false
      keys.add(key)
      if (keys.size > node.config.limits.seen) keys.delete(keys.values().next().value as string)
      return true
    },
    forget: origin => void origins.delete(origin),
    get origins() {
      return origins.size
    },
  }
}
