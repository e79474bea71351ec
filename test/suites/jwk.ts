/** PKCS#8 DER of an RSA private JWK (RFC 7517 §9.3), without any runtime's own key objects. */
import { der, derUnsigned, tags } from '../../src/crypto/der.ts'
import { fromBase64Url } from '../../src/protocol/encoding.ts'

export type PrivateJwk = Readonly<Record<'n' | 'e' | 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi', string>>

const rsaEncryption = new Uint8Array([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01])
const zero = derUnsigned(new Uint8Array([0]))

export const pkcs8OfJwk = (jwk: PrivateJwk): Uint8Array => {
  const number = (text: string): Uint8Array => {
    const bytes = fromBase64Url(text)
    if (bytes === undefined) throw new Error(`not base64url in a JWK: ${text.slice(0, 20)}`)
    const start = bytes.findIndex(byte => byte !== 0)
    return derUnsigned(bytes.subarray(start))
  }
  const { n, e, d, p, q, dp, dq, qi } = jwk
  const rsa = der(tags.sequence, zero, ...[n, e, d, p, q, dp, dq, qi].map(number))
  return der(tags.sequence, zero, der(tags.sequence, der(tags.oid, rsaEncryption), der(tags.null)), der(tags.octetString, rsa))
}
