/** Comparing what two servers know of one server's users: digests of ever smaller parts, then the entries of the parts that differ. */
import { toBase64Url, toHex, utf8 } from '../protocol/encoding.ts'
import type { UserId } from '../protocol/ids.ts'
import { limits } from '../protocol/limits.ts'
import type { PresenceSeq } from './facts.ts'
import { compareSeq } from './presence-order.ts'

/** SHA-256. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

/** A user and the event that says last that they are there: everything else about them follows from that event. */
export type DigestEntry = readonly [user: UserId, seq: PresenceSeq]

/** All entries in the order of SHA-256 of their user ids; a part is named by the first digits of that in hexadecimal. */
export interface DigestTree {
  readonly size: number
  /** 12 bytes in base64url over the entries of a part; the empty text when there are none. */
  digest(prefix: string): string
  entries(prefix: string): readonly DigestEntry[]
  /** How many entries a part has. */
  count(prefix: string): number
}

/** Entries that are listed rather than divided further. */
const LEAF = 16
const DIGITS = Array.from({ length: 16 }, (_, digit) => digit.toString(16))
const KEY_BYTES = 8
const DIGEST_BYTES = 12

/** Entries between two turns, and parts, by the first two digits of their keys. */
const ENTRIES_A_TURN = 500
const PARTS = 256
const PARTS_A_TURN = 16

interface Keyed {
  readonly key: string
  readonly entry: DigestEntry
}

/** Makes a tree of many entries step by step: where it yields, others may have their turn. The entries may change meanwhile without harm. */
export function* digestTreeInTurns(entries: readonly DigestEntry[], sha256: Sha256): Generator<undefined, DigestTree> {
  const parts = Array.from({ length: PARTS }, (): Keyed[] => [])
  for (const [place, entry] of entries.entries()) {
    if (place > 0 && place % ENTRIES_A_TURN === 0) yield
    const hash = sha256(utf8(entry[0]))
    parts[hash[0] as number]?.push({ key: toHex(hash.subarray(0, KEY_BYTES)), entry })
  }
  /** The lines of each part's entries. */
  const texts: string[] = []
  const keyed: Keyed[] = []
  for (const [place, part] of parts.entries()) {
    if (place > 0 && place % PARTS_A_TURN === 0) yield
    part.sort((a, b) => order(a.key, b.key) || order(a.entry[0], b.entry[0]))
    texts.push(part.map(lineOf).join(''))
    for (const one of part) keyed.push(one)
  }

  /** The place of the first entry whose key is not before `key`. */
  const placeOf = (key: string): number => {
    let [low, high] = [0, keyed.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((keyed[middle] as Keyed).key < key) low = middle + 1
      else high = middle
    }
    return low
  }
  // every digit is before `g`
  const part = (prefix: string): readonly Keyed[] => keyed.slice(placeOf(prefix), placeOf(`${prefix}g`))
  const textOf = (prefix: string): string => {
    if (prefix.length > 2) return part(prefix).map(lineOf).join('')
    const first = Number.parseInt(prefix.padEnd(2, '0'), 16)
    return texts.slice(first, first + PARTS / 16 ** prefix.length).join('')
  }

  const digestOf = (prefix: string): string => {
    const text = textOf(prefix)
    return text === '' ? '' : toBase64Url(sha256(utf8(text)).subarray(0, DIGEST_BYTES))
  }
  /** Of large parts: whoever asks for the same one again and again must not have all users hashed each time. */
  const kept = new Map<string, string>()

  return {
    size: keyed.length,
    entries: prefix => part(prefix).map(({ entry }) => entry),
    count: prefix => placeOf(`${prefix}g`) - placeOf(prefix),
    digest(prefix) {
      if (prefix.length > 2) return digestOf(prefix)
      const digest = kept.get(prefix) ?? digestOf(prefix)
      kept.set(prefix, digest)
      return digest
    },
  }
}

/** The same in one go. */
export const createDigestTree = (entries: Iterable<DigestEntry>, sha256: Sha256): DigestTree => {
  const making = digestTreeInTurns([...entries], sha256)
  for (;;) {
    const { done, value } = making.next()
    if (done === true) return value
  }
}

/** What a server says of parts of its own users; as of `seq`, its last presence event. */
export interface Told {
  readonly seq: PresenceSeq
  readonly same?: boolean | undefined
  readonly nodes?: readonly { readonly prefix: string; readonly digests: readonly string[] }[] | undefined
  readonly leaves?:
    readonly { readonly prefix: string; readonly users: readonly (readonly [user: UserId, epoch: number, counter: number])[] }[] | undefined
}

/** Answers a question about parts: digests of their sixteen parts, or their entries where there are few. */
export const tellParts = (tree: DigestTree, seq: PresenceSeq, prefixes: readonly string[]): Told => {
  const isLeaf = (prefix: string): boolean => prefix.length >= 2 * KEY_BYTES || tree.count(prefix) <= LEAF
  return {
    seq,
    nodes: prefixes
      .filter(prefix => !isLeaf(prefix))
      .map(prefix => ({ prefix, digests: DIGITS.map(digit => tree.digest(prefix + digit)) })),
    leaves: prefixes.filter(isLeaf).map(prefix => ({
      prefix,
      users: tree
        .entries(prefix)
        .slice(0, limits.maxEntries)
        .map(([user, [epoch, counter]]) => [user, epoch, counter] as const),
    })),
  }
}

export interface Differences {
  /** Parts to ask for next. */
  readonly prefixes: readonly string[]
  /** Events that are missing here. */
  readonly want: readonly DigestEntry[]
  /** Users who are known here and not there any more. */
  readonly gone: readonly UserId[]
}

/** Compares an answer with what is known here. What is newer here than the answer came after it, and is left alone. */
export const compareParts = (mine: DigestTree, { seq, nodes = [], leaves = [] }: Told): Differences => {
  const prefixes = nodes.flatMap(({ prefix, digests }) =>
    DIGITS.map(digit => prefix + digit).filter((child, place) => mine.digest(child) !== digests[place]),
  )
  const want: DigestEntry[] = []
  const gone: UserId[] = []
  for (const { prefix, users } of leaves) {
    const known = new Map(mine.entries(prefix))
    for (const [user, epoch, counter] of users) {
      const held = known.get(user)
      known.delete(user)
      if (held === undefined || compareSeq(held, [epoch, counter]) < 0) want.push([user, [epoch, counter]])
    }
    for (const [user, held] of known) if (compareSeq(held, seq) <= 0) gone.push(user)
  }
  return { prefixes, want, gone }
}

const lineOf = ({ entry: [user, [epoch, counter]] }: Keyed): string => `${user} ${epoch} ${counter}\n`
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
