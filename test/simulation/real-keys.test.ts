/** A world with real RSA-4096: nothing holds only because the cryptography is a stand-in. */
import t from 'tap'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { simulate } from '../../src/simulation/simulation.ts'
import { testKey } from '../helpers/test-keys.ts'
import { ground } from './ground.ts'

t.test('a small world with real keys holds', async t => {
  const keys = await Promise.all(
    Array.from({ length: 9 }, async (_, index) => {
      const { pkcs8, publicText } = await testKey(index)
      return { pkcs8, text: publicText }
    }),
  )
  const real = { crypto: nodeCrypto(), keys }
  const { checked, violations, displayed } = await simulate(
    { seed: 4, servers: 2, users: 3, timeMs: 30_000, faults: ['kill', 'cut', 'forge', 'home_invents', 'home_steals', 'impostor'] },
    { ...ground, real },
  )
  t.same(violations, [])
  t.ok(displayed > 0)
  t.ok(checked.truthful > 0 && checked.converged === 1)
})
