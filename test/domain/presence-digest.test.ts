/** Comparing two directories by digests: it converges for any two, and costs what differs. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { PresenceSeq } from '../../src/domain/facts.ts'
import { compareParts, createDigestTree, type DigestEntry, digestTreeInTurns, tellParts } from '../../src/domain/presence-digest.ts'
import { RECENT_SEQUENCES } from '../../src/domain/presence-order.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { limits } from '../../src/protocol/limits.ts'
import { advertised, alice, given, removed, s1 } from './directory-specification.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const treeOf = (entries: Iterable<DigestEntry>) => createDigestTree(entries, sha256)

/** Has one side find out what the other knows, as the servers do; answers its characters and rounds. */
const exchange = (theirs: ReadonlyMap<UserId, PresenceSeq>, mine: Map<UserId, PresenceSeq>, seq: PresenceSeq) => {
  const told = treeOf(theirs)
  let [characters, questions, events] = [0, 0, 0]
  for (let pass = 1; pass <= 3; pass += 1) {
    const before = treeOf(mine)
    if (before.digest('') === told.digest('')) return { characters, questions, events, passes: pass }
    let prefixes: readonly string[] = ['']
    while (prefixes.length > 0) {
      const next: string[] = []
      for (let from = 0; from < prefixes.length; from += limits.maxDigestPrefixes) {
        const asked = prefixes.slice(from, from + limits.maxDigestPrefixes)
        const answer = tellParts(told, seq, asked)
        characters += JSON.stringify(asked).length + JSON.stringify(answer).length
        questions += 1
        const { prefixes: deeper, want, gone } = compareParts(before, answer)
        next.push(...deeper)
        for (const [user, wanted] of want) {
          assert.deepEqual(theirs.get(user), wanted)
          mine.set(user, wanted)
          events += 1
        }
        for (const user of gone) mine.delete(user)
      }
      prefixes = next
    }
  }
  throw new Error('did not converge')
}

const anyDirectory = fc
  .array(fc.tuple(fc.nat(400), fc.nat(2), fc.nat(9)), { maxLength: 200 })
  .map(users => new Map(users.map(([n, epoch, counter]) => [`user ${n}` as UserId, [epoch, counter] as const])))

t.test('for any two directories one exchange makes them equal, but for what is newer here than the answer', async t => {
  fc.assert(
    fc.property(anyDirectory, anyDirectory, (theirs, before) => {
      const mine = new Map(before)
      // whatever they know they have said, and nothing newer was heard from them
      for (const [user, seq] of mine)
        if (theirs.has(user)) mine.set(user, seq[0] > (theirs.get(user) as PresenceSeq)[0] ? (theirs.get(user) as PresenceSeq) : seq)
      for (const [user, seq] of mine) {
        const other = theirs.get(user)
        if (other !== undefined && (seq[0] - other[0] || seq[1] - other[1]) > 0) mine.set(user, other)
      }
      exchange(theirs, mine, [9, 9])
      assert.deepEqual([...mine].sort(), [...theirs].sort())
    }),
  )
  t.pass()
})

t.test('what came after the answer was made is left alone', async t => {
  const mine = treeOf([
    ['new' as UserId, [1, 8]],
    ['again' as UserId, [1, 9]],
    ['left' as UserId, [1, 3]],
  ])
  const told = tellParts(treeOf([['again' as UserId, [1, 2]]]), [1, 7], [''])
  t.same(compareParts(mine, told), { prefixes: [], want: [], gone: ['left'] })
})

t.test('ten differences among ten thousand users cost a few answers, and everything costs little more than itself', async t => {
  const theirs = new Map(
    Array.from({ length: 10_000 }, (_, n) => [`1000${n}-0000-4000-8000-000000000000` as UserId, [1_750_000_000, n + 1] as const]),
  )
  const mine = new Map<UserId, PresenceSeq>(theirs)
  for (const user of [...theirs.keys()].filter((_, n) => n % 1_000 === 7)) mine.delete(user)
  const few = exchange(theirs, mine, [1_750_000_000, 10_000])
  t.equal(few.events, 10)
  t.ok(few.questions <= 5, `${few.questions} questions`)
  t.ok(few.characters < 12_000, `${few.characters} characters`)
  const all = exchange(theirs, new Map(), [1_750_000_000, 10_000])
  t.equal(all.events, 10_000)
  t.equal(all.passes, 2)
  t.ok(all.characters < 1_500_000, `${all.characters} characters`)
})

t.test('a frame holds the largest answer', async t => {
  const long = (n: number) => `${'x'.repeat(58)}${String(n).padStart(6, '0')}` as UserId
  const tree = treeOf(Array.from({ length: 50_000 }, (_, n) => [long(n), [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]]))
  const parts = (depth: number) => Array.from({ length: limits.maxDigestPrefixes }, (_, n) => (n * 157).toString(16).padStart(depth, '0'))
  for (const depth of [3, 4]) {
    const { length } = JSON.stringify(tellParts(tree, [Number.MAX_SAFE_INTEGER, 1], parts(depth)))
    t.ok(length < limits.maxFrameBytes - 2_048, `${length} characters`)
  }
})

t.test(
  'what the origin lists anew is news although newer events of others were summed up, but never what was heard or taken back',
  async t => {
    const node = given()
    for (let n = 1; n <= 2 * RECENT_SEQUENCES + 1; n += 1) node.fold(advertised(`u${n}` as UserId, s1, { seq: [1, n + 10] }))
    const missed = advertised(alice, s1, { seq: [1, 5] })
    t.same(node.when(missed, { usersPerServer: 20_000, pins: 20_000 }).why, 'known')
    const listed = { awaited: true, usersPerServer: 20_000, pins: 20_000 }
    t.same(node.when(missed, listed).facts, [missed])
    node.fold(missed)
    t.equal(node.when(missed, listed).why, 'known')
    node.fold(removed(alice, s1, { seq: [1, 20_000] }))
    t.equal(node.when(missed, listed).why, 'known')
  },
)

t.test('a digest is what docs/protocol.md says, of every part', async t => {
  const hexOf = (user: UserId): string => createHash('sha256').update(user).digest('hex')
  const prefixes = fc.stringMatching(/^[0-9a-f]{0,4}$/)
  const users = fc.uniqueArray(fc.tuple(fc.uuid(), fc.nat(), fc.nat()), { selector: ([id]) => id, maxLength: 60 })
  fc.assert(
    fc.property(users, prefixes, (listed, prefix) => {
      const entries = listed.map(([id, epoch, counter]): DigestEntry => [id as UserId, [epoch, counter]])
      const part = entries.filter(([user]) => hexOf(user).startsWith(prefix)).sort(([a], [b]) => (hexOf(a) < hexOf(b) ? -1 : 1))
      const text = part.map(([user, [epoch, counter]]) => `${user} ${epoch} ${counter}\n`).join('')
      const expected = text === '' ? '' : createHash('sha256').update(text).digest().subarray(0, 12).toString('base64url')
      const tree = treeOf(entries)
      assert.equal(tree.digest(prefix), expected)
      assert.deepEqual(tree.entries(prefix), part)
    }),
  )
  t.pass()
})

t.test('a tree of many is made in turns, of what was there at the first', async t => {
  const entries = Array.from({ length: 10_000 }, (_, n): DigestEntry => [`user ${n}` as UserId, [1, n]])
  const making = digestTreeInTurns(entries, sha256)
  let turns = 1
  let [longest, step] = [0, making.next()]
  while (step.done !== true) {
    const began = performance.now()
    step = making.next()
    longest = Math.max(longest, performance.now() - began)
    turns += 1
  }
  t.ok(turns >= 30, `${turns} turns`)
  t.equal(step.value.digest(''), treeOf(entries).digest(''))
  t.comment(`the longest turn took ${longest.toFixed(1)} ms`)
})

t.test('asking for the same parts again costs next to nothing', async t => {
  let hashed = 0
  const entries = Array.from({ length: 2_000 }, (_, n): DigestEntry => [`user ${n}` as UserId, [1, n]])
  const tree = createDigestTree(entries, bytes => {
    hashed += bytes.length
    return sha256(bytes)
  })
  const root = Array.from({ length: limits.maxDigestPrefixes }, () => '')
  hashed = 0
  tellParts(tree, [1, 2_000], root)
  const once = hashed
  tellParts(tree, [1, 2_000], root)
  t.equal(hashed, once, 'all entries were hashed once')
  t.ok(once < 2_000 * 20)
})
