import { existsSync, readdirSync } from 'node:fs'
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { webCrypto } from '../../src/crypto/web-crypto.ts'
import { interopFolder, testKey } from '../helpers/test-keys.ts'
import { captures } from '../suites/captured.ts'
import { runUnderTap } from '../suites/tap-environment.ts'
import { vectorsSuite } from '../suites/vectors-suite.ts'

if (!existsSync(interopFolder)) {
  t.fail('The captured wire data is missing: put its folder at ../shared/interop beside this repository. Nothing was checked.')
  t.end()
} else {
  // beyond the captured keys, so made on this machine
  const { publicText } = await testKey(1000)

  void t.test('every capture in the folder is checked', t => {
    const found = readdirSync(interopFolder).filter(name => name.endsWith('.expect.json'))
    t.same(found.map(name => name.replace('.expect.json', '')).sort(), captures)
    t.end()
  })

  for (const [name, open] of Object.entries({ nodeCrypto, webCrypto })) {
    void t.test(`the frames of other programs over ${name}`, async t => {
      runUnderTap(t, vectorsSuite(open, publicText))
    })
  }
}
