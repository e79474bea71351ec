/** Takes from a frame what its content signature may cover, wherever stock servers moved it. */
import type { ContentFields, ContentKind } from './content-forms.ts'

/** The part of a frame that matters here; `Frame` fits, and so does a captured envelope. */
export interface ContentFrame {
  readonly type: string
  readonly from: string
  readonly to: string
  readonly ts: number
  readonly payload: object
}

const KINDS: Readonly<Record<string, ContentKind>> = {
  MSG_DIRECT: 'direct',
  MSG_PRIVATE: 'direct',
  USER_DELIVER: 'direct',
  SERVER_DELIVER: 'direct',
  MSG_PUBLIC_CHANNEL: 'public',
  FILE_START: 'offer',
  FILE_CHUNK: 'chunk',
  PUBLIC_CHANNEL_KEY_SHARE: 'keyshare',
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const number = (value: unknown): number | undefined => (typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined)

const kindOf = (type: string, payload: Readonly<Record<string, unknown>>): ContentKind | undefined => {
  const inner = text(payload['inner_type'])
  const name = inner ?? type
  // g69 marks a public delivery by `channel` alone
  if (inner === undefined && name.endsWith('_DELIVER') && payload['channel'] === 'public') return 'public'
  return Object.hasOwn(KINDS, name) ? KINDS[name] : undefined
}

/**
 * Fields of a content signature, or undefined for a frame that carries none. `sender` is who really sent it, when that is known
 * better than the frame says it (a stock server's local delivery names only itself). The envelope's time comes first, then `msg_ts`
 * (g69), `cts` (g12), `orig_ts` (g17), `ts_ms` (g41) and `ts` of the payload (g45).
 */
export const contentFields = (frame: ContentFrame, sender?: string): ContentFields | undefined => {
  const payload = frame.payload as Readonly<Record<string, unknown>>
  const kind = kindOf(frame.type, payload)
  if (kind === undefined) return undefined
  const times = [frame.ts, ...['msg_ts', 'cts', 'orig_ts', 'ts_ms', 'ts'].map(key => payload[key])]
  const name = text(payload['name'])
  const size = number(payload['size'])
  return {
    kind,
    from: sender ?? text(payload['sender']) ?? frame.from,
    to: text(payload['user_id']) ?? frame.to,
    times: [...new Set(times.map(number).filter(ts => ts !== undefined))],
    ciphertext: text(payload['ciphertext']),
    text: text(payload['text']),
    channel: text(payload['channel']),
    fileId: text(payload['file_id']),
    index: number(payload['index']),
    total: number(payload['total']),
    offer:
      name === undefined || size === undefined
        ? undefined
        : { name, size, sha256: text(payload['sha256']) ?? '', mode: text(payload['mode']) ?? 'dm' },
    shares: payload['shares'],
    creatorPub: text(payload['creator_pub']),
  }
}
