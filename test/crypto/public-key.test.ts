import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { parsePublicKey, publicKeyOfPkcs8 } from '../../src/crypto/public-key.ts'
import { readSpki, writeSpki } from '../../src/crypto/rsa-structure.ts'
import { webCrypto } from '../../src/crypto/web-crypto.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { testKey } from '../helpers/test-keys.ts'

const good = await testKey(0)
const der = Buffer.from(good.publicText, 'base64url')
const pem = createPublicKey(good.pem).export({ type: 'spki', format: 'pem' }) as string
const { modulus } = readSpki(der)
const F4 = new Uint8Array([1, 0, 1])

/** SPKI of numbers that OpenSSL would not make or only slowly. */
const built = (modulus: Uint8Array, exponent: Uint8Array = F4): string =>
  Buffer.from(writeSpki({ modulus, exponent })).toString('base64url')
const ofBits = (bits: number): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(bits / 8)).fill(0xff)
  bytes[0] = 0xff >> (bytes.length * 8 - bits)
  return bytes
}
const made = (bits: number, publicExponent = 65537): string =>
  generateKeyPairSync('rsa', { modulusLength: bits, publicExponent })
    .publicKey.export({ type: 'spki', format: 'der' })
    .toString('base64url')
const exported = (key: { export(options: { type: 'spki'; format: 'der' }): Buffer }): string =>
  key.export({ type: 'spki', format: 'der' }).toString('base64url')
const evenModulus = (): Uint8Array => modulus.map((byte, at) => (at === 511 ? byte & 0xfe : byte))

const accepted: Readonly<Record<string, string>> = {
  'base64url of DER': good.publicText,
  'base64url of DER, padded': `${good.publicText}==`,
  PEM: pem,
  'PEM with CRLF': pem.replaceAll('\n', '\r\n'),
  'PEM without its last newline': pem.trimEnd(),
  'PEM on one line of base64': `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----`,
  'base64url of PEM': Buffer.from(pem).toString('base64url'),
  'base64url of PEM, padded': Buffer.from(pem.trimEnd()).toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
}

const refused: readonly (readonly [name: string, text: string, reason: string, sentence: RegExp])[] = [
  ['not-a-key', 'not-a-key', 'not_a_key', /cut off/],
  ['an empty text', '', 'not_a_key', /empty/],
  ['a word that is base64url', 'placeholder0', 'malformed', /not a well-formed key/],
  ['RSA-1024', made(1024), 'wrong_size', /1024 bits instead of 4096/],
  ['RSA-2048', made(2048), 'wrong_size', /2048 bits/],
  ['RSA-4095', built(ofBits(4095)), 'wrong_size', /4095 bits/],
  ['RSA-4097', built(ofBits(4097)), 'wrong_size', /4097 bits/],
  ['RSA-16384', built(ofBits(16384)), 'wrong_size', /16384 bits/],
  ['a modulus of zero', built(new Uint8Array([0])), 'wrong_size', /0 bits/],
  ['an exponent of 1', built(modulus, new Uint8Array([1])), 'wrong_exponent', /exponent is 1 instead of 65537/],
  ['an exponent of 3', built(modulus, new Uint8Array([3])), 'wrong_exponent', /exponent is 3/],
  ['an exponent as large as the modulus', built(modulus, modulus), 'wrong_exponent', /4096 bits instead of 65537/],
  ['an even modulus', built(evenModulus()), 'even_modulus', /even/],
  ['an elliptic-curve key', exported(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey), 'not_rsa', /elliptic-curve/],
  ['an Ed25519 key', exported(generateKeyPairSync('ed25519').publicKey), 'not_rsa', /Ed25519/],
  ['an RSA-PSS key', exported(generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).publicKey), 'not_rsa', /restricted to PSS/],
  ['a private key', good.pem, 'not_a_key', /must never leave its owner/],
  ['a private key as DER', Buffer.from(good.pkcs8).toString('base64url'), 'malformed', /well-formed/],
  ['PKCS#1', createPublicKey(good.pem).export({ type: 'pkcs1', format: 'pem' }) as string, 'not_a_key', /RSA PUBLIC KEY/],
  ['standard base64', der.toString('base64'), 'not_a_key', /standard base64/],
  ['wrong padding', `${good.publicText}=`, 'not_a_key', /padding is wrong/],
  ['white space around', ` ${good.publicText}`, 'not_a_key', /white space/],
  ['a byte behind the key', Buffer.concat([der, Buffer.from([0])]).toString('base64url'), 'malformed', /1 bytes follow/],
  ['a key that is cut off', der.subarray(0, 549).toString('base64url'), 'malformed', /middle of a value/],
  ['PEM that is cut off', pem.slice(0, 700), 'malformed', /whole BEGIN and END/],
  ['PEM with other letters', pem.replace('MII', '*II'), 'malformed', /base64/],
  ['PEM twice', pem + pem, 'malformed', /whole BEGIN and END/],
  ['900 kB', 'A'.repeat(900_000), 'too_large', /900000 characters/],
]

void t.test('every accepted form of one key becomes the same text', async t => {
  for (const [name, text] of Object.entries(accepted)) {
    t.equal(parsePublicKey(text).text, good.publicText, name)
    for (const crypto of [nodeCrypto(), webCrypto()]) t.equal((await crypto.importPublicKey(text)).text, good.publicText, name)
  }
})

void t.test('what is no RSA-4096 key with exponent 65537 is BAD_KEY with a sentence, in both ports', async t => {
  for (const [name, text, reason, sentence] of refused) {
    for (const crypto of [nodeCrypto(), webCrypto()]) {
      await t.rejects(crypto.importPublicKey(text), { name: 'ProtocolError', code: 'BAD_KEY', reason, message: sentence }, name)
    }
  }
})

void t.test('the sentence says what to do and does not repeat the key', async t => {
  for (const [name, text] of refused) {
    t.throws(() => parsePublicKey(text), { message: /^The public key is refused: .+\. Send the SPKI of an RSA-4096 key/ }, name)
    try {
      parsePublicKey(text)
    } catch (error) {
      t.ok((error as Error).message.length < 300, name)
    }
  }
})

void t.test('the public half of a PKCS#8 file is the one that OpenSSL finds', async t => {
  t.equal(publicKeyOfPkcs8(good.pkcs8).text, good.publicText)
  t.same(Buffer.from(publicKeyOfPkcs8(good.pkcs8).spki), der)
})

void t.test('a key with any other byte changed outside the modulus is refused', async t => {
  // 38 bytes of structure, 512 of modulus, 5 of exponent: each byte of the structure has one right value only
  const modulusStart = der.length - 5 - 512
  t.equal(modulusStart, 33)
  for (const at of [
    ...Array(modulusStart).keys(),
    ...Array(5)
      .keys()
      .map(i => der.length - 5 + i),
  ]) {
    for (const change of [1, 0x80]) {
      const changed = Buffer.from(der)
      changed[at] = (der[at] ?? 0) ^ change
      t.throws(() => parsePublicKey(changed.toString('base64url')), { code: 'BAD_KEY' }, `byte ${String(at)}`)
    }
  }
})

void t.test('no bytes at all make the reader throw anything but BAD_KEY', async t => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.array(fc.tuple(fc.nat(549), fc.nat(255)), { minLength: 1, maxLength: 6 }).map(changes => {
      const bytes = new Uint8Array(der)
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    }),
  )
  fc.assert(
    fc.property(noise, bytes => {
      try {
        const { spki, text } = parsePublicKey(Buffer.from(bytes).toString('base64url'))
        return text === Buffer.from(bytes).toString('base64url') && spki.length === 550
      } catch (error) {
        return error instanceof ProtocolError && error.code === 'BAD_KEY'
      }
    }),
    { numRuns: 500 },
  )
  t.pass('500 mutations')
})
