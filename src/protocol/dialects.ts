/** What stock programs sign: the forms of a payload that a transport signature may cover, ours first. */
import { canonicalIfAny } from './canonical.ts'
import { utf8 } from './encoding.ts'

interface TransportForm {
  readonly form: string
  /** Tried when a frame is verified. */
  readonly accepted: boolean
  /** What it is, or why it is not accepted. */
  readonly doc: string
}

/** In the order in which they are tried. We sign `ascii`. */
export const transportForms = [
  { form: 'received', accepted: true, doc: 'the payload text exactly as it was received' },
  { form: 'ascii', accepted: true, doc: 'canonical JSON, non-ASCII as \\uXXXX' },
  { form: 'utf8', accepted: true, doc: 'canonical JSON, non-ASCII as it is' },
  { form: 'ascii-hashed', accepted: true, doc: 'SHA-256 of the ASCII canonical form: the program hashes before it signs' },
  { form: 'spaced', accepted: false, doc: 'canonical with ", " and ": " (g12): verifies as received when it is sent that way' },
  {
    form: 'envelope',
    accepted: false,
    doc: 'canonical JSON of the whole envelope without sig (g41): not what SOCP §12 says, and no other program would verify ours',
  },
  {
    form: 'top-level',
    accepted: false,
    doc: 'JSON.stringify with the top-level keys as its filter (g28): nested fields are left out, so anybody can change them',
  },
] as const satisfies readonly TransportForm[]

export type TransportFormName = (typeof transportForms)[number]['form']

/**
 * Messages that a transport signature over `payloadText` may have been made of, in the order of `transportForms`; each is made only
 * when it is asked for, and one that equals an earlier one is left out, since every try costs a verification.
 */
export function* transportInputs(
  payloadText: string,
  sha256: (bytes: Uint8Array) => Uint8Array,
): Generator<{ readonly form: TransportFormName; readonly bytes: Uint8Array }> {
  yield { form: 'received', bytes: utf8(payloadText) }
  const ascii = canonicalIfAny(payloadText, 'ascii')
  if (ascii !== undefined && ascii !== payloadText) yield { form: 'ascii', bytes: utf8(ascii) }
  const wide = canonicalIfAny(payloadText, 'utf8')
  if (wide !== undefined && wide !== ascii && wide !== payloadText) yield { form: 'utf8', bytes: utf8(wide) }
  if (ascii !== undefined) yield { form: 'ascii-hashed', bytes: sha256(utf8(ascii)) }
}
