/** Reads the passphrase of a key file from a file, so that it stands neither in a command line nor in the environment. */
import { readFile } from 'node:fs/promises'
import { CommandFailure, exitCodes } from './failure.ts'

const MAX_BYTES = 1_024

/** The first line of the file; undefined when no file is given. */
export const readPassphrase = async (file: string | undefined): Promise<string | undefined> => {
  if (file === undefined) return undefined
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new CommandFailure(
      `The passphrase file ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)}).`,
      exitCodes.data,
      { cause },
    )
  }
  const line = text.split(/\r?\n/, 1)[0] ?? ''
  if (line === '' || Buffer.byteLength(line) > MAX_BYTES)
    throw new CommandFailure(
      `The passphrase file ${file} is to hold the passphrase in its first line, of 1 to ${MAX_BYTES} bytes.`,
      exitCodes.data,
    )
  return line
}
