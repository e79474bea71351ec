/** The envelope (SOCP §7): from text to a checked frame, and from a signed payload to text. */
import type { z } from 'zod'
import { aliasOf } from './aliases.ts'
import { isBase64Url, utf8 } from './encoding.ts'
import { ProtocolError } from './errors.ts'
import { isFrameType, ruleOf } from './frames.ts'
import type { FrameType, PayloadOf } from './frames.ts'
import type { Base64Url } from './ids.ts'
import { scanJson } from './json.ts'
import { limits } from './limits.ts'
import { payloads } from './payloads.ts'

export interface Frame<T extends FrameType = FrameType> {
  readonly type: T
  /** An id, or what a stock server calls itself (`server`); empty only in a bare CTRL_CLOSE. */
  readonly from: string
  /** An id, `*`, a group, or `host:port` in a first join. */
  readonly to: string
  /** Unix milliseconds, as the sender says; not signed. */
  readonly ts: number
  /** Checked, unknown keys kept. Never sign or forward this: `payloadText` is what was signed. */
  readonly payload: PayloadOf<T>
  /** The payload exactly as it was received. */
  readonly payloadText: string
  /** Without padding, so that one signature has one text; undefined when missing or empty. */
  readonly sig: Base64Url | undefined
  /** The name that it came under, when that was not its own. */
  readonly alias?: string
}

/** Any frame, for narrowing by `type`. */
export type AnyFrame = { readonly [T in FrameType]: Frame<T> }[FrameType]

const FROM = /^[\x21-\x7e]{1,64}$/
// §7: `host:port` in a first join may be as long as a DNS name
const TO = /^[\x21-\x7e]{1,262}$/

const refuse = (reason: string, detail: string): ProtocolError => new ProtocolError('UNKNOWN_TYPE', reason, detail)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** UTF-8 length over the limit, without encoding what is surely under it. */
const isTooLarge = (text: string): boolean =>
  text.length > limits.maxFrameBytes || (text.length * 3 > limits.maxFrameBytes && utf8(text).length > limits.maxFrameBytes)

const text = (value: unknown, pattern: RegExp, key: string): string => {
  if (typeof value === 'string' && pattern.test(value)) return value
  throw refuse('shape', `The envelope's "${key}" must be visible ASCII text of at most ${pattern === FROM ? 64 : 262} characters.`)
}

const time = (value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value + 0
  throw refuse('shape', 'The envelope\'s "ts" must be a whole number of Unix milliseconds.')
}

const signature = (value: unknown): Base64Url | undefined => {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string' && value.length <= limits.maxSignatureText && isBase64Url(value))
    return value.replace(/=+$/, '') as Base64Url
  throw new ProtocolError('INVALID_SIG', 'malformed_sig', 'The signature is not base64url.')
}

const firstProblem = (type: string, error: z.ZodError): ProtocolError => {
  const issue = error.issues[0]
  const where = ['payload', ...(issue?.path ?? [])].join('.')
  return refuse('shape', `${type}: "${where}" is not as it must be: ${issue?.message ?? 'unknown'}.`)
}

/** The frame that a name stands for, with the name itself when it is an alias. */
const typeOf = (name: unknown, payload: Readonly<Record<string, unknown>>): { type: FrameType; alias?: string } => {
  if (typeof name !== 'string') throw refuse('shape', 'The envelope\'s "type" must be text.')
  if (isFrameType(name)) return { type: name }
  const alias = aliasOf(name)
  if (alias === undefined || alias.when?.(payload) === false)
    throw refuse('unknown_type', `The type "${/^[\x21-\x7e]{1,64}$/.test(name) ? name : '?'}" is not understood here.`)
  return { type: alias.type, alias: name }
}

/**
 * Reads one WebSocket text message. Throws `ProtocolError`: UNKNOWN_TYPE for `too_large`, `not_json`, `duplicate_key`, `too_deep`,
 * `lone_surrogate`, `shape` and `unknown_type`; INVALID_SIG for a `malformed_sig`. Nothing is verified here.
 */
export const parseFrame = (message: string): AnyFrame => {
  if (isTooLarge(message)) throw refuse('too_large', `A frame has at most ${limits.maxFrameBytes} bytes.`)
  const { value, payloadText } = scanJson(message, { maxDepth: limits.maxDepth })
  if (!isRecord(value)) throw refuse('shape', 'A frame is a JSON object.')
  // §6: the goodbye may have nothing but its type
  const bare = value['type'] === 'CTRL_CLOSE'
  const given = bare ? { from: '', to: '', ts: 0, payload: {}, ...value } : value
  const raw = given['payload']
  if (!isRecord(raw)) throw refuse('shape', 'The envelope\'s "payload" must be an object.')
  const { type, alias } = typeOf(given['type'], raw)
  const { most = Infinity } = ruleOf(type)
  if (payloadText !== undefined && payloadText.length > most)
    throw refuse('too_large', `The payload of a ${type} has at most ${most} characters.`)
  const parsed = payloads[type].safeParse(raw)
  if (!parsed.success) throw firstProblem(type, parsed.error)
  return {
    type,
    from: bare && given['from'] === '' ? '' : text(given['from'], FROM, 'from'),
    to: bare && given['to'] === '' ? '' : text(given['to'], TO, 'to'),
    ts: time(given['ts']),
    payload: parsed.data,
    payloadText: payloadText ?? '{}',
    sig: signature(given['sig']),
    ...(alias !== undefined && { alias }),
  } as AnyFrame
}

/** The type that a text which is no frame gives itself, for deciding whether to answer it; a guess, and never more. */
export const claimedType = (message: string): string | undefined => /"type"\s*:\s*"([A-Za-z_]{1,64})"/.exec(message)?.[1]

export interface OutgoingFrame {
  /** A frame's type, or the name of an answer to an alias. */
  readonly type: string
  readonly from: string
  readonly to: string
  readonly ts: number
  /** Canonical already, and what `sig` was made over. */
  readonly payloadText: string
  readonly sig?: string | undefined
}

/** The text of one frame, put together around a payload that is not touched; without `sig` the field is left out. */
export const encodeFrame = ({ type, from, to, ts, payloadText, sig }: OutgoingFrame): string =>
  `{"type":${JSON.stringify(type)},"from":${JSON.stringify(from)},"to":${JSON.stringify(to)},"ts":${ts},"payload":${payloadText}${
    sig === undefined ? '' : `,"sig":${JSON.stringify(sig)}`
  }}`
