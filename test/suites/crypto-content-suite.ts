/** Transport and content signatures and sealed content over any crypto port, in Node and in a browser. */
import { openBlocks, sealBlocks, signContent, verifyContent } from '../../src/crypto/content.ts'
import { signPayload, verifiedForm, verifyPayload } from '../../src/crypto/transport-signature.ts'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import type { ContentFields } from '../../src/protocol/content-forms.ts'
import { fromBase64Url, toBase64Url, utf8 } from '../../src/protocol/encoding.ts'
import type { Suite } from './environment.ts'

const alice = 'aaaaaaaa-0001-4000-8000-000000000001'
const bob = 'bbbbbbbb-0002-4000-8000-000000000002'
const patterned = (size: number): Uint8Array => new Uint8Array(size).map((_, at) => (at * 31) & 255)
const edited = (base64: string, edit: (bytes: Uint8Array) => Uint8Array): string =>
  toBase64Url(edit(fromBase64Url(base64) ?? new Uint8Array()))
const flippedAt = (at: number) => (bytes: Uint8Array) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

/** `keys` are PKCS#8 DER of at least two different RSA-4096 keys. */
export const cryptoContentSuite =
  (open: () => Crypto, keys: readonly Uint8Array[]): Suite =>
  env => {
    const crypto = open()
    const imported = new Map<number, Promise<PrivateKey>>()
    const key = (n: number): Promise<PrivateKey> => {
      const known = imported.get(n) ?? crypto.importPrivateKey(keys[n] ?? new Uint8Array())
      imported.set(n, known)
      return known
    }
    const message = (change: Partial<ContentFields> = {}): ContentFields => ({
      kind: 'direct',
      from: alice,
      to: bob,
      times: [1],
      ciphertext: 'AAAA',
      ...change,
    })

    for (const size of [0, 1, 446, 447, 892, 893, 5000]) {
      env.test(`${String(size)} bytes come back out of ${String(Math.max(1, Math.ceil(size / 446)))} blocks`, async () => {
        const mine = await key(0)
        const sealed = await sealBlocks(crypto, mine.publicKey, patterned(size))
        env.equal(fromBase64Url(sealed)?.length, Math.max(1, Math.ceil(size / 446)) * 512)
        env.same(await openBlocks(crypto, mine, sealed), patterned(size))
      })
    }

    env.test('one block in standard base64 or with padding is opened too', async () => {
      const mine = await key(0)
      const sealed = await sealBlocks(crypto, mine.publicKey, utf8('hi'))
      env.same(await openBlocks(crypto, mine, `${sealed}=`), utf8('hi'))
      env.same(await openBlocks(crypto, mine, `${sealed.replaceAll('-', '+').replaceAll('_', '/')}=`), utf8('hi'))
    })

    env.test('what is no ciphertext, or too much of it, is refused before any decryption', async () => {
      const mine = await key(0)
      for (const bad of ['', 'hello', '!', toBase64Url(new Uint8Array(511)), toBase64Url(new Uint8Array(513)), ' '.repeat(684)]) {
        await env.rejects(openBlocks(crypto, mine, bad), { code: 'UNKNOWN_TYPE', reason: 'shape' })
      }
      await env.rejects(openBlocks(crypto, mine, toBase64Url(new Uint8Array(89 * 512))), { code: 'UNKNOWN_TYPE', reason: 'too_large' })
      await env.rejects(sealBlocks(crypto, mine.publicKey, new Uint8Array(88 * 446 + 1)), { message: /39248/ })
    })

    env.test('a ciphertext for somebody else, or changed in any block, does not open', async () => {
      const mine = await key(0)
      const sealed = await sealBlocks(crypto, mine.publicKey, patterned(900))
      await env.rejects(openBlocks(crypto, await key(1), sealed), { code: 'BAD_KEY', reason: 'undecryptable' })
      for (const at of [3, 600, 1535]) {
        await env.rejects(openBlocks(crypto, mine, edited(sealed, flippedAt(at))), { code: 'BAD_KEY', reason: 'undecryptable' })
      }
    })

    env.test('a payload verifies as it was signed, in another key order, spaced, and in raw UTF-8', async () => {
      const mine = await key(0)
      const sig = await signPayload(crypto, mine, '{"a":"\\u00e9","b":1.0}')
      env.equal(sig.length, 683)
      for (const [text, form] of [
        ['{"a":"\\u00e9","b":1.0}', 'received'],
        ['{ "b": 1.0, "a": "\\u00e9" }', 'ascii'],
        ['{"a":"é","b":1.0}', 'ascii'],
      ] as const) {
        env.equal(await verifiedForm(crypto, mine.publicKey, text, sig), form, text)
        env.equal(await verifiedForm(crypto, mine.publicKey, text, sig, 'utf8'), form, text)
        env.equal(await verifyPayload(crypto, mine.publicKey, text, `${sig}=`), true, text)
      }
      const wide = await signPayload(crypto, mine, '{"a":"é"}')
      env.equal(await verifiedForm(crypto, mine.publicKey, '{"a":"\\u00e9"}', wide), 'utf8')
    })

    env.test('a signature over the hash of the payload verifies', async () => {
      const mine = await key(0)
      const sig = toBase64Url(await crypto.sign(mine, crypto.sha256(utf8('{"a":1}'))))
      for (const text of ['{"a":1}', '{ "a": 1 }']) {
        env.equal(await verifiedForm(crypto, mine.publicKey, text, sig), 'ascii-hashed')
        env.equal(await verifiedForm(crypto, mine.publicKey, text, sig, 'ascii-hashed'), 'ascii-hashed')
      }
    })

    env.test('a changed number token, value, key or signature does not verify', async () => {
      const mine = await key(0)
      const sig = await signPayload(crypto, mine, '{"a":1}')
      for (const text of ['{"a":1.0}', '{"a":2}', '{"b":1}', '{"a":1,"b":null}', '{}']) {
        env.equal(await verifyPayload(crypto, mine.publicKey, text, sig), false, text)
      }
      for (const bad of ['', 'x', edited(sig, flippedAt(7)), `${sig}A`, `${sig}==`, ` ${sig}`, sig.slice(0, -1), sig.repeat(100)]) {
        env.equal(await verifyPayload(crypto, mine.publicKey, '{"a":1}', bad), false)
      }
      env.equal(await verifyPayload(crypto, (await key(1)).publicKey, '{"a":1}', sig), false)
    })

    env.test('a message signature fits its own ciphertext, sender, receiver and time only', async () => {
      const mine = await key(0)
      const sig = await signContent(crypto, mine, message())
      env.equal(await verifyContent(crypto, mine.publicKey, message(), sig), 'text')
      env.equal(await verifyContent(crypto, mine.publicKey, message({ times: [2, 1] }), sig, 'text'), 'text', 'a second candidate time')
      for (const change of [
        { ciphertext: 'AAAB' },
        { from: bob },
        { to: alice },
        { times: [2] },
        { times: [] },
        { kind: 'public' as const },
      ]) {
        env.equal(await verifyContent(crypto, mine.publicKey, message(change), sig), undefined)
      }
      env.equal(await verifyContent(crypto, (await key(1)).publicKey, message(), sig), undefined)
    })

    env.test('a key that is known for one construction is held to it', async () => {
      const mine = await key(0)
      const ours = await signContent(crypto, mine, message())
      env.equal(await verifyContent(crypto, mine.publicKey, message(), ours, 'bytes'), undefined)
      env.equal(await verifyContent(crypto, mine.publicKey, message(), ours, 'no such construction'), undefined)
      const hashed = toBase64Url(await crypto.sign(mine, crypto.sha256(utf8(`AAAA${alice}${bob}1`))))
      env.equal(await verifyContent(crypto, mine.publicKey, message(), hashed), 'text-hashed')
      env.equal(await verifyContent(crypto, mine.publicKey, message(), hashed, 'text'), undefined)
    })

    env.test('a public message leaves the receiver out, a file offer covers every field', async () => {
      const mine = await key(0)
      const said = await signContent(crypto, mine, message({ kind: 'public' }))
      env.equal(await verifyContent(crypto, mine.publicKey, message({ kind: 'public', to: 'anyone' }), said), 'text')
      const offer = { name: 'a.txt', size: 3, sha256: '00', mode: 'dm' }
      const offered = message({ kind: 'offer', ciphertext: undefined, fileId: 'f', offer })
      const sig = await signContent(crypto, mine, offered)
      env.equal(await verifyContent(crypto, mine.publicKey, offered, sig), 'text')
      for (const change of [{ name: 'b.txt' }, { size: 4 }, { sha256: '01' }, { mode: 'public' }]) {
        env.equal(await verifyContent(crypto, mine.publicKey, { ...offered, offer: { ...offer, ...change } }, sig), undefined)
      }
      env.equal(await verifyContent(crypto, mine.publicKey, { ...offered, fileId: 'g' }, sig), undefined)
    })

    env.test('signing with a missing field or two times is a bug, not a signature over less', async () => {
      const mine = await key(0)
      await env.rejects(signContent(crypto, mine, message({ ciphertext: undefined })), { message: /all its fields/ })
      await env.rejects(signContent(crypto, mine, message({ times: [1, 2] })), { message: /one time/ })
    })
  }
