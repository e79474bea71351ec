/** The table of content signatures against every content signature that was captured, with the keys that made them. */
import { constants, createHash, createPublicKey, verify, type KeyObject } from 'node:crypto'
import t from 'tap'
import { contentFields, type ContentFrame } from '../../src/protocol/content-fields.ts'
import { contentForms, contentFormsFor, ownContentForm, type ContentFields, type ContentForm } from '../../src/protocol/content-forms.ts'
import { fromUtf8 } from '../../src/protocol/encoding.ts'
import { readVectors } from '../suites/tap-environment.ts'

interface Expected {
  readonly content_sig: string
  readonly content_signer?: string
  readonly content_sig_prehashed?: boolean
}
interface Keys {
  readonly users?: Readonly<Record<string, { readonly public_pem: string }>>
  readonly servers?: Readonly<Record<string, { readonly public_pem: string }>>
}
type Envelope = Omit<ContentFrame, 'ts' | 'payload'> & {
  readonly ts?: number
  readonly ts_ms?: number
  readonly payload: { readonly content_sig?: string }
}

/** Which construction each source was found to use, by the table of the captures. */
const used: Readonly<Record<string, readonly string[]>> = {
  g43: ['bytes-hashed'],
  fengyuan: ['text'],
  g17: ['bytes', 'keyshare'],
  g69: ['bytes-hashed'],
  admiral: ['text'],
  g45: ['json'],
  g1: ['json-hashed'],
  groupcache: ['text-hashed'],
  code520455: ['bars'],
  sp60d1b18: ['bytes-hashed', 'text'],
  g41: ['json-ms'],
  g40: ['bars-float'],
  g28: ['text'],
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

/** Names of the constructions under which a signature verifies. */
const verifying = (fields: ContentFields, key: KeyObject, signature: string): readonly string[] =>
  contentFormsFor(fields.kind)
    .filter(([, form]) =>
      form
        .input(fields, sha256)
        .some(input =>
          verify(
            'sha256',
            form.prehashed ? sha256(input) : input,
            { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO },
            Buffer.from(signature, 'base64url'),
          ),
        ),
    )
    .map(([name]) => name)

t.test('every content signature that was found valid verifies under exactly the construction of its program', async t => {
  let checked = 0
  for (const label of ['g43', 'fengyuan', 'g17', 'g69', 'admiral', 'functions']) {
    const { users = {}, servers = {} } = readVectors(`${label}.keys.json`) as Keys
    const keys = new Map(Object.entries({ ...users, ...servers }).map(([id, { public_pem }]) => [id, createPublicKey(public_pem)]))
    const expected = readVectors(`${label}.expect.json`) as Readonly<Record<string, Expected>>
    for (const { n, frame, peer } of readVectors(`${label}.jsonl`) as readonly { n: number; frame: string; peer?: string }[]) {
      const { content_sig, content_signer } = expected[n] ?? { content_sig: 'absent' }
      if (content_sig !== 'valid' && content_sig !== 'invalid') continue
      const envelope = JSON.parse(frame) as Envelope
      const key = keys.get(content_signer ?? '')
      const fields = contentFields(
        { ...envelope, ts: envelope.ts ?? envelope.ts_ms ?? 0 },
        label === 'fengyuan' ? content_signer : undefined,
      )
      if (key === undefined || fields === undefined || envelope.payload.content_sig === undefined) {
        t.fail(`${label} ${n}: no key, no fields or no signature`)
        continue
      }
      const names = verifying(fields, key, envelope.payload.content_sig)
      if (content_sig === 'invalid') t.same(names, [], `${label} ${n}: a fresh ts makes it invalid`)
      else {
        t.equal(names.length, 1, `${label} ${n}: ${names.join()}`)
        t.ok(used[peer ?? label]?.includes(names[0] ?? ''), `${label} ${n}: ${names.join()}`)
      }
      checked += 1
    }
  }
  t.ok(checked > 120, `${checked} signatures`)
})

const fields: ContentFields = { kind: 'direct', from: 'alice', to: 'bob', times: [12], ciphertext: 'QUJD' }
const texts = (name: keyof typeof contentForms, changes: Partial<ContentFields> = {}): readonly string[] => {
  const form: ContentForm = contentForms[name]
  return form.input({ ...fields, ...changes }, sha256).map(fromUtf8)
}

t.test('our own construction joins ciphertext, from, to and ts with nothing between, without to for the public channel', async t => {
  t.equal(ownContentForm, 'text')
  t.same(texts('text'), ['QUJDalicebob12'])
  t.same(texts('text', { kind: 'public' }), ['QUJDalice12'])
})

t.test('our file offer is canonical JSON of everything that the receiver relies on', async t => {
  const offer = { name: 'é.txt', size: 5, sha256: 'ab', mode: 'dm' }
  t.same(texts('text', { kind: 'offer', ciphertext: undefined, fileId: 'f', offer }), [
    '{"file_id":"f","from":"alice","mode":"dm","name":"\\u00e9.txt","sha256":"ab","size":5,"to":"bob","ts":12}',
  ])
  const sent = contentFields({ type: 'FILE_START', from: 'alice', to: 'bob', ts: 12, payload: { file_id: 'f', ...offer } })
  t.same(texts('text', sent), texts('text', { kind: 'offer', fileId: 'f', offer }))
})

t.test('the other constructions, each once', async t => {
  t.same(texts('bytes'), ['ABCalicebob12'])
  t.same(texts('bytes', { kind: 'chunk', fileId: 'f', index: 3, total: 9 }), ['ABCalicebob12f39', 'ABCalicebob12f3'])
  t.same(texts('bytes', { kind: 'chunk', fileId: 'f', index: 3 }), ['ABCalicebob12f3'])
  t.same(texts('bytes-hashed', { kind: 'chunk', fileId: 'f', index: 3 }), ['ABCalicebob12'])
  t.same(texts('json'), ['{"ciphertext":"QUJD","from":"alice","to":"bob","ts":12}'])
  t.same(texts('json', { kind: 'public' }), ['{"ciphertext":"QUJD","from":"alice","ts":12}'])
  t.same(texts('json', { kind: 'public', ciphertext: undefined, text: 'hi' }), ['{"channel":"public","from":"alice","text":"hi","ts":12}'])
  t.same(texts('json-ms'), ['{"ciphertext":"QUJD","from":"alice","to":"bob","ts_ms":12}'])
  t.same(texts('bars'), ['QUJD|alice|bob|12'])
  t.same(texts('bars-float'), ['QUJD|alice|bob|12.000000'])
})

t.test('every candidate time is tried, the envelope first, and each once', async t => {
  const seen = contentFields({
    type: 'USER_DELIVER',
    from: 's',
    to: 'bob',
    ts: 9,
    payload: { ciphertext: 'QUJD', sender: 'alice', msg_ts: 5, orig_ts: 9, cts: 7, ts: 1.5 },
  })
  t.same(seen?.times, [9, 5, 7])
  t.same(texts('text', { times: [9, 5] }), ['QUJDalicebob9', 'QUJDalicebob5'])
})

t.test('what does not decode or is missing gives nothing to verify', async t => {
  t.same(texts('bytes', { ciphertext: 'Q' }), [])
  for (const name of Object.keys(contentForms) as (keyof typeof contentForms)[]) t.same(texts(name, { ciphertext: undefined }), [], name)
  t.equal(contentFields({ type: 'HEARTBEAT', from: 's', to: 'b', ts: 1, payload: {} }), undefined)
  t.equal(contentFields({ type: 'toString', from: 's', to: 'b', ts: 1, payload: {} }), undefined)
})

t.test('a key that is known to use one construction is held to it', async t => {
  t.same(
    contentFormsFor('direct', 'json').map(([name]) => name),
    ['json'],
  )
  t.same(contentFormsFor('chunk', 'json'), [])
  t.same(contentFormsFor('direct', 'constructor'), [])
  t.equal(contentFormsFor('direct')[0]?.[0], 'text')
})
