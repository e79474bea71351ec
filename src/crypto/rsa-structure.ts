/** RSA keys as bytes: SPKI (RFC 5280 §4.1.2.7) and PKCS#8 (RFC 5958 §2), and the one rule on keys (SOCP §4), checked on the bytes. */
import { toHex } from '../protocol/encoding.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { DerError, der, derUnsigned, readDer, tags, type DerReader } from './der.ts'

/** The public numbers of an RSA key, big endian without leading zeros. */
export interface RsaNumbers {
  readonly modulus: Uint8Array
  readonly exponent: Uint8Array
}

/** The kind of structure, for sentences: what is wrong with it, and what to send instead. */
const kinds = {
  public: { name: 'The public key', advice: 'Send the SPKI of an RSA-4096 key with exponent 65537, as base64url.' },
  private: { name: 'The private key', advice: 'Use a PKCS#8 file of an RSA-4096 key with exponent 65537.' },
} as const
type Kind = keyof typeof kinds

/** A key that is refused: `BAD_KEY` with a sentence of what is wrong and what to do. */
export const badKey = (kind: Kind, reason: string, clause: string, options?: ErrorOptions): ProtocolError =>
  new ProtocolError('BAD_KEY', reason, `${kinds[kind].name} is refused: ${clause}. ${kinds[kind].advice}`, options)

/** Algorithm identifiers that people try, by the hex of their OID; only the first is a key of SOCP. */
const algorithms: Readonly<Record<string, string>> = {
  '2a864886f70d010101': 'rsaEncryption',
  '2a864886f70d01010a': 'an RSA key that is restricted to PSS',
  '2a864886f70d010107': 'an RSA key that is restricted to OAEP',
  '2a8648ce3d0201': 'an elliptic-curve key',
  '2b6570': 'an Ed25519 key',
  '2b656e': 'an X25519 key',
  '2a8648ce380401': 'a DSA key',
}

/** Reads SPKI DER and applies the rule; throws `ProtocolError BAD_KEY`. */
export const readSpki = (bytes: Uint8Array): RsaNumbers =>
  reading('public', () => {
    const outer = readDer(bytes)
    const spki = outer.sequence()
    outer.end()
    algorithm('public', spki.sequence())
    const bits = spki.read(tags.bitString)
    spki.end()
    if (bits[0] !== 0) throw new DerError('its bit string does not end at a byte')
    const inner = readDer(bits.subarray(1))
    const rsa = inner.sequence()
    inner.end()
    const numbers = { modulus: rsa.unsigned(), exponent: rsa.unsigned() }
    rsa.end()
    return checked('public', numbers)
  })

/** Reads the public numbers of PKCS#8 DER and applies the rule; throws `ProtocolError BAD_KEY`. Attributes are allowed and ignored. */
export const readPkcs8 = (bytes: Uint8Array): RsaNumbers =>
  reading('private', () => {
    const outer = readDer(bytes)
    const info = outer.sequence()
    outer.end()
    info.unsigned()
    algorithm('private', info.sequence())
    const inner = readDer(info.read(tags.octetString))
    const rsa = inner.sequence()
    inner.end()
    rsa.unsigned()
    const numbers = { modulus: rsa.unsigned(), exponent: rsa.unsigned() }
    // d, p, q, dp, dq, qi (RFC 8017 §A.1.2): present, and nothing after them
    for (let i = 0; i < 6; i++) rsa.unsigned()
    rsa.end()
    return checked('private', numbers)
  })

/** SPKI DER of an RSA key: the one encoding that DER allows for these numbers. */
export const writeSpki = ({ modulus, exponent }: RsaNumbers): Uint8Array =>
  der(
    tags.sequence,
    der(tags.sequence, der(tags.oid, rsaEncryption), der(tags.null)),
    der(tags.bitString, new Uint8Array([0]), der(tags.sequence, derUnsigned(modulus), derUnsigned(exponent))),
  )

const rsaEncryption = new Uint8Array([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01])

const reading = (kind: Kind, read: () => RsaNumbers): RsaNumbers => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    throw badKey(kind, 'malformed', `it is not a well-formed key, ${error.message}`, { cause: error })
  }
}

const algorithm = (kind: Kind, identifier: DerReader): void => {
  const oid = toHex(identifier.read(tags.oid))
  if (oid !== toHex(rsaEncryption)) throw badKey(kind, 'not_rsa', `it is ${algorithms[oid] ?? 'not an RSA key'}`)
  identifier.read(tags.null)
  identifier.end()
}

const checked = (kind: Kind, numbers: RsaNumbers): RsaNumbers => {
  const { modulus, exponent } = numbers
  const first = modulus[0]
  const bits = first === undefined ? 0 : modulus.length * 8 - (Math.clz32(first) - 24)
  if (bits !== 4096) throw badKey(kind, 'wrong_size', `its modulus has ${String(bits)} bits instead of 4096`)
  if (((modulus.at(-1) ?? 0) & 1) === 0) throw badKey(kind, 'even_modulus', 'its modulus is even, so it is not a product of two primes')
  if (toHex(exponent) !== '010001') {
    const value = exponent.length > 6 ? `a number of ${String(exponent.length * 8)} bits` : String(parseInt(toHex(exponent) || '0', 16))
    throw badKey(kind, 'wrong_exponent', `its exponent is ${value} instead of 65537`)
  }
  return numbers
}
