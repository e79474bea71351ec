/**
 * What a comparison of presence costs against sending every advertisement anew, in bytes of whole frames and in CPU time:
 * `node bench/digest.ts [users] [differences]`. Signatures are texts of their length; each frame of a comparison needs one more, an
 * advertisement needs none, because it is the same event again.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { PresenceSeq } from '../src/domain/facts.ts'
import { compareParts, createDigestTree, type DigestEntry, tellParts } from '../src/domain/presence-digest.ts'
import { canonicalOf } from '../src/protocol/canonical.ts'
import { encodeFrame } from '../src/protocol/envelope.ts'
import type { Base64Url, UserId } from '../src/protocol/ids.ts'
import { limits } from '../src/protocol/limits.ts'
import { lines, median, spent } from './measure.ts'

const [users = 10_000, differences = 10] = process.argv.slice(2).map(Number)
const ROUNDS = 7
const SIGNATURE = 'A'.repeat(683) as Base64Url
const KEY = 'M'.repeat(734)
const [asker, teller] = [randomUUID(), randomUUID()]
const at = 1_750_000_000_000

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const frame = (type: string, from: string, to: string, payload: object): number =>
  encodeFrame({ type, from, to, ts: at, payloadText: canonicalOf(payload), sig: SIGNATURE }).length
const nonce = randomBytes(32).toString('base64url')

const theirs: DigestEntry[] = Array.from({ length: users }, (_, n) => [randomUUID() as UserId, [at / 1_000, n + 1] as PresenceSeq])
const advertisement = ([user_id, seq]: DigestEntry): number =>
  frame('USER_ADVERTISE', teller, '*', {
    user_id,
    server_id: teller,
    meta: {
      display_name: 'somebody',
      pubkey: KEY,
      extras: { seq, caps: ['ack', 'blocks', 'bound', 'presence', 'proof'], since: at, attached: { at, nonce, sig: SIGNATURE } },
    },
  })
const mine = theirs.filter((_, n) => n % Math.ceil(users / differences) !== 0)

const exchange = () => {
  const [told, known] = [createDigestTree(theirs, sha256), createDigestTree(mine, sha256)]
  const seq: PresenceSeq = [at / 1_000, users]
  let [frames, bytes] = [0, 0]
  const send = (type: string, from: string, to: string, payload: object): void => {
    frames += 1
    bytes += frame(type, from, to, payload)
  }
  send('PRESENCE_ASK', asker, teller, { nonce, root: known.digest('') })
  const prefixes = ['']
  const want: DigestEntry[] = []
  let missing = 0
  for (;;) {
    const asked = prefixes.splice(0, limits.maxDigestPrefixes)
    const answer = tellParts(told, seq, asked)
    send('PRESENCE_TELL', teller, asker, { nonce, ...answer })
    const found = compareParts(known, answer)
    prefixes.push(...found.prefixes)
    want.push(...found.want)
    if (prefixes.length === 0 && want.length === 0) break
    const wanted = want.splice(0, limits.maxWanted)
    missing += wanted.length
    for (const entry of wanted) bytes += advertisement(entry)
    send('PRESENCE_ASK', asker, teller, {
      nonce,
      prefixes: prefixes.slice(0, limits.maxDigestPrefixes),
      want: wanted.map(([user]) => user),
    })
  }
  // and the end: are we the same now?
  send('PRESENCE_ASK', asker, teller, { nonce, root: told.digest('') })
  send('PRESENCE_TELL', teller, asker, { nonce, seq, same: true })
  return { frames, bytes, missing }
}

const cpu: number[] = []
for (let round = 0; round < ROUNDS; round += 1) cpu.push((await spent(exchange)).cpu)
const { frames, bytes, missing } = exchange()
const all = theirs.reduce((sum, entry) => sum + advertisement(entry), 0)
const kB = (count: number): string => `${(count / 1_000).toFixed(1)} kB`
lines([
  `${users} users, ${missing} of them missing`,
  `compared: ${frames} frames and ${missing} advertisements, ${kB(bytes)}; both trees and all comparing ${(median(cpu) * 1_000).toFixed(0)} ms CPU (median of ${ROUNDS})`,
  `sent anew: ${users} advertisements, ${kB(all)}, ${(all / bytes).toFixed(0)} times as much`,
])
