/** Files on this machine's disk: written under a temporary name, moved into the download folder without overwriting anything. */
import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { alternativeName, safeFileName } from './file-name.ts'
import { FileProblem, type FileStore, type IncomingFile, type OutgoingFile } from './file-store.ts'

const maxAlternatives = 9_999

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

/** System codes → the sentence that a person gets. */
const sentences: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file',
  EACCES: 'This file may not be read or written',
  EPERM: 'This file may not be read or written',
  EISDIR: 'This is a folder, not a file',
  ENOTDIR: 'A part of this path is not a folder',
  ENOSPC: 'The disk is full',
  EDQUOT: 'The disk quota is used up',
  EROFS: 'This disk is read-only',
  ENAMETOOLONG: 'This path is too long',
  ELOOP: 'This path is a symbolic link that may not be followed',
}

const problem = (path: string, error: unknown): FileProblem =>
  error instanceof FileProblem
    ? error
    : new FileProblem(`${sentences[codeOf(error)] ?? 'This file cannot be used'}: ${path}`, { cause: error })

/** Gives `temporary` the name `final` unless something has that name. */
const moveWithoutOverwriting = async (temporary: string, final: string): Promise<boolean> => {
  try {
    await link(temporary, final)
    await rm(temporary)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error))) throw error
  }
  // a file system without hard links: reserve the name, then replace the empty file that is ours
  try {
    await (await open(final, 'wx', 0o600)).close()
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
  await rename(temporary, final)
  return true
}

const incoming = (folder: string, temporary: string, handle: FileHandle): IncomingFile => ({
  append: async bytes => {
    try {
      let written = 0
      while (written < bytes.length) written += (await handle.write(bytes, written)).bytesWritten
    } catch (error) {
      throw problem(temporary, error)
    }
  },
  finish: async name => {
    try {
      await handle.sync()
      await handle.close()
      const safe = safeFileName(name)
      for (let attempt = 0; attempt <= maxAlternatives; attempt++) {
        const final = join(folder, alternativeName(safe, attempt))
        if (await moveWithoutOverwriting(temporary, final)) return final
      }
      throw new FileProblem(`There are too many files of this name already: ${join(folder, safe)}`)
    } catch (error) {
      throw problem(folder, error)
    }
  },
  discard: async () => {
    // closed already when it failed on its way to its last name
    await handle.close().catch(() => {})
    await rm(temporary, { force: true })
  },
})

/** `downloads` is made when the first file comes, readable for its owner only. */
export const nodeFileStore = (downloads: string): FileStore => {
  const folder = resolve(downloads)
  const temporaryName = (id: string): string => join(folder, `.socp-${id.replace(/[^0-9a-f-]/g, '')}.part`)
  return {
    create: async id => {
      const temporary = temporaryName(id)
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await rm(temporary, { force: true })
        return incoming(folder, temporary, await open(temporary, 'wx', 0o600))
      } catch (error) {
        throw problem(folder, error)
      }
    },
    sweep: async id => {
      await rm(temporaryName(id), { force: true })
    },
    open: async path => {
      let handle: FileHandle | undefined
      try {
        // a pipe would block for ever on opening without NONBLOCK
        handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
        const stat = await handle.stat()
        if (stat.isDirectory()) throw new FileProblem(`This is a folder, not a file: ${path}`)
        if (!stat.isFile()) throw new FileProblem(`This is not a regular file: ${path}`)
        return outgoing(handle, path, stat.size)
      } catch (error) {
        await handle?.close()
        throw problem(path, error)
      }
    },
  }
}

const outgoing = (handle: FileHandle, path: string, size: number): OutgoingFile => ({
  name: basename(path),
  size,
  read: async (offset, length) => {
    const buffer = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  },
  close: () => handle.close(),
})
