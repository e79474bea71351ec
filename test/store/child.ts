/** Starts test/store/appending-child.ts and hears what it says, line by line. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Said {
  readonly epoch?: number
  readonly acknowledged?: number
  readonly error?: string
  readonly refused?: string
  readonly again?: unknown
}

const script = fileURLToPath(new URL('appending-child.ts', import.meta.url))

/** @param limit blocks of 512 bytes that any one file may grow to: what is beyond fails as on a full disk */
export const startChild = (
  file: string,
  how: 'forever' | 'hold',
  limit?: number,
): { readonly child: ChildProcess; readonly lines: AsyncIterator<Said>; gone: Promise<unknown> } => {
  const args = [script, file, how]
  const child =
    limit === undefined
      ? spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      : spawn('sh', ['-c', `ulimit -f ${limit} && exec "$@"`, 'sh', process.execPath, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    gone,
    lines: {
      async next() {
        const line = await lines.next()
        return line.done ? { done: true, value: undefined } : { done: false, value: JSON.parse(line.value) as Said }
      },
    },
  }
}
