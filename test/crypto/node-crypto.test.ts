import { constants, generateKeyPairSync, sign } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { testKey } from '../helpers/test-keys.ts'
import { cryptoSuite } from '../suites/crypto-suite.ts'
import { runUnderTap } from '../suites/tap-environment.ts'

const keys = [await testKey(0), await testKey(1)] as const
const message = new TextEncoder().encode('{}')

void t.test('the crypto suite holds for nodeCrypto', async t => {
  runUnderTap(t, cryptoSuite(nodeCrypto, [keys[0].pkcs8, keys[1].pkcs8]))
})

void t.test('the salts of the wire, 478 and 32 bytes, both verify', async t => {
  const crypto = nodeCrypto()
  const { publicKey } = await keys[0].privateKey(crypto)
  for (const saltLength of [478, 32]) {
    const signature = sign('sha256', message, { key: keys[0].pem, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
    t.equal(await crypto.verify(publicKey, message, signature), true, String(saltLength))
  }
  const pkcs1 = sign('sha256', message, { key: keys[0].pem })
  t.equal(await crypto.verify(publicKey, message, pkcs1), false, 'PKCS#1 v1.5 is not PSS')
})

void t.test('our signatures carry the maximum salt', async t => {
  const { webCrypto } = await import('../../src/crypto/web-crypto.ts')
  const crypto = nodeCrypto()
  const key = await keys[0].privateKey(crypto)
  // WebCrypto takes one salt length only, so its verification tells which one there is
  t.equal(await webCrypto().verify(key.publicKey, message, await crypto.sign(key, message)), true)
})

void t.test('verifying answers the same on the loop and in the pool', async t => {
  for (const verifiesOnLoop of [0, 1_000_000]) {
    const crypto = nodeCrypto({ verifiesOnLoop, rememberedSignatures: 2 })
    const key = await keys[0].privateKey(crypto)
    const signature = await crypto.sign(key, message)
    const answers = await Promise.all([
      crypto.verify(key.publicKey, message, signature),
      crypto.verify(key.publicKey, new Uint8Array(2), signature),
      crypto.verify(key.publicKey, message, new Uint8Array(512)),
    ])
    t.same(answers, [true, false, false])
  }
})

void t.test('a signature that was verified before costs no RSA operation', async t => {
  const crypto = nodeCrypto({ verifiesOnLoop: 1_000_000 })
  const key = await keys[0].privateKey(crypto)
  const signature = await crypto.sign(key, message)
  const timed = async (rounds: number, of: Uint8Array): Promise<number> => {
    const start = performance.now()
    for (let i = 0; i < rounds; i++) await crypto.verify(key.publicKey, message, of)
    return performance.now() - start
  }
  await timed(1, signature)
  const remembered = await timed(100, signature)
  const refused = await timed(100, new Uint8Array(512).fill(1))
  t.ok(remembered < refused, `100 remembered took ${remembered.toFixed(1)} ms, 100 that are checked each time ${refused.toFixed(1)} ms`)
})

void t.test('inspecting a private key shows no number of it', async t => {
  const key = await keys[0].privateKey(nodeCrypto())
  const shown = inspect(key, { depth: 10, showHidden: true })
  const secret = Buffer.from(keys[0].pkcs8).subarray(600).toString('base64url')
  t.notMatch(shown, /PRIVATE|KeyObject|CryptoKey/)
  t.ok(shown.length < 1000 && !shown.includes(secret.slice(0, 40)))
})

void t.test('a private key of a wrong size is BAD_KEY', async t => {
  const small = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'der' })
  await t.rejects(nodeCrypto().importPrivateKey(small), { code: 'BAD_KEY', reason: 'wrong_size', message: /2048 bits/ })
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' })
  await t.rejects(nodeCrypto().importPrivateKey(curve), { code: 'BAD_KEY', reason: 'not_rsa' })
})

void t.test('a made key obeys its own rules and comes back from its PKCS#8', { timeout: 120_000 }, async t => {
  const crypto = nodeCrypto()
  const { privateKey, pkcs8 } = await crypto.generateKey()
  const again = await nodeCrypto().importPrivateKey(pkcs8)
  t.equal(again.publicKey.text, privateKey.publicKey.text)
  t.equal(await crypto.verify(again.publicKey, message, await crypto.sign(privateKey, message)), true)
})
