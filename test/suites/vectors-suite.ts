/** Every captured frame of other programs against our code: exact counts, and exactly the exceptions that are named here. */
import type { Crypto } from '../../src/ports/crypto.ts'
import { captures, openCapture } from './captured.ts'
import { checkCapture, type Tally } from './check-capture.ts'
import type { Suite } from './environment.ts'

type Label = (typeof captures)[number]

/** What we refuse although its maker meant it. A new entry needs a reason; one that no longer fails must go. */
export const exceptions: Readonly<Record<string, string>> = {
  'functions 16 transport': 'g41 signs the whole envelope, not the payload (SOCP §12)',
  'functions 16 content': 'g41 has ts_ms instead of ts in its envelope, which is no SOCP frame (§7)',
  'functions 22 transport': 'g28 signs without the nested keys, so anybody could change them',
}

/** Forms and constructions that each program uses. `received` is `ascii` for a program that sends canonical JSON. */
const forms: Readonly<Record<Label, readonly string[]>> = {
  admiral: ['ascii', 'received', 'text'],
  fengyuan: ['received', 'text'],
  functions: [
    'ascii',
    'ascii-hashed',
    'bars',
    'bars-float',
    'bytes-hashed',
    'json',
    'json-hashed',
    'received',
    'text',
    'text-hashed',
    'utf8',
  ],
  g17: ['ascii', 'bytes', 'keyshare'],
  g43: ['ascii', 'bytes-hashed'],
  g69: ['ascii-hashed', 'bytes-hashed'],
}

/** How much there is to check, so that nothing is left out unseen. Frames are all lines of the file. */
const counts: Readonly<Record<Label, Tally>> = {
  admiral: tally({ frames: 73, signed: 62, unsigned: 11, content: 3, contentInvalid: 3, contentAbsent: 67, decrypted: 20, refused: 280 }),
  fengyuan: tally({
    frames: 187,
    signed: 175,
    unsigned: 12,
    content: 24,
    contentAbsent: 163,
    decrypted: 102,
    readable: 6,
    nested: 32,
    refused: 930,
  }),
  functions: tally({ frames: 23, signed: 8, unsigned: 13, content: 14, contentAbsent: 8, decrypted: 14, refused: 110 }),
  g17: tally({ frames: 161, signed: 118, unsigned: 43, content: 64, contentAbsent: 97, decrypted: 52, shares: 31, refused: 780 }),
  g43: tally({ frames: 148, signed: 104, unsigned: 44, content: 65, contentAbsent: 83, decrypted: 65, refused: 741 }),
  g69: tally({
    frames: 164,
    signed: 115,
    unsigned: 49,
    content: 18,
    contentAbsent: 146,
    decrypted: 36,
    readable: 3,
    proofs: 4,
    refused: 568,
  }),
}

function tally(some: Partial<Tally>): Tally {
  const none = {
    signed: 0,
    unsigned: 0,
    content: 0,
    contentInvalid: 0,
    contentAbsent: 0,
    decrypted: 0,
    readable: 0,
    nested: 0,
    shares: 0,
    proofs: 0,
  }
  return { frames: 0, ...none, refused: 0, ...some }
}

/** Runs over any crypto port; `foreign` is a public key of nobody in the captures. */
export const vectorsSuite =
  (open: () => Crypto, foreign: string): Suite =>
  env => {
    for (const label of captures) {
      env.test(`all ${String(counts[label].frames)} frames of ${label} verify, open and fail as they must`, async () => {
        const crypto = open()
        const report = await checkCapture(
          crypto,
          openCapture(label, crypto, name => env.vectors(name)),
          foreign,
        )
        env.same(
          report.exceptions,
          Object.keys(exceptions).filter(name => name.startsWith(`${label} `)),
        )
        env.same(report.tally, counts[label])
        env.same([...report.forms].sort(), forms[label])
      })
    }
  }
