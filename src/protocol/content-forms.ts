/** What stock programs sign end to end: the constructions of a content signature (SOCP §12), ours first. */
import { canonicalOf } from './canonical.ts'
import { concat, fromAnyBase64, fromBase64Url, utf8 } from './encoding.ts'

/** What is signed: a message to one, a public message, a file's offer, a file's piece, keys of the public channel. */
export type ContentKind = 'direct' | 'public' | 'offer' | 'chunk' | 'keyshare'

type Sha256 = (bytes: Uint8Array) => Uint8Array

/** Everything that a content signature was ever seen to cover. `contentFields` takes it from a frame. */
export interface ContentFields {
  readonly kind: ContentKind
  readonly from: string
  readonly to: string
  /** Candidates for the time that was signed, the envelope's first: stock servers put a fresh one there and keep the old one elsewhere. */
  readonly times: readonly number[]
  /** As sent. */
  readonly ciphertext?: string | undefined
  /** A public message in clear (g45). */
  readonly text?: string | undefined
  readonly channel?: string | undefined
  readonly fileId?: string | undefined
  readonly index?: number | undefined
  readonly total?: number | undefined
  readonly offer?: { readonly name: string; readonly size: number; readonly sha256: string; readonly mode: string } | undefined
  /** Shares as they came, and the creator's key in base64url of SPKI DER (g17). */
  readonly shares?: unknown
  readonly creatorPub?: string | undefined
}

export interface ContentForm {
  readonly kinds: readonly ContentKind[]
  /** The signature is over SHA-256 of the input, which PSS hashes again. */
  readonly prehashed: boolean
  /** Candidate inputs; empty when a field is missing or does not decode. */
  readonly input: (fields: ContentFields, sha256: Sha256) => readonly Uint8Array[]
  readonly doc: string
}

/** One input per candidate time; none without a ciphertext. */
const perTime = (fields: ContentFields, input: (ciphertext: string, ts: number) => readonly Uint8Array[]): readonly Uint8Array[] => {
  const { ciphertext } = fields
  return ciphertext === undefined ? [] : fields.times.flatMap(ts => input(ciphertext, ts))
}

/** The public forms leave the recipient out. */
const names = ({ kind, from, to }: ContentFields): readonly string[] => (kind === 'public' ? [from] : [from, to])

const offerInput = ({ fileId, offer, from, to, times }: ContentFields): readonly Uint8Array[] =>
  fileId === undefined || offer === undefined ? [] : times.map(ts => utf8(canonicalOf({ ...offer, file_id: fileId, from, to, ts })))

/** Ciphertext as text, then the fields, nothing between. */
const asText = (fields: ContentFields): readonly Uint8Array[] =>
  fields.kind === 'offer' ? offerInput(fields) : perTime(fields, (ciphertext, ts) => [utf8([ciphertext, ...names(fields), ts].join(''))])

/** Ciphertext decoded, then the fields, nothing between; a piece of a file with its place after them (g17 with, ari without the total). */
const asBytes = (fields: ContentFields): readonly Uint8Array[] =>
  perTime(fields, (ciphertext, ts) => {
    const raw = fromAnyBase64(ciphertext)
    if (raw === undefined) return []
    const plain = [...names(fields), ts].join('')
    const { kind, fileId = '', index, total } = fields
    if (kind !== 'chunk' || index === undefined) return [concat(raw, utf8(plain))]
    return [...(total === undefined ? [] : [`${fileId}${index}${total}`]), `${fileId}${index}`].map(place =>
      concat(raw, utf8(plain + place)),
    )
  })

/** Ciphertext decoded, then from, to, ts, whatever the kind: this program signs pieces as it signs messages (g43). */
const asBytesPlain = (fields: ContentFields): readonly Uint8Array[] =>
  perTime(fields, (ciphertext, ts) => {
    const raw = fromAnyBase64(ciphertext)
    return raw === undefined ? [] : [concat(raw, utf8([...names(fields), ts].join('')))]
  })

const withBars = (time: (ts: number) => string) => (fields: ContentFields) =>
  perTime(fields, (ciphertext, ts) => [utf8([ciphertext, ...names(fields), time(ts)].join('|'))])

/** Canonical JSON of the fields; public text in clear goes with its channel (g45). */
const asJson =
  (timeKey: 'ts' | 'ts_ms') =>
  (fields: ContentFields): readonly Uint8Array[] => {
    const { kind, from, to, text, channel = 'public', times } = fields
    if (kind === 'public' && text !== undefined) return times.map(ts => utf8(canonicalOf({ channel, from, text, [timeKey]: ts })))
    return perTime(fields, (ciphertext, ts) => [utf8(canonicalOf({ ciphertext, from, ...(kind !== 'public' && { to }), [timeKey]: ts }))])
  }

const asKeyShare = ({ shares, creatorPub }: ContentFields, sha256: Sha256): readonly Uint8Array[] => {
  const creator = creatorPub === undefined ? undefined : fromBase64Url(creatorPub, { padded: true })
  return creator === undefined || shares === undefined ? [] : [concat(sha256(utf8(canonicalOf(shares))), creator)]
}

/**
 * Construction's name → what it is. A name covers all kinds that one program signs, so that a key can be held to the name it used
 * first. `text` is what we sign.
 */
export const contentForms = {
  text: {
    kinds: ['direct', 'public', 'offer'],
    prehashed: false,
    input: asText,
    doc: 'ciphertext text, from, to, ts (ours, fengyuan, admiral, sp60d1b18 backend, g28); our file offer',
  },
  'text-hashed': { kinds: ['direct', 'public'], prehashed: true, input: asText, doc: 'the same, hashed before (groupcache)' },
  bytes: {
    kinds: ['direct', 'public', 'chunk'],
    prehashed: false,
    input: asBytes,
    doc: 'ciphertext bytes, from, to, ts; pieces with file_id, index, total (g17, ari)',
  },
  'bytes-hashed': {
    kinds: ['direct', 'public', 'chunk'],
    prehashed: true,
    input: asBytesPlain,
    doc: 'ciphertext bytes, from, to, ts, hashed before (g43, g69, sp60d1b18 client)',
  },
  json: {
    kinds: ['direct', 'public'],
    prehashed: false,
    input: asJson('ts'),
    doc: 'canonical JSON of ciphertext, from, to, ts (g45, g12)',
  },
  'json-hashed': { kinds: ['direct', 'public'], prehashed: true, input: asJson('ts'), doc: 'the same, hashed before (g1)' },
  'json-ms': { kinds: ['direct', 'public'], prehashed: false, input: asJson('ts_ms'), doc: 'the same with the key ts_ms (g41)' },
  bars: {
    kinds: ['direct', 'public'],
    prehashed: false,
    input: withBars(String),
    doc: 'ciphertext text, from, to, ts with | between (code520455)',
  },
  'bars-float': {
    kinds: ['direct', 'public'],
    prehashed: false,
    input: withBars(ts => `${ts}.000000`),
    doc: 'the same, ts as %.6f, ciphertext in standard base64 (g40)',
  },
  keyshare: {
    kinds: ['keyshare'],
    prehashed: false,
    input: asKeyShare,
    doc: "SHA-256 of the canonical shares, then the creator's SPKI DER (g17)",
  },
} as const satisfies Readonly<Record<string, ContentForm>>

export type ContentFormName = keyof typeof contentForms

/** The construction that we sign with. */
export const ownContentForm = 'text' satisfies ContentFormName

const isContentFormName = (name: string): name is ContentFormName => Object.hasOwn(contentForms, name)

/** Constructions to try for a kind: the one that the key is known to use, or all in the order of the table. */
export const contentFormsFor = (kind: ContentKind, known?: string): readonly (readonly [ContentFormName, ContentForm])[] =>
  (Object.keys(contentForms) as ContentFormName[])
    .filter(name => known === undefined || (isContentFormName(known) && known === name))
    .map(name => [name, contentForms[name] as ContentForm] as const)
    .filter(([, form]) => form.kinds.includes(kind))
