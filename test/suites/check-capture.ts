/** Holds one capture against our code: what must verify, decrypt or fail, counted, and what did otherwise, listed. */
import { openBlocks, verifyContent } from '../../src/crypto/content.ts'
import { signatureBytes, verifiedForm, verifyPayload } from '../../src/crypto/transport-signature.ts'
import type { Crypto } from '../../src/ports/crypto.ts'
import { contentFields } from '../../src/protocol/content-fields.ts'
import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../../src/protocol/encoding.ts'
import { scanJson } from '../../src/protocol/json.ts'
import { limits } from '../../src/protocol/limits.ts'
import type { Capture, Expectation } from './captured.ts'

export interface Tally {
  frames: number
  /** Transport signatures that verified, and frames that carry none. */
  signed: number
  unsigned: number
  /** Content signatures that verified, that did not as they should not, and frames without one. */
  content: number
  contentInvalid: number
  contentAbsent: number
  /** Ciphertexts that opened to the right plaintext, and "ciphertexts" that are plain text in base64url. */
  decrypted: number
  readable: number
  /** Envelopes inside envelopes, key shares that opened, login proofs. */
  nested: number
  shares: number
  proofs: number
  /** Altered payloads, signatures, ciphertexts and foreign keys that were refused. */
  refused: number
}

export interface CaptureReport {
  readonly tally: Tally
  /** `<label> <n> <check>` of everything that did not come out as expected. */
  readonly exceptions: readonly string[]
  /** Forms of transport signatures and constructions of content signatures that occurred. */
  readonly forms: ReadonlySet<string>
}

interface Envelope {
  readonly type: string
  readonly from: string
  readonly to: string
  readonly ts: number
  readonly payload: Readonly<Record<string, unknown>>
  readonly sig?: string
}
interface Scanned {
  readonly envelope: Envelope
  readonly payloadText: string
}

const scan = (text: string): Scanned => {
  const { value, payloadText } = scanJson(text, { maxDepth: limits.maxDepth })
  if (payloadText === undefined) throw new Error('no payload')
  return { envelope: value as Envelope, payloadText }
}

/** Checks every frame. `foreign` is a public key of nobody in the capture. */
export const checkCapture = async (crypto: Crypto, capture: Capture, foreign: string): Promise<CaptureReport> => {
  const names = [
    'frames',
    'signed',
    'unsigned',
    'content',
    'contentInvalid',
    'contentAbsent',
    'decrypted',
    'readable',
    'nested',
    'shares',
    'proofs',
    'refused',
  ]
  const tally = Object.fromEntries(names.map(name => [name, 0])) as unknown as Tally
  const exceptions: string[] = []
  const forms = new Set<string>()
  const stranger = await crypto.importPublicKey(foreign)

  for (const { n, frame } of capture.lines) {
    const note = (check: string, good: boolean, name: keyof Tally): void => {
      if (good) tally[name] += 1
      else exceptions.push(`${capture.label} ${String(n)} ${check}`)
    }
    const expected = capture.expected(n)
    const { envelope, payloadText } = scan(frame)
    tally.frames += 1

    if (expected.transport_sig === 'absent') note('unsigned', (envelope.sig ?? '') === '', 'unsigned')
    else await checkTransport(payloadText, envelope.sig ?? '', expected, note)
    if (expected.nested_sig !== undefined) {
      const inner = scan(payloadText)
      const signer = await capture.publicKey(expected.nested_signer ?? '')
      note('nested', await verifyPayload(crypto, signer, inner.payloadText, inner.envelope.sig ?? ''), 'nested')
      note('nested by a stranger', !(await verifyPayload(crypto, stranger, inner.payloadText, inner.envelope.sig ?? '')), 'refused')
    }
    if (expected.content_sig === 'absent') note('content absent', (envelope.payload['content_sig'] ?? '') === '', 'contentAbsent')
    else await checkContent(envelope, expected, note)
    if (expected.plaintext !== null) await checkPlaintext(envelope, expected, note)
    for (const [member, wanted] of Object.entries(expected.shares ?? {})) await checkShare(envelope, member, wanted, note)
    if (expected.auth?.construction.startsWith('PSS-SHA256') === true) await checkProof(envelope, note)
  }

  type Note = (check: string, good: boolean, name: keyof Tally) => void

  async function checkTransport(payloadText: string, sig: string, expected: Expectation, note: Note): Promise<void> {
    const signer = await capture.publicKey(expected.signer ?? '')
    const form = await verifiedForm(crypto, signer, payloadText, sig)
    note('transport', form !== undefined, 'signed')
    if (form !== undefined) forms.add(form)
    // canonical is what was really signed; if this fails the capture is at fault, not our forms
    const input = utf8(expected.canonical ?? '')
    const signature = signatureBytes(sig) ?? new Uint8Array()
    const direct = expected.prehashed === true ? crypto.sha256(input) : input
    if (!(await crypto.verify(signer, direct, signature))) exceptions.push(`${capture.label} vector itself`)
    note('transport, a byte of the input flipped', !(await crypto.verify(signer, flipped(direct, signature[9] ?? 0), signature)), 'refused')
    const altered = payloadText.replace(/^\{\s*(?=(\}?))/, (_, end: string) => (end === '}' ? '{"zz":1' : '{"zz":1,'))
    note('transport, a field added', !(await verifyPayload(crypto, signer, altered, sig)), 'refused')
    note('transport, a byte of the signature flipped', !(await verifyPayload(crypto, signer, payloadText, flippedText(sig))), 'refused')
    note('transport, by a stranger', !(await verifyPayload(crypto, stranger, payloadText, sig)), 'refused')
  }

  async function checkContent(envelope: Envelope, expected: Expectation, note: Note): Promise<void> {
    const { payload } = envelope
    const signer = await capture.publicKey(expected.content_signer ?? '')
    // a stock server's local delivery may leave the sender out; a client finds it through the key (fengyuan)
    const senderPub = payload['sender_pub']
    const sender = payload['sender'] === undefined && typeof senderPub === 'string' ? await capture.ownerOf(senderPub) : undefined
    const fields = contentFields(envelope, sender)
    const sig = String(payload['content_sig'])
    const form = fields === undefined ? undefined : await verifyContent(crypto, signer, fields, sig)
    if (expected.content_sig === 'invalid') {
      note('content that is invalid', form === undefined, 'contentInvalid')
      return
    }
    note('content', form !== undefined, 'content')
    if (form === undefined || fields === undefined) return
    forms.add(form)
    // a key share names neither time nor sender (SOCP §12)
    for (const change of fields.kind === 'keyshare' ? [{ creatorPub: 'AAAA' }, { shares: [] }] : [{ times: [1] }, { from: 'x' }]) {
      note('content, a field changed', (await verifyContent(crypto, signer, { ...fields, ...change }, sig, form)) === undefined, 'refused')
    }
    note(
      'content, a byte of the signature flipped',
      (await verifyContent(crypto, signer, fields, flippedText(sig), form)) === undefined,
      'refused',
    )
    note('content, by a stranger', (await verifyContent(crypto, stranger, fields, sig, form)) === undefined, 'refused')
  }

  async function checkPlaintext(envelope: Envelope, expected: Expectation, note: Note): Promise<void> {
    const inner = expected.nested_sig === undefined ? envelope.payload : (envelope.payload['payload'] as Envelope['payload'])
    const ciphertext = String(inner['ciphertext'])
    const wanted = expected.plaintext ?? ''
    const shown = (bytes: Uint8Array): string => (expected.plaintext_encoding === 'utf8' ? fromUtf8(bytes) : standardBase64(bytes))
    if (expected.decrypt_key === undefined) {
      note('plain text in base64url', shown(fromBase64Url(ciphertext) ?? new Uint8Array()) === wanted, 'readable')
      return
    }
    const key = await capture.privateKey(expected.decrypt_key)
    const label = fromHex(expected.oaep_label_hex ?? '')
    const open = async (text: string): Promise<string | undefined> => {
      try {
        if (label.length === 0) return shown(await openBlocks(crypto, key, text))
        return shown(await crypto.decrypt(key, fromBase64Url(text) ?? new Uint8Array(), label))
      } catch {
        return undefined
      }
    }
    note('decrypt', (await open(ciphertext)) === wanted, 'decrypted')
    note('decrypt, a byte flipped', (await open(flippedText(ciphertext))) === undefined, 'refused')
  }

  async function checkShare(envelope: Envelope, member: string, wanted: string, note: Note): Promise<void> {
    const shares = envelope.payload['shares'] as readonly { readonly member: string; readonly wrapped: string }[]
    const wrapped = fromBase64Url(shares.find(share => share.member === member)?.wrapped ?? '') ?? new Uint8Array()
    const label = utf8(`public-v${String(envelope.payload['version'])}`)
    const opened = await crypto.decrypt(await capture.privateKey(member), wrapped, label)
    note(`share of ${member}`, toHex(opened) === wanted, 'shares')
  }

  async function checkProof(envelope: Envelope, note: Note): Promise<void> {
    const challenge = fromBase64Url(String(envelope.payload['challenge'])) ?? new Uint8Array()
    const signature = signatureBytes(String(envelope.payload['signature'])) ?? new Uint8Array()
    note('login proof', await crypto.verify(await capture.publicKey(envelope.from), challenge, signature), 'proofs')
  }

  return { tally, exceptions, forms }
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, index) => (index === at % bytes.length ? byte ^ 4 : byte))
/** Another byte each time, so that a whole capture tries many places. */
const flippedText = (text: string): string => {
  const bytes = fromBase64Url(text, { padded: true })
  return bytes === undefined ? `${text.slice(1)}A` : toBase64Url(flipped(bytes, (bytes[3] ?? 0) * 2))
}
const standardBase64 = (bytes: Uint8Array): string => {
  const text = toBase64Url(bytes).replaceAll('-', '+').replaceAll('_', '/')
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}
const fromHex = (text: string): Uint8Array => new Uint8Array((text.match(/../g) ?? []).map(pair => parseInt(pair, 16)))
const toHex = (bytes: Uint8Array): string => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
