/** The signature of a frame (SOCP §12): over its payload only, made over canonical JSON, verified over what others really sign. */
import type { Crypto, PrivateKey, PublicKey } from '../ports/crypto.ts'
import { transportInputs, type TransportFormName } from '../protocol/dialects.ts'
import { fromBase64Url, toBase64Url, utf8 } from '../protocol/encoding.ts'
import type { Base64Url } from '../protocol/ids.ts'

/** Signs a payload that is canonical JSON already, exactly as it will be sent. */
export const signPayload = async (crypto: Crypto, privateKey: PrivateKey, canonicalPayload: string): Promise<Base64Url> =>
  toBase64Url(await crypto.sign(privateKey, utf8(canonicalPayload)))

/**
 * True when `sig` verifies over the payload text as it was received, or over one of the forms in docs/protocol.md.
 * Rejects only when the text is not JSON, which `parseFrame` has made sure of.
 */
export const verifyPayload = async (crypto: Crypto, publicKey: PublicKey, payloadText: string, sig: string): Promise<boolean> =>
  (await verifiedForm(crypto, publicKey, payloadText, sig)) !== undefined

/**
 * The same, answering which form the signature covers, undefined for none. `likely` is the form that this key used last: it is
 * tried first and saves a peer with an unusual form up to three verifications a frame.
 */
export const verifiedForm = async (
  crypto: Crypto,
  publicKey: PublicKey,
  payloadText: string,
  sig: string,
  likely?: TransportFormName,
): Promise<TransportFormName | undefined> => {
  const signature = signatureBytes(sig)
  if (signature === undefined) return undefined
  const inputs = transportInputs(payloadText, crypto.sha256)
  for (const { form, bytes } of likely === undefined ? inputs : likelyFirst([...inputs], likely)) {
    if (await crypto.verify(publicKey, bytes, signature)) return form
  }
  return undefined
}

/** The 512 bytes of a signature in base64url, padded or not; undefined for anything else, which must cost nothing more. */
export const signatureBytes = (text: string): Uint8Array | undefined => {
  if (text.length < 683 || text.length > 684) return undefined
  const bytes = fromBase64Url(text, { padded: true })
  return bytes?.length === 512 ? bytes : undefined
}

const likelyFirst = <T extends { readonly form: TransportFormName }>(inputs: readonly T[], likely: TransportFormName): readonly T[] => [
  ...inputs.filter(({ form }) => form === likely),
  ...inputs.filter(({ form }) => form !== likely),
]
