/** Certificate and key of a server from the files that its configuration names; every mistake is a sentence. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { certifies, type TlsIdentity, tlsProblem, type TlsTrust } from '../ports/node/tls.ts'
import type { NodeConfig } from '../server/config.ts'
import { CommandFailure, exitCodes } from './failure.ts'

/** Largest file that is read: a chain of certificates has a few kilobytes. */
const MAX_BYTES = 1_048_576

const bad = (message: string, cause?: unknown): CommandFailure => new CommandFailure(message, exitCodes.data, { cause })

/** Throws a `CommandFailure` (78) unless it is there, small, and, where it is `secret`, its owner's alone. */
export const readPem = async (what: string, file: string, secret: boolean): Promise<string> => {
  let handle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw bad(`Cannot read the ${what} ${file}: ${code === 'ENOENT' ? 'there is no such file' : code}.`, error)
  }
  try {
    const { mode, size } = await handle.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_BYTES) throw bad(`The ${what} ${file} is not a PEM file.`)
    if (secret && process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw bad(`Others may read the ${what} ${file}: it is a secret. Say "chmod 600 ${file}".`)
    const text = await handle.readFile('utf8')
    if (!text.includes('-----BEGIN ')) throw bad(`The ${what} ${file} is not a PEM file.`)
    return text
  } finally {
    await handle.close()
  }
}

export interface TlsFiles {
  /** What the server shows; undefined when it speaks without TLS. */
  readonly identity: TlsIdentity | undefined
  /** What it asks of other servers. */
  readonly trust: TlsTrust
  /** Nothing that stops a server, but that its operator should know. */
  readonly warning: string | undefined
}

/** Reads what `tls` names, relative to the configuration file; `now` is Unix milliseconds. Throws a `CommandFailure` (78) when it cannot be used. */
export const readTls = async ({ tls, advertise }: NodeConfig, configFile: string | undefined, now: number): Promise<TlsFiles> => {
  const from = configFile === undefined ? '.' : dirname(configFile)
  const ca = tls?.ca === undefined ? undefined : await readPem('list of trusted certificates', resolve(from, tls.ca), false)
  const trust = { any: tls?.verify_peers !== true, ...(ca === undefined ? {} : { ca }) }
  if (tls?.cert === undefined || tls.key === undefined) return { identity: undefined, trust, warning: undefined }
  const [certFile, keyFile] = [resolve(from, tls.cert), resolve(from, tls.key)]
  const identity = { cert: await readPem('certificate', certFile, false), key: await readPem('key', keyFile, true) }
  const problem = tlsProblem(identity, now)
  if (problem !== undefined) throw bad(`TLS cannot be used with ${certFile} and ${keyFile}: ${problem}.`)
  const host = advertise
    ?.replace(/^wss?:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
  const fits = host === undefined || certifies(identity, host)
  return {
    identity,
    trust,
    warning: fits ? undefined : `the certificate ${certFile} does not name ${host}, so clients that check it will not connect`,
  }
}
