/** The checker finds every kind of thing that must not be, and nothing in what may be. */
import t from 'tap'
import { checkHistory, type Rule, rules } from './checker.ts'
import type { Happening, Line } from './history.ts'

const ann = '00000000-0000-4000-8000-00000000000a'
const ben = '00000000-0000-4000-8000-00000000000b'

/** One thing a second, unless it says when. */
const history = (...happenings: readonly (Happening & { readonly ms?: number })[]): readonly Line[] =>
  happenings.map((happening, index) => ({ ms: index * 1_000, ...happening }))

const begun: Happening = { what: 'begun', seed: 1, servers: ['s1', 's2'], people: { ann, ben } }
const saying = (n: number): Happening => ({ what: 'saying', from: 'ann', to: ben, n })
const told = (n: number, status: string, id = `m${String(n)}`): Happening => ({ what: 'told', from: 'ann', to: ben, n, id, status })
const shown = (n: number, more: Partial<Extract<Happening, { what: 'shown' }>> = {}): Happening => ({
  what: 'shown',
  to: 'ben',
  from: ann,
  n,
  text: `ann says ${String(n)}`,
  id: `m${String(n)}`,
  verified: true,
  ...more,
})
const killed: Happening = { what: 'killed', process: 'p2', people: ['ben'] }
const healed = { what: 'healed', round: 1, kind: 'kill' } as const
const listed = (server: string, asked: number, state = 'online') =>
  ({ what: 'listed', server, asked, users: [[ann, 's1', state]], ms: asked }) as const
const equalAt = (asked: number) => [listed('s1', asked), listed('s2', asked)]

const broken = (lines: readonly Line[]): readonly Rule[] => checkHistory(lines).violations.map(({ rule }) => rule)

t.test('a history in which all is well has no violation', async t => {
  const lines = history(
    begun,
    saying(1),
    told(1, 'sent'),
    shown(1),
    told(1, 'delivered'),
    saying(2),
    told(2, 'waiting'),
    { ...healed, ms: 7_000 },
    ...equalAt(8_000),
    { what: 'recovered', round: 1, kind: 'kill', after: 'heal', tookMs: 1_000, waiting: [] },
    { ...shown(2), ms: 9_000 },
    { ...told(2, 'delivered'), ms: 9_001 },
    { what: 'note', who: 's1', text: 'warn: something' },
    { what: 'ended' },
  )
  const { violations, checked, said, accepted, shown: seen } = checkHistory(lines)
  t.same(violations, [])
  t.same({ said, accepted, seen }, { said: 2, accepted: 2, seen: 2 })
  t.same(
    Object.keys(rules).filter(rule => rule !== 'kept' && checked[rule as Rule] === 0),
    [],
  )
})

const wrongs: readonly { readonly name: string; readonly rule: Rule; readonly lines: readonly Line[] }[] = [
  { name: 'an accepted message that is never shown', rule: 'lost', lines: history(begun, saying(1), told(1, 'sent'), told(1, 'waiting')) },
  {
    name: 'a message that was said to be sent, and is gone',
    rule: 'kept',
    lines: history(begun, saying(1), told(1, 'sent')),
  },
  {
    name: 'a message that is delivered before it is shown',
    rule: 'early',
    lines: history(begun, saying(1), told(1, 'delivered'), shown(1)),
  },
  { name: 'a message that a living program shows twice', rule: 'twice', lines: history(begun, saying(1), shown(1), shown(1)) },
  {
    name: 'a message that is shown again though it was shown two seconds before the kill',
    rule: 'twice',
    lines: history(begun, saying(1), shown(1), saying(2), killed, shown(1)),
  },
  {
    name: 'a message that is shown again under another id',
    rule: 'twice',
    lines: history(begun, saying(1), shown(1), killed, shown(1, { id: 'other' })),
  },
  {
    name: 'a message that is shown a third time after one kill',
    rule: 'twice',
    lines: history(begun, saying(1), shown(1), killed, shown(1), shown(1)),
  },
  { name: 'messages in the wrong order', rule: 'order', lines: history(begun, saying(1), saying(2), shown(2), shown(1)) },
  { name: 'a message that nobody said', rule: 'invented', lines: history(begun, shown(1)) },
  { name: 'a message that is not verified', rule: 'invented', lines: history(begun, saying(1), shown(1, { verified: false })) },
  {
    name: 'a message that was said to somebody else',
    rule: 'invented',
    lines: history(begun, { what: 'saying', from: 'ann', to: ann, n: 1 }, shown(1)),
  },
  {
    name: 'lists that are never the same',
    rule: 'unequal',
    lines: history(begun, healed, listed('s1', 2_000), listed('s2', 2_000, 'away')),
  },
  { name: 'a list that one server does not answer', rule: 'unequal', lines: history(begun, healed, listed('s1', 2_000)) },
  { name: 'lists that are the same too late', rule: 'unequal', lines: history(begun, healed, ...equalAt(11_100)) },
  {
    name: 'lists that differ again when nobody has come or gone',
    rule: 'unequal',
    lines: history(begun, healed, ...equalAt(2_000), listed('s1', 20_000), listed('s2', 20_000, 'suspect')),
  },
  {
    name: 'people who cannot write after a heal',
    rule: 'stuck',
    lines: history(begun, { what: 'stuck', round: 1, kind: 'kill', after: 'heal', tookMs: 90_000, waiting: ['ann'] }),
  },
  { name: 'a bug of a server', rule: 'sound', lines: history(begun, { what: 'note', who: 's1', text: 'error: a bug: an effect threw' }) },
  {
    name: 'a bug of a client',
    rule: 'sound',
    lines: history(begun, { what: 'note', who: 'ann', text: 'error', more: { code: 'INTERNAL' } }),
  },
]

for (const { name, rule, lines } of wrongs)
  t.test(`it finds ${name}`, async t => {
    t.same(broken(lines), [rule])
  })

t.test('what a killed program showed in its last second it may show again, once for each kill', async t => {
  t.same(broken(history(begun, saying(1), shown(1), killed, shown(1), killed, shown(1))), [])
})

t.test('what was shown again may come after what is newer', async t => {
  t.same(
    broken(
      history(begun, saying(1), saying(2), { ...shown(1), ms: 3_500 }, { ...shown(2), ms: 3_600 }, { ...killed, ms: 4_000 }, shown(1)),
    ),
    [],
  )
})

t.test('a message that failed, or that a killed program never spoke of, may be shown or not', async t => {
  t.same(broken(history(begun, saying(1), told(1, 'sent'), told(1, 'failed'), saying(2), saying(3), shown(3))), [])
})

t.test('lists may differ while somebody comes or goes', async t => {
  const attached: Happening & { ms: number } = { what: 'attached', user: 'ben', at: 's2', ms: 19_000 }
  t.same(broken(history(begun, healed, ...equalAt(2_000), attached, listed('s1', 20_000), listed('s2', 20_000, 'suspect'))), [])
})

t.test('what is listed after the next fault is no matter of the heal before', async t => {
  const fault: Happening = { what: 'fault', round: 2, kind: 'kill', details: {}, goesOn: false }
  t.same(
    broken(history(begun, healed, ...equalAt(2_000), { ...fault, ms: 15_000 }, listed('s1', 20_000), listed('s2', 20_000, 'suspect'))),
    [],
  )
})
