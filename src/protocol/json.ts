/** One walk over JSON text (RFC 8259): syntax, depth, duplicate keys and lone surrogates, without recursion, in linear time. */
import { ProtocolError } from './errors.ts'

/** What a walk reports, in the order of the text; offsets are UTF-16 units, `end` exclusive. */
export interface JsonVisitor {
  open(kind: '{' | '[', start: number): void
  close(end: number): void
  /** A key of the object that is open, unescaped. */
  key(name: string): void
  /** A string, number or literal as it is written. */
  scalar(start: number, end: number): void
}

export interface WalkOptions {
  /** Objects and arrays inside each other. */
  readonly maxDepth: number
  /** Whether `\ud800` alone may stand in a string: it has no UTF-8 form (RFC 8259 §8.2). */
  readonly loneSurrogates: 'refuse' | 'keep'
}

const refuse = (reason: string, detail: string): ProtocolError => new ProtocolError('UNKNOWN_TYPE', reason, detail)

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39
const isHex = (code: number): boolean => isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66)
const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
// " \ / b f n r t
const SHORT_ESCAPES: ReadonlySet<number> = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74])
/** JSON allows no control character in a string (RFC 8259 §7); what may have an escape is stepped through. */
const NOT_PLAIN = /[\0-\x1f\\]/
const LITERALS: readonly string[] = ['true', 'false', 'null']

/** Walks `text` once and calls `visitor`. Throws `ProtocolError UNKNOWN_TYPE`: `not_json`, `too_deep`, `duplicate_key`, `lone_surrogate`. */
export const walkJson = (text: string, options: WalkOptions, visitor: JsonVisitor): void => {
  let at = 0
  /** Most texts hold nothing that a string would have to be stepped through for. */
  const plain = !NOT_PLAIN.test(text)
  /** Names seen in each open object; undefined for an open array. */
  const names: (Set<string> | undefined)[] = []

  const broken = (): ProtocolError => refuse('not_json', `Not JSON at character ${at}.`)
  const skipSpace = (): void => {
    while (isSpace(text.charCodeAt(at))) at += 1
  }
  const digits = (): void => {
    if (!isDigit(text.charCodeAt(at))) throw broken()
    while (isDigit(text.charCodeAt(at))) at += 1
  }
  const number = (): void => {
    if (text[at] === '-') at += 1
    if (text[at] === '0') at += 1
    else digits()
    if (text[at] === '.') {
      at += 1
      digits()
    }
    if (text[at] === 'e' || text[at] === 'E') {
      at += 1
      if (text[at] === '+' || text[at] === '-') at += 1
      digits()
    }
  }
  const escape = (): void => {
    const code = text.charCodeAt(at)
    at += 1
    if (SHORT_ESCAPES.has(code)) return
    if (code !== 0x75) throw broken()
    for (let digit = 0; digit < 4; digit += 1, at += 1) if (!isHex(text.charCodeAt(at))) throw broken()
  }
  /** Moves past the string that starts here; true when it holds escapes. */
  const string = (): boolean => {
    const start = at
    // searching is several times faster than stepping, and each string is gone over at most twice
    const quote = text.indexOf('"', start + 1)
    if (quote !== -1 && (plain || !NOT_PLAIN.test(text.slice(start + 1, quote)))) {
      at = quote + 1
      return false
    }
    let escaped = false
    let wide = false
    at += 1
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === 0x22) break
      if (Number.isNaN(code) || code < 0x20) throw broken()
      at += 1
      if (code !== 0x5c) continue
      escaped = true
      wide ||= text.charCodeAt(at) === 0x75
      escape()
    }
    at += 1
    if (wide && options.loneSurrogates === 'refuse' && !(JSON.parse(text.slice(start, at)) as string).isWellFormed())
      throw refuse('lone_surrogate', 'A string holds half of a surrogate pair.')
    return escaped
  }
  const key = (): void => {
    const start = at
    if (text[at] !== '"') throw broken()
    const escaped = string()
    const name = escaped ? (JSON.parse(text.slice(start, at)) as string) : text.slice(start + 1, at - 1)
    const seen = names.at(-1)
    if (seen?.has(name) === true) throw refuse('duplicate_key', 'An object has the same key twice.')
    seen?.add(name)
    skipSpace()
    if (text[at] !== ':') throw broken()
    at += 1
    visitor.key(name)
  }
  /** Handles what starts here; true when it opened a container that is not empty. */
  const value = (): boolean => {
    skipSpace()
    const start = at
    const first = text[at]
    if (first === '{' || first === '[') {
      if (names.length >= options.maxDepth) throw refuse('too_deep', `JSON nests deeper than ${options.maxDepth}.`)
      visitor.open(first, start)
      at += 1
      skipSpace()
      if (text[at] === (first === '{' ? '}' : ']')) {
        at += 1
        visitor.close(at)
        return false
      }
      names.push(first === '{' ? new Set() : undefined)
      if (first === '{') key()
      return true
    }
    if (first === '"') string()
    else if (first === '-' || isDigit(text.charCodeAt(at))) number()
    else {
      const literal = LITERALS.find(word => text.startsWith(word, at))
      if (literal === undefined) throw broken()
      at += literal.length
    }
    visitor.scalar(start, at)
    return false
  }

  if (options.loneSurrogates === 'refuse' && !text.isWellFormed())
    throw refuse('lone_surrogate', 'The text holds half of a surrogate pair.')
  while (value());
  while (names.length > 0) {
    skipSpace()
    const inObject = names.at(-1) !== undefined
    if (text[at] === (inObject ? '}' : ']')) {
      at += 1
      names.pop()
      visitor.close(at)
      continue
    }
    if (text[at] !== ',') throw broken()
    at += 1
    skipSpace()
    if (inObject) key()
    while (value());
  }
  skipSpace()
  if (at !== text.length) throw broken()
}

/**
 * Reads JSON text and finds the exact text of the top-level `payload`, which is what was signed (SOCP §12).
 * Throws as `walkJson`; lone surrogates are refused. `__proto__` comes out as an own key.
 */
export const scanJson = (
  text: string,
  { maxDepth }: { readonly maxDepth: number },
): { value: unknown; payloadText: string | undefined } => {
  let depth = 0
  let inPayload = false
  let start = -1
  let payloadText: string | undefined
  const began = (at: number): void => {
    if (depth === 1 && inPayload) start = at
  }
  const ended = (end: number): void => {
    if (depth !== 1 || !inPayload) return
    payloadText = text.slice(start, end)
    inPayload = false
  }
  walkJson(
    text,
    { maxDepth, loneSurrogates: 'refuse' },
    {
      open(_, at) {
        began(at)
        depth += 1
      },
      close(end) {
        depth -= 1
        ended(end)
      },
      key(name) {
        if (depth === 1) inPayload = name === 'payload'
      },
      scalar(from, end) {
        began(from)
        ended(end)
      },
    },
  )
  return { value: JSON.parse(text), payloadText }
}
