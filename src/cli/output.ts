/** How commands speak: data on standard output, words for people on standard error, and a quiet end when nobody reads. */
import { once } from 'node:events'
import { styleText } from 'node:util'
import { cleanText } from '../client/sanitise.ts'
import { exitCodes } from './failure.ts'

type Style = Parameters<typeof styleText>[0]

/** JSON escapes the controls below U+0020; a terminal obeys these too. */
const TERMINAL_CONTROLS = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** One JSON object on one line, in ASCII where a terminal would take a character for a command. */
export const jsonLine = (value: unknown, replacer?: (key: string, value: unknown) => unknown): string =>
  JSON.stringify(value, replacer).replace(TERMINAL_CONTROLS, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Writes one line of data; resolves when the reader is ready for the next. */
export const printLine = async (line: string): Promise<void> => {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

/** Writes a line for the person, on standard error. What others wrote must come through `shown` first. */
export const tell = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

/** Text of others, safe for a terminal, on one line. */
export const shown = (text: string): string => cleanText(text).replace(/[\n\t]/g, ' ')

/** Colours on a terminal only, and not where `NO_COLOR` is set. */
export const styled = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout })

/** Columns of the terminal; undefined when the output goes elsewhere and nothing need be cut. */
export const terminalWidth = (): number | undefined => (process.stdout.isTTY ? process.stdout.columns : undefined)

const isBrokenPipe = (error: Error): boolean => 'code' in error && error.code === 'EPIPE'

/** Emitted on standard output when nobody reads it any more; a command that has something to put in order first listens to it. */
export const READER_GONE = 'readerGone'

/** A reader that went away (`socp log ls | head`) ends the command without a word. */
export const endWhenNobodyReads = (): void => {
  process.stdout.on('error', (error: Error) => {
    if (!isBrokenPipe(error)) throw error
    if (!process.stdout.emit(READER_GONE)) process.exit(exitCodes.done)
  })
  process.stderr.on('error', (error: Error) => {
    if (!isBrokenPipe(error)) throw error
  })
}
