/** Where a node or a chat user keeps its data: one directory that only its owner can read. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { safeFileName } from '../client/file-name.ts'
import { CommandFailure, exitCodes } from './failure.ts'

/** A relative `XDG_DATA_HOME` is to be ignored (XDG Base Directory Specification). */
const dataHome = (): string => {
  const named = process.env['XDG_DATA_HOME']
  return named !== undefined && isAbsolute(named) ? named : join(homedir(), '.local', 'share')
}

/** The default directory of a server. */
export const serverDirectory = (): string => join(dataHome(), 'socp', 'server')

/** The default directory of a chat user. Names that a file system could take for one another get directories of their own. */
export const chatDirectory = (name: string): string => {
  const safe = safeFileName(name)
  const exact = safe === name && name === name.toLowerCase()
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return join(dataHome(), 'socp', 'chat', exact ? safe : `${safe}-${digest}`)
}

const sentences: Readonly<Record<string, string>> = {
  EACCES: 'this user may not use it: change its rights, or give another directory with --data',
  EPERM: 'this user may not use it: change its rights, or give another directory with --data',
  EEXIST: 'it is a file: give a directory with --data',
  ENOTDIR: 'it is a file, or a part of its path is: give a directory with --data',
  ENOSPC: 'the disk is full: free some space, then start again',
  EROFS: 'its file system is read-only: give a directory elsewhere with --data',
  ENOENT: 'there is none: give one that exists with --data, or start a server there first',
}

const unusable = (directory: string, cause: unknown): CommandFailure => {
  const code = (cause as NodeJS.ErrnoException).code ?? ''
  return new CommandFailure(`Cannot use the data directory ${directory}: ${sentences[code] ?? (cause as Error).message}.`, exitCodes.data, {
    cause,
  })
}

/** Throws a `CommandFailure` unless the directory is there and may be read. */
export const existingDirectory = async (given: string): Promise<string> => {
  const directory = resolve(given)
  try {
    if (!(await stat(directory)).isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' })
    await access(directory, constants.R_OK | constants.X_OK)
  } catch (cause) {
    throw unusable(directory, cause)
  }
  return directory
}

/** Makes the directory where it is missing, for its owner only; throws a `CommandFailure` unless it may be written. */
export const ensuredDirectory = async (given: string): Promise<string> => {
  const directory = resolve(given)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw unusable(directory, cause)
  }
  return directory
}

/** The files in a data directory. */
export const filesIn = (
  directory: string,
): { readonly key: string; readonly identity: string; readonly log: string; readonly control: string } => ({
  key: join(directory, 'key.pem'),
  identity: join(directory, 'identity.json'),
  log: join(directory, 'log.db'),
  control: join(directory, 'control.sock'),
})
