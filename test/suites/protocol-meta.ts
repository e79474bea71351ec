/** Specifies how a user's words about themselves are read and shown, what a voucher covers, and whom a welcome lists. */
import { displayName, readCaps, readMeta } from '../../src/protocol/meta.ts'
import { parseFrame } from '../../src/protocol/envelope.ts'
import { voucherText, welcomedServers } from '../../src/protocol/voucher.ts'
import type { Suite } from './environment.ts'

export const metaSuite: Suite = ({ test, equal, same, ok, vectors }) => {
  const captured = (label: string, n: number) => {
    const line = (vectors(`${label}.jsonl`) as readonly { n: number; frame: string }[]).find(entry => entry.n === n)
    return parseFrame(line?.frame ?? '')
  }

  test('the name is found under the keys that programs use, ours first', () => {
    equal(readMeta({ meta: { display_name: 'A', username: 'B' } }).meta.display_name, 'A')
    equal(readMeta({ meta: { username: 'B', name: 'C' } }).meta.display_name, 'B')
    equal(readMeta({ meta: { name: 'C' } }).meta.display_name, 'C')
    equal(readMeta({ name: 'D' }).meta.display_name, 'D')
    equal(readMeta(captured('g43', 20).payload).meta.display_name, 'alice')
    equal(readMeta(captured('g69', 14).payload).meta.display_name, 'alice')
  })

  test('the key is found in meta or beside it', () => {
    equal(readMeta({ meta: { pubkey: 'k', enc_pubkey: 'e' } }).pubkey, 'k')
    equal(readMeta({ pubkey: 'k', meta: {} }).pubkey, 'k')
    equal(readMeta({ meta: { pubkey: 'k', enc_pubkey: 'e' } }).encPubkey, 'e')
    equal(readMeta(captured('g43', 20).payload).pubkey?.length, 734)
    ok(!('pubkey' in readMeta({})))
  })

  test('sequence and capabilities come from the extras', () => {
    const read = readMeta({ meta: { extras: { seq: [3, 14], caps: ['ack', 'ack', 'BAD', 5, 'blocks'] } } })
    same(
      [read.seq, read.caps],
      [
        [3, 14],
        ['ack', 'blocks'],
      ],
    )
    for (const seq of [undefined, 3, [3], [3, 4, 5], [3, -1], [3, 1.5], ['3', '4'], [3, 2 ** 53], {}])
      equal(readMeta({ meta: { extras: { seq } } }).seq, undefined)
    same(readMeta({ caps: ['proof'] }).caps, ['proof'])
    equal(readCaps(Array.from({ length: 99 }, (_, at) => `c${at}`)).length, 32)
  })

  test('what is missing, of another type or too long is left out, and nothing throws', () => {
    for (const payload of [
      undefined,
      null,
      5,
      'x',
      [],
      { meta: null },
      { meta: [] },
      { meta: 'x' },
      { meta: { extras: 5 } },
      { meta: { display_name: 5, age: 'old', pronouns: [], avatar_url: {} } },
    ])
      same(readMeta(payload), { meta: {}, caps: [] })
    equal(readMeta({ meta: { display_name: 'é'.repeat(128) } }).meta.display_name, undefined)
    same(readMeta({ meta: { display_name: 'A', pronouns: 'they', age: 20, avatar_url: 'https://a.example/x' } }).meta, {
      display_name: 'A',
      pronouns: 'they',
      age: 20,
      avatar_url: 'https://a.example/x',
    })
  })

  test('a name is shown without what a terminal or a reader could be tricked by', () => {
    equal(displayName({ display_name: 'Zoë 😀' }, 'id'), 'Zoë 😀')
    equal(displayName({ display_name: '👩‍💻' }, 'id'), '👩‍💻')
    equal(displayName({ display_name: '\u001b[31mred\u0007' }, 'id'), '[31mred')
    equal(displayName({ display_name: '\u202eecila\u202c' }, 'id'), 'ecila')
    equal(displayName({ display_name: 'a\r\nb\u2028c' }, 'id'), 'abc')
    equal(displayName({ display_name: '  a \u00a0 b ' }, 'id'), 'a b')
    for (const display_name of ['', ' ', '\u200b', '\u202e', '\u0000']) equal(displayName({ display_name }, 'id'), 'id')
    equal(displayName({}, 'id'), 'id')
  })

  test('a voucher covers what it names and says what it is', () => {
    const claim = { by: 'i', server_id: 's', host: 'h', port: 1, pubkey: 'k' }
    equal(
      voucherText({ ...claim, sig: 'x' } as typeof claim),
      '{"by":"i","host":"h","port":1,"pubkey":"k","server_id":"s","statement":"socp-voucher"}',
    )
  })

  test('servers of a welcome are found in either list under either name, each once, only with an address and a key', () => {
    const welcome = (payload: object) => {
      const frame = parseFrame(
        JSON.stringify({ type: 'SERVER_WELCOME', from: 'i', to: 'x', ts: 1, payload: { assigned_id: 'x', ...payload } }),
      )
      return frame.type === 'SERVER_WELCOME' ? welcomedServers(frame.payload).map(({ server_id, port }) => `${server_id}:${port}`) : []
    }
    const at = { host: 'h', port: 1, pubkey: 'k' }
    same(welcome({}), [])
    same(
      welcome({
        servers: [
          { server_id: 'a', ...at },
          { user_id: 'b', ...at },
          { server_id: 'a', ...at, port: 2 },
        ],
        clients: [{ user_id: 'c', ...at }, { user_id: 'd' }],
      }),
      ['a:1', 'b:1', 'c:1'],
    )
    const seen = captured('g69', 2)
    ok(seen.type === 'SERVER_WELCOME' && welcomedServers(seen.payload).length === 1)
  })
}
