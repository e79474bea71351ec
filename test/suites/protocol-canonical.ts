/** Specifies canonical JSON by the golden cases that were captured from Python, and names those that cannot match. */
import { canonicalJson, canonicalOf } from '../../src/protocol/canonical.ts'
import type { Suite } from './environment.ts'

interface Case {
  readonly id: string
  readonly input: string
  readonly ascii: string
  readonly utf8: string | null
}

const keptToken = 'number tokens stay as written; Python writes its own'

/** Cases in which the text differs from Python's, and why; the suite asserts that each still does. */
const differing: Readonly<Record<string, string>> = {
  'int-neg-zero': `${keptToken}: -0 becomes 0`,
  'float-100.0': `${keptToken}: 1E2 becomes 100.0`,
  'float-1e21': `${keptToken}: 1e21 becomes 1e+21`,
  'float-1e20': `${keptToken}: 1e20 becomes 1e+20`,
  'float-1e16': `${keptToken}: 1e16 becomes 1e+16`,
  'float-1e15': `${keptToken}: 1e15 becomes 1000000000000000.0`,
  'float-1e-5': `${keptToken}: 0.00001 becomes 1e-05`,
  'float-1e-7': `${keptToken}: 1e-7 becomes 1e-07`,
  'float-max': `${keptToken}: e308 becomes e+308`,
  'float-overflow': `${keptToken}: 1e400 becomes Infinity, which is not JSON`,
}

/** Cases that are refused, and with which reason. */
const refused: Readonly<Record<string, string>> = {
  'dup-keys': 'duplicate_key',
  'nan-literal': 'not_json',
}

export const canonicalSuite: Suite = ({ test, equal, ok, throws, vectors }) => {
  const { cases } = vectors('canonical.json') as { cases: readonly Case[] }

  test('every golden case matches in both forms, or is named here and really does not', () => {
    equal(cases.length, 78)
    for (const { id, input, ascii, utf8 } of cases) {
      if (Object.hasOwn(refused, id)) continue
      equal(canonicalJson(input) === ascii, !Object.hasOwn(differing, id), `${id} ascii: ${canonicalJson(input)}`)
      if (utf8 === null) throws(() => canonicalJson(input, 'utf8'), { reason: 'lone_surrogate' }, id)
      else equal(canonicalJson(input, 'utf8') === utf8, !Object.hasOwn(differing, id), `${id} utf8`)
    }
  })

  test('the cases that are named as different or refused all exist, and the refused ones are', () => {
    const ids = new Set(cases.map(({ id }) => id))
    for (const id of [...Object.keys(differing), ...Object.keys(refused)]) ok(ids.has(id), id)
    for (const { id, input } of cases) {
      const reason = refused[id]
      if (reason !== undefined) throws(() => canonicalJson(input), { code: 'UNKNOWN_TYPE', reason }, id)
    }
  })

  test('canonical text is its own canonical form, and both forms mean the same', () => {
    for (const { id, input } of cases) {
      if (Object.hasOwn(refused, id)) continue
      const ascii = canonicalJson(input)
      equal(canonicalJson(ascii), ascii, id)
      equal(canonicalOf(JSON.parse(ascii.replace('1e400', '1e300'))), canonicalOf(JSON.parse(input.replace('1e400', '1e300'))), id)
    }
  })

  test('what we build ourselves comes out as the same text, without its undefined members', () => {
    equal(canonicalOf({ b: [1, 'é', null, true], a: { z: -0, y: 1.5, x: undefined } }), '{"a":{"y":1.5,"z":0},"b":[1,"\\u00e9",null,true]}')
    equal(canonicalOf({ '｡': 1, '😀': 2, z: 3 }), '{"z":3,"\\uff61":1,"\\ud83d\\ude00":2}')
    equal(canonicalOf(JSON.parse('{"__proto__":1,"10":2,"9":3}')), '{"10":2,"9":3,"__proto__":1}')
  })

  test('what JSON cannot hold is a bug where we build, not silently null', () => {
    for (const value of [NaN, Infinity, undefined, () => 1, 1n, Symbol('s'), [undefined], { a: NaN }])
      throws(() => canonicalOf(value), { message: /canonical JSON cannot hold/ })
  })

  test('depth over 32 is refused before it costs anything', () => {
    throws(() => canonicalJson('['.repeat(30_000)), { reason: 'too_deep' })
  })
}
