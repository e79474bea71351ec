/** Assertions without a test framework: what `SuiteEnvironment` needs, in any runtime. */
import type { ExpectedError, SuiteEnvironment } from './environment.ts'

type Assertions = Pick<SuiteEnvironment, 'equal' | 'same' | 'ok' | 'throws' | 'rejects'>

const shown = (value: unknown): string => {
  const json = JSON.stringify(value, (_, inner: unknown) => (inner instanceof Uint8Array ? [...inner] : inner)) as string | undefined
  const text = json ?? String(value)
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}

/** Structural equality of JSON-like data, typed arrays and nested mixtures of them. */
const alike = (left: unknown, right: unknown): boolean => {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (left instanceof Uint8Array || right instanceof Uint8Array) {
    if (!(left instanceof Uint8Array && right instanceof Uint8Array) || left.length !== right.length) return false
    return left.every((byte, at) => byte === right[at])
  }
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every(key => Object.hasOwn(right, key) && alike(left[key as never], right[key as never]))
}

const matches = (error: unknown, expected: ExpectedError): boolean => {
  const seen = error as { code?: unknown; reason?: unknown; message?: unknown }
  if (expected.code !== undefined && seen.code !== expected.code) return false
  if (expected.reason !== undefined && seen.reason !== expected.reason) return false
  return expected.message === undefined || expected.message.test(String(seen.message))
}

const fail = (what: string, message: string | undefined): never => {
  throw new Error(message === undefined ? what : `${message}: ${what}`)
}

const checkError = (error: unknown, expected: ExpectedError, message: string | undefined): void => {
  if (!matches(error, expected)) fail(`expected an error like ${shown(expected)}, got ${String(error)} ${shown(error)}`, message)
}

/** `count` is called once for every assertion that was made, so that a runner can refuse a case without any. */
export const assertions = (count: () => void = () => undefined): Assertions => ({
  equal(actual, expected, message) {
    count()
    if (!Object.is(actual, expected)) fail(`expected ${shown(expected)}, got ${shown(actual)}`, message)
  },
  same(actual, expected, message) {
    count()
    if (!alike(actual, expected)) fail(`expected ${shown(expected)}, got ${shown(actual)}`, message)
  },
  ok(value, message) {
    count()
    if (!value) fail(`expected something true, got ${shown(value)}`, message)
  },
  throws(run, expected = {}, message) {
    count()
    let error: unknown
    try {
      run()
    } catch (thrown) {
      error = thrown
    }
    if (error === undefined) fail(`expected it to throw ${shown(expected)}`, message)
    checkError(error, expected, message)
  },
  async rejects(promise, expected = {}, message) {
    count()
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown ?? new Error('rejected with nothing'),
    )
    if (error === undefined) fail(`expected it to reject with ${shown(expected)}`, message)
    checkError(error, expected, message)
  },
})
