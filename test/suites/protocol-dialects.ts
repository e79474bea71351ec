/** Specifies which bytes a transport signature may cover, by what stock programs really signed. */
import { sha256 } from '@noble/hashes/sha2.js'
import { transportForms, transportInputs } from '../../src/protocol/dialects.ts'
import { utf8 } from '../../src/protocol/encoding.ts'
import { scanJson } from '../../src/protocol/json.ts'
import type { Suite } from './environment.ts'

interface Expected {
  readonly transport_sig: string
  readonly canonical: string | null
  readonly prehashed: boolean | null
}

const labels = ['g43', 'fengyuan', 'g17', 'g69', 'admiral', 'functions'] as const

/** Valid signatures of the functions set that we do not take; `transportForms` says why. */
const notTaken: readonly string[] = ['functions 16', 'functions 22']

const alike = (left: Uint8Array, right: Uint8Array): boolean => left.length === right.length && left.every((byte, at) => byte === right[at])

export const dialectsSuite: Suite = ({ test, equal, same, ok, vectors }) => {
  test('every valid captured signature is over one of the accepted forms, but for those that are named', () => {
    let checked = 0
    for (const label of labels) {
      const expected = vectors(`${label}.expect.json`) as Readonly<Record<string, Expected>>
      for (const { n, frame } of vectors(`${label}.jsonl`) as readonly { n: number; frame: string }[]) {
        const { transport_sig, canonical, prehashed } = expected[n] ?? { transport_sig: '', canonical: null, prehashed: null }
        if (transport_sig !== 'valid' || canonical === null) continue
        const signed = prehashed === true ? sha256(utf8(canonical)) : utf8(canonical)
        const payloadText = scanJson(frame, { maxDepth: 32 }).payloadText ?? ''
        const found = [...transportInputs(payloadText, sha256)].some(({ bytes }) => alike(bytes, signed))
        equal(found, !notTaken.includes(`${label} ${n}`), `${label} ${n}`)
        checked += 1
      }
    }
    ok(checked > 400, `${checked} signatures`)
  })

  test('forms come in the order of the table, each only once and only when it differs', () => {
    const forms = (text: string) => [...transportInputs(text, sha256)].map(({ form }) => form)
    same(forms('{"b":1, "a":"é"}'), ['received', 'ascii', 'utf8', 'ascii-hashed'])
    same(forms('{"a":"\\u00e9"}'), ['received', 'utf8', 'ascii-hashed'])
    same(forms('{"a":"é"}'), ['received', 'ascii', 'ascii-hashed'])
    same(forms('{}'), ['received', 'ascii-hashed'])
    same(
      transportForms.filter(({ accepted }) => accepted).map(({ form }) => form),
      ['received', 'ascii', 'utf8', 'ascii-hashed'],
    )
  })

  test('a form is made only when it is asked for', () => {
    let hashed = 0
    const inputs = transportInputs('{}', bytes => {
      hashed += 1
      return sha256(bytes)
    })
    inputs.next()
    equal(hashed, 0)
    inputs.next()
    equal(hashed, 1)
  })

  test('half of a surrogate pair has no UTF-8 form, and no other string of bytes stands in for it', () => {
    same(
      [...transportInputs('{"a":"\\ud800"}', sha256)].map(({ form }) => form),
      ['received', 'ascii-hashed'],
    )
  })
}
