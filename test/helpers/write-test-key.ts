/** Puts test key number n where a real process looks for its key file, so that no end-to-end test waits for a key. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { testKey, type TestKey } from './test-keys.ts'

/** Writes key `n` as PKCS#8 PEM with mode 0600 to `path`, making the folders above it (0700); answers the key. */
export const writeTestKey = async (n: number, path: string): Promise<TestKey> => {
  const key = await testKey(n)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, key.pem, { mode: 0o600, flag: 'wx' })
  return key
}
