/** What happened in one run: lines of JSON that all its processes append to one file, so that what was seen is there whoever is killed next. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'

/** [user_id, home, state] as a server's answer to `/list` has them. */
export type ListedPlace = readonly [user: string, home: string, state: string]

export type Happening =
  | {
      readonly what: 'begun'
      readonly seed: number
      readonly servers: readonly string[]
      readonly people: Readonly<Record<string, string>>
    }
  /** A process runs from now on, or does not, or stands still. `people` are the users who live in it. */
  | { readonly what: 'started' | 'killed' | 'stopped' | 'continued'; readonly process: string; readonly people: readonly string[] }
  | { readonly what: 'serving'; readonly server: string; readonly id: string; readonly port: number }
  /** `goesOn`: nobody has to wait for its end. */
  | { readonly what: 'fault'; readonly round: number; readonly kind: string; readonly details: unknown; readonly goesOn: boolean }
  /** Every path works and no process is stopped, from now on. */
  | { readonly what: 'healed'; readonly round: number; readonly kind: string }
  | {
      readonly what: 'recovered' | 'stuck'
      readonly round: number
      readonly kind: string
      readonly after: 'fault' | 'heal'
      readonly tookMs: number
      readonly waiting: readonly string[]
    }
  /** A person says something; `n` counts what they said. `probe` names what it finds out. */
  | { readonly what: 'saying'; readonly from: string; readonly to: string; readonly n: number; readonly probe?: string }
  /** Their program told them what became of it; `n` is unknown to a program that was started after it was said. */
  | {
      readonly what: 'told'
      readonly from: string
      readonly to: string
      readonly n?: number
      readonly id: string
      readonly status: string
      readonly why?: string
    }
  | {
      readonly what: 'shown'
      readonly to: string
      readonly from: string
      readonly n: number
      readonly text: string
      readonly id: string
      readonly verified: boolean
    }
  | { readonly what: 'attached' | 'offline'; readonly user: string; readonly at: string }
  | { readonly what: 'listed'; readonly server: string; readonly asked: number; readonly users: readonly ListedPlace[] }
  | { readonly what: 'note'; readonly who: string; readonly text: string; readonly more?: unknown }
  | { readonly what: 'ended' }

/** `ms` counts from a moment that is the same for all processes of this machine. */
export type Line = Happening & { readonly ms: number }

/** Milliseconds since this machine started: the same clock in every process, which nobody sets. */
export const machineMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

/** Writes are done when the call returns: a process that is killed right after has said it. */
export const historyWriter = (file: string): ((happening: Happening) => void) => {
  const out = openSync(file, 'a', 0o600)
  return happening => {
    writeSync(out, `${JSON.stringify({ ms: machineMs(), ...happening } satisfies Line)}\n`)
  }
}

export interface HistoryReader {
  /** All lines so far, in the order in which they were written. */
  readonly lines: readonly Line[]
  /** Takes what was written since; `hear` is told of each line. */
  read(): void
  close(): void
}

const PIECE = 1_048_576

export const historyReader = (file: string, hear: (line: Line) => void = () => {}): HistoryReader => {
  const input = openSync(file, 'a+', 0o600)
  const lines: Line[] = []
  const piece = Buffer.alloc(PIECE)
  let at = 0
  let rest = Buffer.alloc(0)
  return {
    lines,
    read() {
      for (;;) {
        const length = readSync(input, piece, 0, PIECE, at)
        if (length === 0) return
        at += length
        const whole = Buffer.concat([rest, piece.subarray(0, length)])
        const end = whole.lastIndexOf(0x0a) + 1
        rest = whole.subarray(end)
        for (const text of whole.toString('utf8', 0, end).split('\n')) {
          if (text === '') continue
          const line = JSON.parse(text) as Line
          lines.push(line)
          hear(line)
        }
      }
    },
    close() {
      closeSync(input)
    },
  }
}
