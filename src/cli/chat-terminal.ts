/** A line editor at the bottom of the terminal: history, completion, and incoming lines above it that never tear what is being typed. */
import { readFileSync, writeFileSync } from 'node:fs'
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline'
import { completionsOf } from './chat-lines.ts'

/** Lines that are kept between runs. */
const maxHistory = 500

export interface ChatTerminal {
  /** Shows lines above the one that is being typed. */
  print(lines: readonly string[]): void
  /** Shows something before the prompt, such as how far a file is; empty for nothing. */
  status(text: string): void
  close(): void
  /** The terminal was closed under us: keep the history, and touch nothing else. */
  hangUp(): void
}

/** The terminal itself. */
export interface ChatTerminalStreams {
  readonly input: NodeJS.ReadableStream & { setRawMode(on: boolean): unknown }
  readonly output: NodeJS.WritableStream
}

export interface ChatTerminalOptions {
  /** `process.stdin` and `process.stdout`. */
  readonly streams: ChatTerminalStreams
  /** Where the history is kept, readable for its owner only. */
  readonly historyFile: string
  /** Names and ids for completion. */
  readonly names: () => readonly string[]
  readonly line: (line: string) => void
  /** Ctrl-D, Ctrl-C. */
  readonly ended: () => void
}

/** The newest line first, as readline wants it; none when there is no such file yet. */
const readHistory = (file: string): string[] => {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .slice(-maxHistory)
      .reverse()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** readline resets the terminal when its input ends, and throws when that is because the terminal is gone. */
const surviveHangUp = (input: ChatTerminalStreams['input'], gone: () => void): void => {
  const setRawMode = input.setRawMode.bind(input)
  input.setRawMode = mode => {
    try {
      return setRawMode(mode)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EIO')) throw error
      gone()
      return input
    }
  }
}

export const createChatTerminal = (options: ChatTerminalOptions): ChatTerminal => {
  const { historyFile, streams } = options
  const { input, output } = streams
  let history = readHistory(historyFile)
  let gone = false
  surviveHangUp(input, () => {
    gone = true
  })
  const editor = createInterface({
    input,
    output,
    terminal: true,
    history,
    historySize: maxHistory,
    removeHistoryDuplicates: true,
    prompt: '> ',
    completer: (line: string) => completionsOf(line, options.names()) as [string[], string],
  })
  editor.on('history', lines => {
    history = lines
  })
  /** Goes up to where the prompt begins, which may have wrapped, and clears what is below. */
  const erase = (): void => {
    moveCursor(output, 0, -editor.getCursorPos().rows)
    cursorTo(output, 0)
    clearScreenDown(output)
  }
  let closed = false
  const close = (): void => {
    if (closed) return
    closed = true
    if (!gone) {
      erase()
      editor.close()
    }
    writeFileSync(
      historyFile,
      [...history]
        .reverse()
        .map(line => `${line}\n`)
        .join(''),
      { mode: 0o600 },
    )
  }
  editor.on('line', line => {
    options.line(line)
    if (!closed) editor.prompt()
  })
  editor.on('SIGINT', options.ended)
  editor.on('close', () => {
    if (!closed && !gone) output.write('\n')
    options.ended()
  })
  editor.prompt()

  /** Writes above what is being typed, which may have wrapped. */
  const above = (text: string, prompt = editor.getPrompt()): void => {
    erase()
    output.write(text)
    // it would go up by as many rows as its cursor was below the prompt when it last drew, over what was just written
    Object.assign(editor, { prevRows: 0 })
    editor.setPrompt(prompt)
    editor.prompt(true)
  }

  return {
    print: lines => {
      if (lines.length === 0 || gone) return
      if (closed) {
        output.write(lines.map(line => `${line}\n`).join(''))
        return
      }
      above(lines.map(line => `${line}\n`).join(''))
    },
    status: text => {
      if (closed) return
      above('', text === '' ? '> ' : `[${text}] > `)
    },
    close,
    hangUp: () => {
      gone = true
      close()
    },
  }
}
