/** Private keys on disk: PKCS#8 PEM, readable by their owner only, encrypted when there is a passphrase, never overwritten. */
import { createCipheriv, createPrivateKey, randomBytes, scrypt, type KeyObject } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { ProtocolError } from '../protocol/errors.ts'
import { der, derUnsigned, tags } from './der.ts'
import { readPkcs8 } from './rsa-structure.ts'

export type KeyFileReason =
  'missing' | 'exists' | 'unreadable' | 'unwritable' | 'permissions' | 'passphrase_needed' | 'passphrase_wrong' | 'damaged' | 'wrong_key'

/** A key file that cannot be used; the message is for the person at the terminal and names the file. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError'
  readonly reason: KeyFileReason
  constructor(reason: KeyFileReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

export interface KeyFileOptions {
  readonly passphrase?: string | undefined
}

const MAX_FILE_BYTES = 65_536
/** The largest cost that OpenSSL reads back within its 32 MiB limit: about 0.3 s a guess (RFC 7914 §2). */
const SCRYPT = { N: 16_384, r: 8, p: 5 } as const
const AES_KEY_BYTES = 32

/** Reads a key file; answers PKCS#8 DER of an RSA-4096 key. Rejects with `KeyFileError`. */
export const readKeyFile = async (path: string, { passphrase }: KeyFileOptions = {}): Promise<Uint8Array> => {
  const pem = await readPrivately(path)
  const encrypted = pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----') || pem.includes('Proc-Type: 4,ENCRYPTED')
  if (encrypted && (passphrase === undefined || passphrase === '')) {
    throw new KeyFileError('passphrase_needed', `The key file ${path} is encrypted: give its passphrase.`)
  }
  const pkcs8 = parsed(path, pem, encrypted, passphrase).export({ type: 'pkcs8', format: 'der' })
  try {
    readPkcs8(pkcs8)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw new KeyFileError('wrong_key', `The key file ${path} holds another kind of key. ${error.message}`, { cause: error })
  }
  return new Uint8Array(pkcs8)
}

/**
 * Writes PKCS#8 DER as a new key file with mode 0600, whole or not at all, also through a crash.
 * With a passphrase it is encrypted with AES-256-CBC under scrypt (RFC 8018 §6.2, RFC 7914 §7). Rejects with `KeyFileError`.
 */
export const writeKeyFile = async (path: string, pkcs8: Uint8Array, { passphrase }: KeyFileOptions = {}): Promise<void> => {
  readPkcs8(pkcs8)
  const pem =
    passphrase === undefined || passphrase === ''
      ? toPem('PRIVATE KEY', pkcs8)
      : toPem('ENCRYPTED PRIVATE KEY', await encrypt(pkcs8, passphrase))
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    try {
      await writeWhole(draft, pem)
      // unlike a rename, a link never replaces what is there
      await link(draft, path)
    } finally {
      await rm(draft, { force: true })
    }
    await syncFolder(dirname(path))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw new KeyFileError('exists', `There is already a key file ${path}; it was left as it is.`, { cause: error })
    throw new KeyFileError('unwritable', `The key file ${path} cannot be written (${code ?? String(error)}).`, { cause: error })
  }
}

const readPrivately = async (path: string): Promise<string> => {
  const file = await opened(path)
  try {
    // on the open file, so that it cannot be swapped between the check and the reading
    const { mode, size } = await file.stat()
    const isFile = (mode & constants.S_IFMT) === constants.S_IFREG
    if (!isFile || size > MAX_FILE_BYTES) throw new KeyFileError('damaged', `${path} is not a key file.`)
    // Windows keeps permissions elsewhere and reports invented modes
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new KeyFileError('permissions', `Others on this machine can reach the key file ${path}: run chmod 600 ${path} and start again.`)
    }
    return await file.readFile('latin1')
  } finally {
    await file.close()
  }
}

const opened = async (path: string): Promise<FileHandle> => {
  try {
    // a pipe in its place must not hold the program up
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') throw new KeyFileError('missing', `There is no key file ${path}.`, { cause: error })
    throw new KeyFileError('unreadable', `The key file ${path} cannot be read (${code ?? String(error)}).`, { cause: error })
  }
}

const parsed = (path: string, pem: string, encrypted: boolean, passphrase: string | undefined): KeyObject => {
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(encrypted && passphrase !== undefined ? { passphrase } : {}) })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    // a wrong passphrase leaves wrong padding, or one time in 256 padding that is right by chance around noise
    if (encrypted && /BAD_DECRYPT|BAD_PASSWORD|CIPHER_OPERATION_FAILED/.test(code)) {
      throw new KeyFileError('passphrase_wrong', `The passphrase does not open the key file ${path}.`, { cause: error })
    }
    const guess = encrypted ? ', or the passphrase is wrong' : ''
    throw new KeyFileError(
      'damaged',
      `The key file ${path} is damaged${guess}: restore it from a copy, or move it away to begin with a new key.`,
      {
        cause: error,
      },
    )
  }
}

const writeWhole = async (path: string, text: string): Promise<void> => {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

const syncFolder = async (path: string): Promise<void> => {
  // Windows opens no folders, and its file system journals names by itself
  if (process.platform === 'win32') return
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const toPem = (label: string, bytes: Uint8Array): string => {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

const oid = (hex: string): Uint8Array => der(tags.oid, Buffer.from(hex, 'hex'))
const number = (value: number): Uint8Array => {
  const hex = value.toString(16)
  return derUnsigned(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'))
}

/** EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2: Node writes it with PBKDF2 only, which is cheaper to guess. */
const encrypt = async (pkcs8: Uint8Array, passphrase: string): Promise<Uint8Array> => {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = await scryptKey(passphrase, salt)
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const data = Buffer.concat([cipher.update(pkcs8), cipher.final()])
  const kdf = der(
    tags.sequence,
    oid('2b06010401da47040b'),
    der(tags.sequence, der(tags.octetString, salt), number(SCRYPT.N), number(SCRYPT.r), number(SCRYPT.p), number(AES_KEY_BYTES)),
  )
  const aes256cbc = der(tags.sequence, oid('60864801650304012a'), der(tags.octetString, iv))
  const pbes2 = der(tags.sequence, oid('2a864886f70d01050d'), der(tags.sequence, kdf, aes256cbc))
  return der(tags.sequence, pbes2, der(tags.octetString, data))
}

const scryptKey = async (passphrase: string, salt: Uint8Array): Promise<Buffer> =>
  promisify<string, Uint8Array, number, typeof SCRYPT, Buffer>(scrypt)(passphrase, salt, AES_KEY_BYTES, SCRYPT)
