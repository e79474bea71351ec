/** Who a server or a chat user is: an id in `identity.json` and a key in `key.pem`, made once and never overwritten. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import { KeyFileError, readKeyFile, writeKeyFile } from '../crypto/node-key-file.ts'
import type { Crypto, PrivateKey } from '../ports/crypto.ts'
import type { Random } from '../ports/random.ts'
import { nodeRandom } from '../ports/node/random.ts'
import { isUuidV4 } from '../protocol/ids.ts'
import { filesIn } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { whileWaiting } from './waiting.ts'

export interface Identity {
  /** UUID v4 in lower case: a server's or a user's id. */
  readonly id: string
  readonly privateKey: PrivateKey
}

export interface IdentityOptions {
  readonly crypto?: Crypto
  readonly random?: Random
  readonly passphrase?: string | undefined
}

const identitySchema = z.object({ id: z.string().refine(isUuidV4) })

const dataFailure = (message: string, cause?: unknown): CommandFailure => new CommandFailure(message, exitCodes.data, { cause })

/** Runs what touches a key file; its errors are sentences already. */
const withKeyFile = async <T>(run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    if (error instanceof KeyFileError) {
      const how = error.reason === 'passphrase_needed' ? ' Name a file with it by --passphrase-file.' : ''
      throw dataFailure(`${error.message}${how}`, error)
    }
    throw error
  }
}

const readId = async (file: string): Promise<string> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw dataFailure(`The identity ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}).`, error)
  }
  try {
    return identitySchema.parse(JSON.parse(text)).id
  } catch (error) {
    throw dataFailure(`The identity ${file} is damaged: it has the form {"id":"<UUID v4>"}; put a backup in its place.`, error)
  }
}

const writeId = async (file: string, id: string): Promise<void> => {
  try {
    await writeFile(file, `${JSON.stringify({ id })}\n`, { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    throw dataFailure(`The identity ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`, error)
  }
}

/** Reads the identity of a data directory; throws a `CommandFailure` (78) with what is missing or damaged. */
export const loadIdentity = async (directory: string, { crypto = nodeCrypto(), passphrase }: IdentityOptions = {}): Promise<Identity> => {
  const files = filesIn(directory)
  if (!existsSync(files.key)) {
    const advice =
      existsSync(files.identity) || existsSync(files.log) ? 'put its backup back' : `make one with "socp keys new --data ${directory}"`
    throw dataFailure(`There is no key in ${directory} (key.pem): ${advice}.`)
  }
  if (!existsSync(files.identity)) throw dataFailure(`There is no identity in ${directory} (identity.json): put its backup back.`)
  const id = await readId(files.identity)
  const pkcs8 = await withKeyFile(() => readKeyFile(files.key, { passphrase }))
  return { id, privateKey: await crypto.importPrivateKey(pkcs8) }
}

/** Makes what is missing of a new identity. A key without an id is one that was put there, or whose making broke off. */
const makeIdentity = async (
  directory: string,
  { crypto = nodeCrypto(), random = nodeRandom(), passphrase }: IdentityOptions,
): Promise<Identity> => {
  const files = filesIn(directory)
  if (!existsSync(files.key)) {
    const { pkcs8 } = await whileWaiting('Making an RSA-4096 key', () => crypto.generateKey())
    await withKeyFile(() => writeKeyFile(files.key, pkcs8, { passphrase }))
  }
  await writeId(files.identity, random.uuid())
  return await loadIdentity(directory, { crypto, passphrase })
}

/** Makes an identity where there is none; refuses (78) to touch one that is there. */
export const createIdentity = async (directory: string, options: IdentityOptions = {}): Promise<Identity> => {
  const files = filesIn(directory)
  for (const file of [files.key, files.identity, files.log])
    if (existsSync(file)) throw dataFailure(`There is already ${file}, which was left as it is: give another directory with --data.`)
  return await makeIdentity(directory, options)
}

/**
 * The identity of a data directory, made at the first use. What is lost from a directory that was in use is never made
 * anew: the mesh has pinned the old key to the old id.
 */
export const loadOrCreateIdentity = async (directory: string, options: IdentityOptions = {}): Promise<Identity> => {
  const files = filesIn(directory)
  const inUse = existsSync(files.identity) || existsSync(files.log)
  return inUse ? await loadIdentity(directory, options) : await makeIdentity(directory, options)
}
