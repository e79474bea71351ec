/** Where the words of `socp chat` go: JSON lines for a program, a terminal with a prompt, or plain lines. */
import { SingleBar } from 'cli-progress'
import type { Client } from '../client/client.ts'
import type { ClientEvent } from '../client/events.ts'
import type { UserId } from '../protocol/ids.ts'
import type { ChatTerminal } from './chat-terminal.ts'
import { onlineLine, wordsFor } from './chat-words.ts'
import { jsonLine, printLine, styled, tell } from './output.ts'

/** Where the client's words go: JSON lines, a terminal, or plain lines. */
export interface Voice {
  event(event: ClientEvent): void
  lines(lines: readonly string[]): void
  progress(path: string, done: { readonly sent: number; readonly size: number } | undefined): void
}

/** One JSON object a line on standard output. */
export const jsonVoice = (): Voice => ({
  event: event => void printLine(jsonLine(event)),
  // help is for people: it must not stand between lines that a program reads
  lines: lines => {
    lines.forEach(tell)
  },
  progress: () => {},
})

/** Words for people; `terminal` is undefined where nobody types. */
export const humanVoice = (client: Client, terminal: () => ChatTerminal | undefined): Voice => {
  let listed = false
  let bar: SingleBar | undefined
  const say = (lines: readonly string[], problem: boolean): void => {
    const shown = terminal()
    if (shown !== undefined) shown.print(lines)
    else if (problem) lines.forEach(tell)
    else for (const line of lines) void printLine(line)
  }
  return {
    event: event => {
      const { lines, problem } = wordsFor(event, id => client.nameOf(id as UserId), !listed)
      say(lines, problem)
      // who is here already is told by one line, not by one each
      if (event.event === 'ready')
        void client.listed().then(() => {
          listed = true
          // a script may be done before the list is here
          if (client.attached) say([styled('dim', onlineLine(client.users().filter(user => user.user_id !== event.user_id)))], false)
        })
    },
    lines: lines => {
      say(lines, false)
    },
    progress: (path, done) => {
      const shown = terminal()
      if (shown !== undefined) {
        shown.status(
          done === undefined ? '' : `${path.split(/[/\\]/).at(-1) ?? path} ${Math.floor((100 * done.sent) / Math.max(1, done.size))} %`,
        )
        return
      }
      if (!process.stderr.isTTY) return
      if (done === undefined) {
        bar?.stop()
        bar = undefined
        return
      }
      if (bar === undefined) {
        bar = new SingleBar({
          stream: process.stderr,
          format: '{bar} {percentage} % of {total} bytes',
          hideCursor: true,
          clearOnComplete: true,
        })
        bar.start(done.size, 0)
      }
      bar.update(done.sent)
    },
  }
}
