import t from 'tap'
import { verifyContent } from '../../src/crypto/content.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { webCrypto } from '../../src/crypto/web-crypto.ts'
import { toBase64Url } from '../../src/protocol/encoding.ts'
import { testKey } from '../helpers/test-keys.ts'
import { cryptoContentSuite } from '../suites/crypto-content-suite.ts'
import { runUnderTap } from '../suites/tap-environment.ts'

const keys = [(await testKey(0)).pkcs8, (await testKey(1)).pkcs8]

for (const [name, open] of Object.entries({ nodeCrypto, webCrypto })) {
  void t.test(`the content suite holds over ${name}`, async t => {
    runUnderTap(t, cryptoContentSuite(open, keys))
  })
}

void t.test('a signature that fits nothing costs a bounded number of verifications', async t => {
  const crypto = nodeCrypto()
  const { publicKey } = await crypto.importPrivateKey(keys[0] ?? new Uint8Array())
  let verifications = 0
  const counting = { ...crypto, verify: () => Promise.resolve(++verifications < 0) }
  const times = Array.from({ length: 500 }, (_, at) => at)
  const fields = { kind: 'direct', from: 'a', to: 'b', ciphertext: 'AAAA', times } as const
  t.equal(await verifyContent(counting, publicKey, fields, toBase64Url(new Uint8Array(512))), undefined)
  t.equal(verifications, 24)
  t.equal(await verifyContent(counting, publicKey, fields, 'short'), undefined)
  t.equal(verifications, 24, 'and nothing when it cannot be a signature')
})
