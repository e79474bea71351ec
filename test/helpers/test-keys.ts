/** RSA-4096 keys for tests: throw-away keys of the captured programs, or made once and kept, because making one takes seconds. */
import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Crypto, PrivateKey } from '../../src/ports/crypto.ts'
import type { PublicKeyText } from '../../src/protocol/ids.ts'

export interface TestKey {
  /** PKCS#8 DER, as `Crypto.importPrivateKey` and the key file take it. */
  readonly pkcs8: Uint8Array
  /** The same as PEM text, the content of a key file without a passphrase. */
  readonly pem: string
  /** The public half as it travels and is compared: base64url of SPKI DER. */
  readonly publicText: PublicKeyText
  /** The key imported into one port instance; imported anew at each call. */
  readonly privateKey: (crypto: Crypto) => Promise<PrivateKey>
}

/** The captured wire data beside the repository; may be missing in a clone elsewhere. */
export const interopFolder = fileURLToPath(new URL('../../../shared/interop/', import.meta.url))
const cacheFolder = fileURLToPath(new URL('../../node_modules/.cache/socp-test-keys/', import.meta.url))

interface KeyFile {
  readonly users: Record<string, { private_jwk?: JsonWebKey }>
  readonly servers: Record<string, { private_jwk?: JsonWebKey }>
}
type JsonWebKey = { readonly kty: string } & Record<string, string>

const captured = (): readonly Uint8Array[] => {
  if (!existsSync(interopFolder)) return []
  const found = new Map<string, Uint8Array>()
  for (const name of readdirSync(interopFolder)
    .filter(name => name.endsWith('.keys.json'))
    .sort()) {
    const file = JSON.parse(readFileSync(interopFolder + name, 'utf8')) as KeyFile
    for (const { private_jwk: jwk } of [...Object.values(file.users), ...Object.values(file.servers)]) {
      if (jwk?.n === undefined || found.has(jwk.n)) continue
      found.set(jwk.n, createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' }))
    }
  }
  return [...found.values()]
}

const generated = async (n: number): Promise<Uint8Array> => {
  const file = `${cacheFolder}${String(n)}.der`
  if (!existsSync(file)) {
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 4096, publicExponent: 65537 })
    mkdirSync(cacheFolder, { recursive: true })
    // whichever test process finishes first wins; a key must never change under a reader
    const draft = `${file}.${String(process.pid)}`
    writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'der' }), { mode: 0o600 })
    if (!existsSync(file)) renameSync(draft, file)
  }
  return readFileSync(file)
}

let capturedKeys: readonly Uint8Array[] | undefined

/** Key number `n` (from 0): the same key in every process and every run on one machine, a different one for every `n`. */
export const testKey = async (n: number): Promise<TestKey> => {
  capturedKeys ??= captured()
  const pkcs8 = new Uint8Array(capturedKeys[n] ?? (await generated(n)))
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  return {
    pkcs8,
    pem: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicText: createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64url') as PublicKeyText,
    privateKey: crypto => crypto.importPrivateKey(pkcs8),
  }
}
