/** A whole node without its outside: who is where after these facts? */
import t from 'tap'
import { foldFacts } from '../../../src/testing/testing.ts'

t.test('a user who moves is at the new home only when the old one lets go', async t => {
  const node = foldFacts([
    { type: 'node.started', server: 's1', epoch: 1 },
    { type: 'user.advertised', user: 'ann', server: 's2', pubkey: 'key', meta: {}, caps: [], seq: [1, 1], digest: 'a' },
    { type: 'user.advertised', user: 'ann', server: 's3', pubkey: 'key', meta: {}, caps: [], seq: [1, 1], digest: 'b' },
  ])
  const homes = () => node.view().directory.flatMap(user => user.claims.map(claim => claim.server_id))
  t.same(homes(), ['s2', 's3'])
  node.record({ type: 'user.removed', user: 'ann', server: 's2', seq: [1, 2], digest: 'c' })
  t.same(homes(), ['s3'])
})
