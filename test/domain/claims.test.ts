/** Which of several claims to one user counts: an order that every server computes alike, whatever it heard first. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type Claim, compareClaims } from '../../src/domain/claims.ts'
import type { ServerId } from '../../src/protocol/ids.ts'
import { advertised, alice, attached, given, s1, s2, s3, self } from './directory-specification.ts'

const servers = [s1, s2, s3, self] as const
/** What our servers say: they always tell since when. */
const anyClaim = (server: ServerId): fc.Arbitrary<Claim> =>
  fc.record({ since: fc.nat(3), attachedAt: fc.option(fc.nat(3), { nil: undefined }) }).map(({ since, attachedAt }) => ({
    server,
    seq: [1, 1] as const,
    meta: {},
    caps: [],
    since,
    ...(attachedAt === undefined ? {} : { attachedAt }),
  }))
const anyClaims = fc.tuple(...servers.map(anyClaim))
const anyLive = fc.subarray([...servers]).map(live => (claim: Claim) => live.includes(claim.server))

t.test('the order of claims is total: of any two one counts, and it is the same one in whatever order they are compared', async t => {
  fc.assert(
    fc.property(anyClaims, anyLive, (claims, isLive) => {
      for (const a of claims)
        for (const b of claims) {
          const order = Math.sign(compareClaims(a, b, isLive))
          assert.equal(order, -Math.sign(compareClaims(b, a, isLive)) + 0)
          assert.equal(order === 0, a === b)
          for (const c of claims) if (order < 0 && compareClaims(b, c, isLive) < 0) assert.ok(compareClaims(a, c, isLive) < 0)
        }
    }),
  )
  t.pass()
})

t.test('servers that heard the same claims in different orders agree on the home', async t => {
  const anyAdvertisements = fc.tuple(...[s1, s2, s3].map(anyClaim)).map(claims =>
    claims.map(({ server, since = 0, attachedAt }) => ({
      ...advertised(alice, server, { seq: [1, 1] }),
      since,
      ...(attachedAt === undefined ? {} : { attachedAt }),
    })),
  )
  const twice = anyAdvertisements.chain(ads => fc.tuple(fc.constant(ads), fc.shuffledSubarray(ads, { minLength: ads.length })))
  fc.assert(
    fc.property(twice, ([ads, shuffled]) => {
      assert.equal(given(...ads).home(alice, s1, s2, s3), given(...shuffled).home(alice, s1, s2, s3))
    }),
  )
  t.pass()
})

t.test('the later signature of the user counts, whether or not its server is there', async t => {
  const early = { ...advertised(alice, s1, { seq: [1, 1] }), since: 5, attachedAt: 10 }
  const late = { ...advertised(alice, s2, { seq: [1, 1] }), since: 1, attachedAt: 20 }
  t.equal(given(early, late).home(alice, s1, s2), s2)
  t.equal(given(late, early).home(alice, s1), s2)
})

t.test('no claim without the user’s signature takes a user from one with it, and none of an old time one of a later', async t => {
  const signed = { ...advertised(alice, s1, { seq: [1, 1] }), since: 50, attachedAt: 50 }
  t.equal(given(signed, { ...advertised(alice, s2, { seq: [9, 9] }), since: 1 }).home(alice, s1, s2), s1)
  t.equal(given(signed, { ...advertised(alice, s2, { seq: [9, 9] }), since: 1 }).home(alice, s2), s1, 'not even while its server is silent')
  t.equal(given(signed, { ...advertised(alice, s2), since: 1, attachedAt: 49 }).home(alice, s1, s2), s1)
})

t.test('among claims without a signature a live one comes first, then the older, and a v1.3 server’s after all others', async t => {
  const older = { ...advertised(alice, s1, { seq: [1, 1] }), since: 10 }
  const newer = { ...advertised(alice, s2, { seq: [1, 1] }), since: 20 }
  const stock = advertised(alice, s3)
  t.equal(given(stock, newer, older).home(alice, s1, s2, s3), s1)
  t.equal(given(stock, newer, older).home(alice, s2, s3), s2)
  t.equal(given(stock, newer).home(alice, s2, s3), s2)
})

t.test('who has a live socket here gets their messages here, while the list shows the claim that counts', async t => {
  const here = given(attached(alice, 1), { ...advertised(alice, s1), since: 1, attachedAt: 99 })
  t.equal(here.home(alice, s1), 'local')
  t.equal(here.claimant(alice, s1), s1)
})
