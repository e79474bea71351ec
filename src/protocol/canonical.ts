/** Canonical JSON (SOCP §12): keys by code point at every depth, no white space, number tokens as they were written. */
import { ProtocolError } from './errors.ts'
import { walkJson } from './json.ts'
import { limits } from './limits.ts'

/** `ascii` writes everything beyond printable ASCII as `\uXXXX` in lower case; `utf8` only what JSON must escape. */
export type CanonicalForm = 'ascii' | 'utf8'

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** A string token that is the same in both forms. */
const PLAIN = /^"[\x20\x21\x23-\x5b\x5d-\x7e]*"$/

const escapeUnit = (unit: string): string => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** A JSON string token as Python's json.dumps writes it, which is what most stock programs sign. */
const quote = (text: string, form: CanonicalForm): string =>
  `"${form === 'ascii' ? text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, escapeUnit) : text.replace(/[\0-\x1f"\\]/g, escapeUnit)}"`

/** Order by code point; plain comparison would order by UTF-16 unit and put U+1F600 before U+FF61. */
const byCodePoint = (left: string, right: string): number => {
  const shorter = Math.min(left.length, right.length)
  let at = 0
  while (at < shorter && left.charCodeAt(at) === right.charCodeAt(at)) at += 1
  if (at === shorter) return left.length - right.length
  const before = at > 0 ? left.charCodeAt(at - 1) : 0
  // a difference in the second half of a pair is one between two code points
  const from = before >= 0xd800 && before <= 0xdbff ? at - 1 : at
  return (left.codePointAt(from) ?? 0) - (right.codePointAt(from) ?? 0)
}

const object = (members: (readonly [key: string, value: string])[], form: CanonicalForm): string =>
  `{${members
    .sort(([left], [right]) => byCodePoint(left, right))
    .map(([key, value]) => `${quote(key, form)}:${value}`)
    .join(',')}}`

/** A container under construction: its members or elements so far, already canonical. */
type Open = { readonly members: (readonly [string, string])[]; key: string } | { readonly elements: string[] }

/**
 * Canonical form of JSON text. Numbers stay as written (`1E2`, `1.0`), so that what a float-keeping signer made still verifies.
 * Throws as `walkJson`; `utf8` of a lone surrogate has no bytes and is refused.
 */
export const canonicalJson = (jsonText: string, form: CanonicalForm = 'ascii'): string => {
  const stack: Open[] = []
  let result = ''
  const add = (value: string): void => {
    const parent = stack.at(-1)
    if (parent === undefined) result = value
    else if ('members' in parent) parent.members.push([parent.key, value])
    else parent.elements.push(value)
  }
  walkJson(
    jsonText,
    { maxDepth: limits.maxDepth, loneSurrogates: form === 'utf8' ? 'refuse' : 'keep' },
    {
      open(kind) {
        stack.push(kind === '{' ? { members: [], key: '' } : { elements: [] })
      },
      close() {
        const closed = stack.pop()
        if (closed !== undefined) add('members' in closed ? object(closed.members, form) : `[${closed.elements.join(',')}]`)
      },
      key(name) {
        const parent = stack.at(-1)
        if (parent !== undefined && 'members' in parent) parent.key = name
      },
      scalar(start, end) {
        const token = jsonText.slice(start, end)
        add(token.startsWith('"') && !PLAIN.test(token) ? quote(JSON.parse(token) as string, form) : token)
      },
    },
  )
  return result
}

/**
 * Canonical ASCII text of what we build ourselves: plain objects, arrays, strings, finite numbers, booleans, null.
 * Undefined members are left out. Anything else throws a TypeError, because it is a bug and not input.
 */
export const canonicalOf = (value: unknown): string => {
  if (typeof value === 'string') return quote(value, 'ascii')
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalOf).join(',')}]`
  if (typeof value === 'object') {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return object(
      members.map(([key, member]) => [key, canonicalOf(member)] as const),
      'ascii',
    )
  }
  throw new TypeError(`canonical JSON cannot hold a ${typeof value}`)
}

/** Canonical text, or undefined where the form does not exist; any other error passes. */
export const canonicalIfAny = (jsonText: string, form: CanonicalForm): string | undefined => {
  try {
    return canonicalJson(jsonText, form)
  } catch (error) {
    if (error instanceof ProtocolError && error.reason === 'lone_surrogate') return undefined
    throw error
  }
}
