/** A program of the faulty mesh as a real process that can be killed, stopped and continued by its pid. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Guardian } from '../helpers/guardian.ts'
import { programEnvironment } from '../helpers/program-environment.ts'

export interface Child<Word> {
  /** Nothing happens when it has ended. */
  send(word: Word): void
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP, and the end of it. */
  stop(): void
  proceed(): void
  readonly running: boolean
  readonly exited: Promise<void>
  /** What it wrote to standard error. */
  stderr(): string
}

/** @param order what it is to be, as JSON in its first argument */
export const startChild = <Word extends object>(program: string, order: object, guardian: Guardian): Child<Word> => {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(order)], {
    execArgv: [],
    env: programEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  let running = true
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-10_000)
  })
  const { pid } = child
  if (pid !== undefined) guardian.add(pid)
  // it may end while a word is on its way to it
  child.on('error', () => {})
  const exited = once(child, 'exit').then(() => {
    running = false
    if (pid !== undefined) guardian.remove(pid)
  })
  const signal = (name: NodeJS.Signals): void => {
    child.kill(name)
  }
  return {
    send(word) {
      if (running && child.connected) child.send(word, () => {})
    },
    async kill() {
      signal('SIGKILL')
      await exited
    },
    stop() {
      signal('SIGSTOP')
    },
    proceed() {
      signal('SIGCONT')
    },
    get running() {
      return running
    },
    exited,
    stderr: () => stderr,
  }
}
