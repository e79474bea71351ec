/** What users say about themselves, and how it is read and shown. */
import { utf8 } from './encoding.ts'
import { limits } from './limits.ts'

/** What a user says about themselves (SOCP §15.1); routing and cryptography never depend on it. */
export interface UserMeta {
  readonly display_name?: string
  readonly pronouns?: string
  readonly age?: number
  readonly avatar_url?: string
}

/** What an advertisement or a hello says about a user, taken apart. */
export interface ReadMeta {
  readonly meta: UserMeta
  /** In any accepted form; to be checked where it is imported. */
  readonly pubkey?: string
  readonly encPubkey?: string
  /** [epoch, counter] of the presence event at its origin. */
  readonly seq?: readonly [epoch: number, counter: number]
  readonly caps: readonly string[]
  /** When the user attached, Unix milliseconds as their server says. */
  readonly since?: number
  /** The same as the user signed it; to be verified where it counts. */
  readonly attached?: { readonly at: number; readonly nonce: string; readonly sig: string }
  /** Their server is in doubt, by the word of the one that tells it; otherwise they are surely there. */
  readonly presence?: 'suspect' | 'recovered'
}

type Data = Readonly<Record<string, unknown>>

const record = (value: unknown): Data => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Data) : {})

const textUpTo = (maxBytes: number, ...candidates: readonly unknown[]): string | undefined =>
  candidates.find(
    (value): value is string => typeof value === 'string' && value !== '' && value.length <= maxBytes && utf8(value).length <= maxBytes,
  )

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/**
 * Reads what USER_ADVERTISE or USER_HELLO says about a user. Stock programs call the name `display_name`, `username` or `name`,
 * and put the key into `meta` or beside it. What is missing, of another type or too long is left out: meta decides nothing (SOCP §15.1).
 */
export const readMeta = (payload: unknown): ReadMeta => {
  const outer = record(payload)
  const inner = record(outer['meta'])
  const extras = record(inner['extras'])
  const display_name = textUpTo(
    limits.maxNameBytes,
    inner['display_name'],
    inner['username'],
    inner['name'],
    outer['display_name'],
    outer['username'],
    outer['name'],
  )
  const pronouns = textUpTo(64, inner['pronouns'])
  const age = isCount(inner['age']) && inner['age'] <= 200 ? inner['age'] : undefined
  const avatar_url = textUpTo(1_024, inner['avatar_url'])
  const pubkey = textUpTo(limits.maxKeyText, inner['pubkey'], outer['pubkey'])
  const encPubkey = textUpTo(limits.maxKeyText, inner['enc_pubkey'], outer['enc_pubkey'])
  const [epoch, counter, ...rest] = Array.isArray(extras['seq']) ? (extras['seq'] as unknown[]) : []
  const attached = record(extras['attached'])
  const { at } = attached
  const { presence } = extras
  const nonce = textUpTo(64, attached['nonce'])
  const sig = textUpTo(limits.maxSignatureText, attached['sig'])
  return {
    meta: {
      ...(display_name !== undefined && { display_name }),
      ...(pronouns !== undefined && { pronouns }),
      ...(age !== undefined && { age }),
      ...(avatar_url !== undefined && { avatar_url }),
    },
    ...(pubkey !== undefined && { pubkey }),
    ...(encPubkey !== undefined && { encPubkey }),
    ...(isCount(epoch) && isCount(counter) && rest.length === 0 && { seq: [epoch, counter] as const }),
    caps: readCaps(extras['caps'] ?? outer['caps']),
    ...(isCount(extras['since']) && { since: extras['since'] }),
    ...(isCount(at) && nonce !== undefined && sig !== undefined && { attached: { at, nonce, sig } }),
    ...((presence === 'suspect' || presence === 'recovered') && { presence }),
  }
}

/** Capability names of a list, without what is not one; empty for anything else. */
export const readCaps = (value: unknown): readonly string[] =>
  Array.isArray(value)
    ? [...new Set(value.filter((cap): cap is string => typeof cap === 'string' && /^[a-z0-9-]{1,32}$/.test(cap)))].slice(0, limits.maxCaps)
    : []

// controls, line and paragraph separators, bidirectional controls and other invisible marks; joiners stay, emoji need them
const UNSHOWABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** A user's name for people, fit for a terminal; the id when there is none that shows (SOCP §15.1). */
export const displayName = (meta: UserMeta, id: string): string =>
  (meta.display_name ?? '').replace(UNSHOWABLE, '').replace(/\s+/gu, ' ').trim() || id
