/** Specifies the one scanner: what is JSON, what is refused beyond that, and where the payload lies. */
import { scanJson } from '../../src/protocol/json.ts'
import type { Suite } from './environment.ts'

const scan = (text: string, maxDepth = 32) => scanJson(text, { maxDepth })
const refused = (reason: string) => ({ code: 'UNKNOWN_TYPE', reason })

const notJson = [
  ...[
    '',
    ' ',
    'nul',
    'NaN',
    'Infinity',
    '-',
    '+1',
    '01',
    '-01',
    '.5',
    '1.',
    '1e',
    '1e+',
    '0x1',
    "'a'",
    '"',
    '"a',
    '"\\',
    '"\\x"',
    '"\\u12g4"',
    '"\\u12',
  ],
  ...[
    '"\n"',
    '"\u0000"',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '[1 2]',
    ']',
    '{',
    '{"a"',
    '{"a":',
    '{"a":}',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,}',
    '{a:1}',
  ],
  ...[
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{1:2}',
    '[1}',
    '{"a":1]',
    '1 2',
    '{}{}',
    '{} x',
    '\ufeff{}',
    '\u00a0{}',
    '// c\n{}',
    'true false',
    'truex',
    '[tru]',
  ],
]

export const jsonSuite: Suite = ({ test, equal, same, ok, throws }) => {
  test('reads what JSON.parse reads', () => {
    for (const text of ['{}', '[]', 'null', ' true ', '-0', '1.5e-3', '"\\u00e9\\n\\/"', '[1,[2,{"a":[]}]]', '\t{"a" : 1 ,\r\n"b":[ ] }'])
      same(scan(text).value, JSON.parse(text), text)
  })

  test('refuses what is not JSON', () => {
    for (const text of notJson) throws(() => scan(text), refused('not_json'), JSON.stringify(text))
  })

  test('finds the exact text of the payload, wherever it stands and however its key is spelled', () => {
    equal(scan('{"payload": {"b":1, "a":1.0} ,"type":"X"}').payloadText, '{"b":1, "a":1.0}')
    equal(scan('{"type":"payload","x":{"payload":1},"payload":[ 1E2 ]}').payloadText, '[ 1E2 ]')
    equal(scan('{"payl\\u006fad":\n"a\\"b"\n}').payloadText, '"a\\"b"')
    equal(scan('{"payload":-1.50}').payloadText, '-1.50')
    equal(scan('{"payload":{}}').payloadText, '{}')
  })

  test('finds no payload where there is none at the top', () => {
    for (const text of ['{}', '[{"payload":1}]', '{"a":{"payload":{}}}', '"payload"', '{"a":["payload",1]}'])
      equal(scan(text).payloadText, undefined, text)
  })

  test('refuses a key that occurs twice, at any depth and in any spelling', () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"x":[{"a":1,"b":2,"a":3}]}',
      '{"a":1,"\\u0061":2}',
      '{"payload":{},"payload":{"a":1}}',
      '{"__proto__":1,"__proto__":2}',
    ])
      throws(() => scan(text), refused('duplicate_key'), text)
    same(scan('[{"a":1},{"a":2}]').value, [{ a: 1 }, { a: 2 }])
    same(scan('{"a":{"a":1}}').value, { a: { a: 1 } })
  })

  test('takes 32 levels and refuses 33, objects and arrays alike', () => {
    const arrays = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    const objects = (depth: number) => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1)
    for (const make of [arrays, objects]) {
      same(scan(make(32)).value, JSON.parse(make(32)))
      throws(() => scan(make(33)), refused('too_deep'))
    }
  })

  test('refuses 30,000 levels, closed or not, by its depth and not by the stack', () => {
    throws(() => scan('['.repeat(30_000)), refused('too_deep'))
    throws(() => scan('{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)), refused('too_deep'))
    ok(scan('['.repeat(30_000) + ']'.repeat(30_000), 30_000).value, 'nor does the walk itself recurse')
  })

  test('refuses half of a surrogate pair, escaped or raw, in keys and in values', () => {
    for (const text of ['{"a":"\\ud800"}', '{"a":"\\udc00\\ud800"}', '{"\\uD83D":1}', '{"a":"\ud800"}', '{"a":"\\ud83dx\\ude00"}'])
      throws(() => scan(text), refused('lone_surrogate'), JSON.stringify(text))
    same(scan('{"a":"\\ud83d\\ude00","b":"😀"}').value, { a: '😀', b: '😀' })
  })

  test('__proto__ is a key like any other', () => {
    const { value } = scan('{"__proto__":{"admin":true},"constructor":1}') as { value: Record<string, unknown> }
    equal(Object.getPrototypeOf(value), Object.prototype)
    equal(value['admin'], undefined)
    same(Object.keys(value), ['__proto__', 'constructor'])
  })

  test('takes linear time: a frame of brackets, quotes or keys is as quick as any', () => {
    const full = 65_000
    const keys = `{${Array.from({ length: 8_000 }, (_, at) => `"k${at}":0`).join(',')}}`
    const texts = [
      `[${'[],'.repeat(full / 3)}0]`,
      `["${'\\"'.repeat(full / 2)}"]`,
      `["${'\\u0041'.repeat(full / 6)}"]`,
      ' '.repeat(full) + '0',
      '-'.padEnd(full, '9'),
      keys,
    ]
    for (const text of texts) same(scan(text).value, JSON.parse(text))
  })
}
