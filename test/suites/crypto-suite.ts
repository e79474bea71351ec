/** What every crypto port must do, in Node and in a browser. */
import { bindText, unbindText } from '../../src/crypto/bound-text.ts'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import { concat, fromUtf8, toBase64Url, utf8 } from '../../src/protocol/encoding.ts'
import type { Suite } from './environment.ts'

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

/** `keys` are PKCS#8 DER of at least two different RSA-4096 keys. */
export const cryptoSuite =
  (open: () => Crypto, keys: readonly Uint8Array[]): Suite =>
  env => {
    const crypto = open()
    const imported = new Map<number, Promise<PrivateKey>>()
    const key = (n: number): Promise<PrivateKey> => {
      const known = imported.get(n) ?? crypto.importPrivateKey(keys[n] ?? new Uint8Array())
      imported.set(n, known)
      return known
    }
    const message = utf8('{"a":1}')

    env.test('SHA-256 gives the digest of FIPS 180-4 as plain bytes', () => {
      const hex = [...crypto.sha256(utf8('abc'))].map(byte => byte.toString(16).padStart(2, '0')).join('')
      env.equal(hex, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
      env.equal(crypto.sha256(new Uint8Array()).constructor, Uint8Array)
    })

    env.test('a signature has 512 bytes, is new each time, and verifies under its key only', async () => {
      const mine = await key(0)
      const other = await key(1)
      const first = await crypto.sign(mine, message)
      const second = await crypto.sign(mine, message)
      env.equal(first.length, 512)
      env.equal(first.constructor, Uint8Array)
      env.ok(toBase64Url(first) !== toBase64Url(second), 'the salt is random')
      for (const signature of [first, second, first]) env.equal(await crypto.verify(mine.publicKey, message, signature), true)
      env.equal(await crypto.verify(other.publicKey, message, first), false)
    })

    env.test('a changed byte anywhere in message or signature fails, also after the honest one was verified', async () => {
      const { publicKey } = await key(0)
      const signature = await crypto.sign(await key(0), message)
      env.equal(await crypto.verify(publicKey, message, signature), true)
      for (let at = 0; at < message.length; at++) env.equal(await crypto.verify(publicKey, flipped(message, at), signature), false)
      for (const at of [0, 1, 255, 256, 510, 511]) env.equal(await crypto.verify(publicKey, message, flipped(signature, at)), false)
    })

    env.test('what cannot be a signature is false and never a rejection', async () => {
      const { publicKey } = await key(0)
      for (const length of [0, 1, 511, 513, 4096]) env.equal(await crypto.verify(publicKey, message, new Uint8Array(length)), false)
      env.equal(await crypto.verify(publicKey, message, new Uint8Array(512)), false)
      env.equal(await crypto.verify(publicKey, message, new Uint8Array(512).fill(255)), false, 'larger than the modulus')
    })

    env.test('a block of 0 to 446 bytes comes back, and is different each time', async () => {
      const mine = await key(0)
      for (const size of [0, 1, 446]) {
        const plain = new Uint8Array(size).map((_, at) => at * 7)
        const first = await crypto.encrypt(mine.publicKey, plain)
        const second = await crypto.encrypt(mine.publicKey, plain)
        env.equal(first.length, 512)
        env.ok(toBase64Url(first) !== toBase64Url(second))
        env.same(await crypto.decrypt(mine, first), plain)
      }
      await env.rejects(crypto.encrypt(mine.publicKey, new Uint8Array(447)), { message: /446/ })
    })

    env.test('a ciphertext for another key, a changed one, another label and a wrong length do not decrypt', async () => {
      const mine = await key(0)
      const block = await crypto.encrypt(mine.publicKey, message, utf8('label'))
      env.same(await crypto.decrypt(mine, block, utf8('label')), message)
      await env.rejects(crypto.decrypt(mine, block))
      await env.rejects(crypto.decrypt(mine, block, utf8('Label')))
      await env.rejects(crypto.decrypt(await key(1), block, utf8('label')))
      for (const at of [0, 300, 511]) await env.rejects(crypto.decrypt(mine, flipped(block, at), utf8('label')))
      for (const length of [0, 511, 1024]) await env.rejects(crypto.decrypt(mine, new Uint8Array(length)), { message: /512/ })
    })

    env.test('a public key of another port instance is taken, a private one is not', async () => {
      const other = open()
      const mine = await key(0)
      const signature = await crypto.sign(mine, message)
      env.equal(await other.verify(mine.publicKey, message, signature), true)
      env.same(await crypto.decrypt(mine, await other.encrypt(mine.publicKey, message)), message)
      await env.rejects(other.sign(mine, message), { message: /another crypto port/ })
      await env.rejects(other.decrypt(mine, new Uint8Array(512)), { message: /another crypto port/ })
    })

    env.test('one public key is one object, whatever form it came in', async () => {
      const { publicKey } = await key(0)
      env.equal(await crypto.importPublicKey(publicKey.text), publicKey)
      env.equal(await crypto.importPublicKey(`${publicKey.text}==`), publicKey)
      env.equal(publicKey.text.length, 734)
    })

    env.test('printing or serialising a private key shows nothing but its public half', async () => {
      const mine = await key(0)
      env.same(JSON.parse(JSON.stringify(mine)), { publicKey: { text: mine.publicKey.text } })
      env.same(Reflect.ownKeys(mine), ['publicKey'])
      env.same(Object.keys(structuredClone(mine)), ['publicKey'])
    })

    env.test('a private key with a flipped structure, of another kind or with bytes behind it is BAD_KEY', async () => {
      const der = keys[0] ?? new Uint8Array()
      for (const bad of [new Uint8Array(), utf8('not a key'), flipped(der, 0), der.subarray(0, 1000), concat(der, new Uint8Array(1))]) {
        await env.rejects(crypto.importPrivateKey(bad), { code: 'BAD_KEY' })
      }
    })

    env.test('a bound text comes back only under the envelope that it was written for', () => {
      const envelope = { from: 'a', to: 'b', ts: 1 }
      const text = 'hé 🚀 "quoted"\n{"text":'
      env.same(unbindText(bindText(text, envelope), envelope), { text, bound: true })
      for (const other of [{ from: 'c' }, { to: 'c' }, { ts: 2 }]) {
        env.throws(() => unbindText(bindText(text, envelope), { ...envelope, ...other }), { code: 'INVALID_SIG', reason: 'rebound' })
      }
    })

    env.test('a text that only looks bound is plain text, and bytes that are no text are refused', () => {
      const envelope = { from: 'a', to: 'b', ts: 1 }
      const bound = fromUtf8(bindText('x', envelope))
      for (const text of [
        '',
        'x',
        '{"text":',
        '{"text":"x"}',
        `[${bound}]`,
        `${bound}.`,
        bound.replace('1', '"1"'),
        bound.replace('{', '{"more":1,'),
      ]) {
        env.same(unbindText(utf8(text), envelope), { text, bound: false })
      }
      // other programs lay out the same JSON otherwise; taking that for plain text would let it be passed on
      for (const same of [` ${bound} `, bound.replace('"x"', '"\\u0078"'), '{"from":"a", "text":"x", "to":"b", "ts":1}']) {
        env.same(unbindText(utf8(same), envelope), { text: 'x', bound: true })
      }
      env.throws(() => unbindText(new Uint8Array([0xff]), envelope), { code: 'UNKNOWN_TYPE', reason: 'not_text' })
    })
  }
