/** Invariants of the scanner, canonical JSON and the encodings over random input. */
import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import { canonicalJson, canonicalOf } from '../../src/protocol/canonical.ts'
import { encodeFrame, parseFrame } from '../../src/protocol/envelope.ts'
import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../../src/protocol/encoding.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { scanJson } from '../../src/protocol/json.ts'

const wellFormed = fc.string({ unit: 'grapheme' })
const json = fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 8 })
const holds = async <Given extends unknown[]>(t: Test, property: fc.IProperty<Given>, numRuns = 400): Promise<void> => {
  const result = fc.check(property, { numRuns })
  t.equal(result.failed, false, fc.defaultReportMessage(result) ?? 'holds')
}
t.test(
  'canonical JSON means what it was made of, is its own canonical form, and does not depend on the form or spacing before',
  async t => {
    await holds(
      t,
      fc.property(json, value => {
        const text = JSON.stringify(value)
        const ascii = canonicalJson(text)
        const wide = canonicalJson(text, 'utf8')
        const alike = (left: string, right: string) => canonicalOf(JSON.parse(left)) === canonicalOf(JSON.parse(right))
        return (
          alike(ascii, text) &&
          /^[\x20-\x7e]*$/.test(ascii) &&
          canonicalJson(ascii) === ascii &&
          canonicalJson(wide) === ascii &&
          canonicalJson(ascii, 'utf8') === wide &&
          canonicalJson(JSON.stringify(value, null, 3)) === ascii &&
          canonicalOf(value) === ascii
        )
      }),
    )
  },
)

t.test('canonical JSON parses back to the value that it was made of', async t => {
  await holds(
    t,
    fc.property(json, value => {
      const plain: unknown = JSON.parse(JSON.stringify(value))
      return (
        isDeepStrictEqual(JSON.parse(canonicalOf(value)), plain) &&
        isDeepStrictEqual(JSON.parse(canonicalJson(JSON.stringify(value), 'utf8')), plain)
      )
    }),
  )
})

t.test('keys come out in the order of their UTF-8 bytes, which is that of code points', async t => {
  await holds(
    t,
    fc.property(fc.uniqueArray(fc.string({ unit: 'binary' }), { maxLength: 12 }), keys => {
      const text = canonicalOf(Object.fromEntries(keys.map(key => [key, 0])))
      const order = [...text.matchAll(/("(?:[^"\\]|\\.)*"):0/g)].map(([, key = '""']) => JSON.parse(key) as string)
      return (
        order.length === keys.length &&
        order.every((key, at) => at === 0 || Buffer.compare(Buffer.from(order[at - 1] ?? ''), Buffer.from(key)) < 0)
      )
    }),
  )
})

/** Reasons that are ours alone; JSON.parse takes such text. */
const ownRules = new Set(['duplicate_key', 'too_deep', 'lone_surrogate'])

const agrees = (text: string): boolean => {
  let parsed: unknown
  let isJson = true
  try {
    parsed = JSON.parse(text)
  } catch {
    isJson = false
  }
  try {
    const { value } = scanJson(text, { maxDepth: 32 })
    return isJson && JSON.stringify(value) === JSON.stringify(parsed)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return isJson ? ownRules.has(error.reason) : true
  }
}

t.test('the scanner takes and refuses what JSON.parse does, but for our own rules', async t => {
  const shards = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"b"',
    '1',
    '-',
    '0',
    '.5',
    'e',
    'E+',
    '9',
    'true',
    'null',
    ' ',
    '\n',
    '\\',
    'u0041',
    '\\ud83d',
    '\u0001',
    'é',
  ]
  await holds(
    t,
    fc.property(fc.array(fc.constantFrom(...shards), { maxLength: 14 }), parts => agrees(parts.join(''))),
    4_000,
  )
  await holds(
    t,
    fc.property(fc.json({ maxDepth: 6 }), text => agrees(text)),
  )
  // one broken character in good JSON
  await holds(
    t,
    fc.property(fc.json(), fc.nat(), fc.constantFrom('', '"', '}', ',', '\\', '0', '\u0000', ' '), (text, seed, put) => {
      const at = seed % (text.length + 1)
      return agrees(text.slice(0, at) + put + text.slice(at + 1))
    }),
    2_000,
  )
})

t.test('the payload is cut out exactly, whatever stands around it', async t => {
  await holds(
    t,
    fc.property(fc.dictionary(wellFormed, json), json, fc.boolean(), (around, payload, last) => {
      const others = Object.entries(around)
        .filter(([key]) => key !== 'payload')
        .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
      const own = `"payload" : ${JSON.stringify(payload, null, 1)}`
      const text = `{${(last ? [...others, own] : [own, ...others]).join(' ,')} }`
      return scanJson(text, { maxDepth: 32 }).payloadText === JSON.stringify(payload, null, 1)
    }),
  )
})

t.test('base64url and UTF-8 go there and back; other texts than the one are refused', async t => {
  await holds(
    t,
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      bytes => Buffer.compare(fromBase64Url(toBase64Url(bytes)) ?? Buffer.of(1, 2, 3), bytes) === 0,
    ),
  )
  await holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => toBase64Url(bytes) === Buffer.from(bytes).toString('base64url')),
  )
  await holds(
    t,
    fc.property(wellFormed, text => fromUtf8(utf8(text)) === text),
  )
  await holds(
    t,
    fc.property(fc.string({ maxLength: 12 }), text => {
      const bytes = fromBase64Url(text)
      return bytes === undefined || toBase64Url(bytes) === text
    }),
    2_000,
  )
})

t.test('no text makes the parser throw anything but a ProtocolError', async t => {
  const type = fc.constantFrom(
    'MSG_DIRECT',
    'SERVER_DELIVER',
    'USER_ADVERTISE',
    'SERVER_WELCOME',
    'FILE_START',
    'CTRL_CLOSE',
    'CLIENT_CMD',
    'PROOF',
    '__proto__',
  )
  const key = fc.constantFrom(
    'user_id',
    'server_id',
    'inner_type',
    'ciphertext',
    'meta',
    'servers',
    'ts',
    'seq',
    '__proto__',
    'cmd',
    'voucher',
  )
  const near = fc.record(
    {
      type,
      from: fc.oneof(fc.constant('a'), json),
      to: fc.oneof(fc.constant('b'), json),
      ts: fc.oneof(fc.nat(), json),
      payload: fc.oneof(fc.dictionary(key, json), json),
      sig: json,
    },
    { requiredKeys: ['type'] },
  )
  await holds(
    t,
    fc.property(
      fc.oneof(
        fc.string(),
        near.map(value => JSON.stringify(value)),
      ),
      text => {
        try {
          return typeof parseFrame(text).type === 'string'
        } catch (error) {
          return error instanceof ProtocolError
        }
      },
    ),
    2_000,
  )
})

t.test('what is encoded is what is read', async t => {
  const id = fc.stringMatching(/^[\x21-\x7e]{1,64}$/)
  await holds(
    t,
    fc.property(id, id, fc.maxSafeNat(), fc.dictionary(wellFormed, json), (from, to, ts, payload) => {
      const payloadText = canonicalOf(payload)
      const frame = parseFrame(encodeFrame({ type: 'HEARTBEAT', from, to, ts, payloadText, sig: 'QUJD' }))
      return frame.from === from && frame.to === to && frame.ts === ts && frame.payloadText === payloadText && frame.sig === 'QUJD'
    }),
  )
})
