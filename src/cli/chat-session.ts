/** Runs the lines that a person or a script types against a client, and knows at the end whether all of it went well. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '../client/client.ts'
import type { Clock } from '../ports/clock.ts'
import { parseLine, type ChatCommand, type ParsedLine } from './chat-lines.ts'

export interface ChatSession {
  /** Runs one line; answers whether it may take more now. */
  line(text: string): boolean
  /** Resolves when fewer commands are under way than may be. */
  room(): Promise<void>
  /** Resolves when every command that was given has ended: true, or false when nothing of them moved for `ms` milliseconds. */
  finish(ms: number): Promise<boolean>
  /** Commands that have not ended. */
  readonly running: number
  /** Commands that failed. */
  readonly failed: number
}

export interface ChatSessionOptions {
  readonly clock: Clock
  readonly client: Pick<Client, 'list' | 'tell' | 'all' | 'sendFile' | 'trust' | 'resume'>
  readonly help: () => void
  readonly quit: () => void
  /** A line that is no command, or a bug. */
  readonly problem: (code: string, detail: string, ref: string | undefined) => void
  /** How far a file is; undefined when it has ended. */
  readonly progress: (path: string, done: { readonly sent: number; readonly size: number } | undefined) => void
}

/** Commands that may be under way at once: a script that types faster waits. */
const maxRunning = 256

/** `~/notes` as a shell would read it; there is none between us and the person. */
const expanded = (path: string): string => (path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path)

export const createChatSession = ({ clock, client, help, quit, problem, progress }: ChatSessionOptions): ChatSession => {
  const running = new Set<Promise<void>>()
  let failed = 0
  /** When a command last ended, or a file last got on. */
  let movedAt = 0

  const handlers: Readonly<Record<ChatCommand, (values: readonly string[], ref: { readonly ref?: string }) => Promise<boolean> | boolean>> =
    {
      list: (_, ref) => client.list(ref),
      tell: ([name = '', text = ''], ref) => client.tell(name, text, ref),
      all: ([text = ''], ref) => client.all(text, ref),
      file: async ([name = '', path = ''], ref) => {
        const report = (sent: number, size: number): void => {
          movedAt = clock.monotonic()
          progress(path, { sent, size })
        }
        try {
          return await client.sendFile(name, expanded(path), { ...ref, progress: report })
        } finally {
          progress(path, undefined)
        }
      },
      trust: ([name], ref) => client.trust(name, ref),
      resume: (_, ref) => client.resume(ref),
      help: () => {
        help()
        return true
      },
      quit: () => {
        quit()
        return true
      },
    }

  const run = async ({ command, values, ref }: ParsedLine): Promise<void> => {
    try {
      if (!(await handlers[command](values, ref === undefined ? {} : { ref }))) failed += 1
    } catch (error) {
      failed += 1
      problem('INTERNAL', error instanceof Error ? error.message : String(error), ref)
    }
  }

  return {
    line: text => {
      const parsed = parseLine(text)
      if (parsed === undefined) return true
      if ('problem' in parsed) {
        failed += 1
        problem('USAGE', parsed.problem, parsed.ref)
        return true
      }
      const task = run(parsed).then(() => {
        running.delete(task)
        movedAt = clock.monotonic()
      })
      running.add(task)
      return running.size < maxRunning
    },
    room: async () => {
      while (running.size >= maxRunning) await Promise.race(running)
    },
    finish: async ms => {
      movedAt = clock.monotonic()
      for (let rest = ms; running.size > 0; rest = movedAt + ms - clock.monotonic()) {
        if (rest <= 0) return false
        let cancel = (): void => {}
        const waited = new Promise<void>(resolve => {
          cancel = clock.after(rest, resolve)
        })
        await Promise.race([Promise.all(running), waited])
        cancel()
      }
      return true
    },
    get running() {
      return running.size
    },
    get failed() {
      return failed
    },
  }
}
