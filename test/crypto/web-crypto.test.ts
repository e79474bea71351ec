import { constants, sign } from 'node:crypto'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { webCrypto } from '../../src/crypto/web-crypto.ts'
import { testKey } from '../helpers/test-keys.ts'
import { cryptoSuite } from '../suites/crypto-suite.ts'
import { runUnderTap } from '../suites/tap-environment.ts'

const keys = [await testKey(0), await testKey(1)] as const
const message = new TextEncoder().encode('{}')

void t.test('the crypto suite holds for webCrypto', async t => {
  runUnderTap(t, cryptoSuite(webCrypto, [keys[0].pkcs8, keys[1].pkcs8]))
})

void t.test('both ports take what the other made', async t => {
  const [node, web] = [nodeCrypto(), webCrypto()]
  const [ours, theirs] = [await keys[0].privateKey(node), await keys[0].privateKey(web)]
  t.equal(await web.verify(theirs.publicKey, message, await node.sign(ours, message)), true)
  t.equal(await node.verify(ours.publicKey, message, await web.sign(theirs, message)), true)
  t.same(await web.decrypt(theirs, await node.encrypt(ours.publicKey, message)), message)
  t.same(await node.decrypt(ours, await web.encrypt(theirs.publicKey, message)), message)
  t.same(web.sha256(message), node.sha256(message))
})

void t.test('a peer may change between the two salts of the wire', async t => {
  const crypto = webCrypto()
  const { publicKey } = await keys[0].privateKey(crypto)
  for (const saltLength of [478, 32, 32, 478]) {
    const signature = sign('sha256', message, { key: keys[0].pem, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
    t.equal(await crypto.verify(publicKey, message, signature), true)
  }
})

void t.test('without WebCrypto, as on a page over plain http, it says what to do', t => {
  t.intercept(globalThis, 'crypto', { value: {}, configurable: true })
  t.throws(() => webCrypto(), { message: /https, or from localhost/ })
  t.end()
})
