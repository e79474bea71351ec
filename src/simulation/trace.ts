/** The trace of a world: every fact, every frame out and in, every fault and what people see, a line each, in the order in which it happened. */
import type { ClientEvent } from '../client/events.ts'
import type { Fact } from '../domain/facts.ts'
import type { RecordedFact } from '../store/log.ts'
import { faultNames } from './faults/faults.ts'
import type { SimulationOptions } from './simulation.ts'
import type { Witness } from './witness.ts'

/** Raised when a line of before cannot be read any more. */
export const TRACE_VERSION = 1

/** The first line. */
export interface TraceHead {
  readonly trace: number
  readonly seed: number
  readonly servers: number
  readonly users: number
  readonly time_ms: number
  readonly faults: readonly string[]
}

/** The head of a run's trace. */
export const headOf = ({ seed, servers, users, timeMs, faults = faultNames }: SimulationOptions): string => {
  const head: TraceHead = { trace: TRACE_VERSION, seed, servers, users, time_ms: timeMs, faults }
  return JSON.stringify(head)
}

/** `at` is virtual milliseconds. A frame stands as the object that it is; what is none, as text. */
export type TraceLine = { readonly at: number } & (
  | { readonly fault: string; readonly what: string; readonly details: Readonly<Record<string, unknown>> }
  | { readonly node: string; readonly recorded: RecordedFact<Fact> }
  | { readonly node: string; readonly is: 'started' | 'died' }
  | { readonly from: string; readonly to: string; readonly is: 'out' | 'in'; readonly frame?: unknown; readonly text?: string }
  | { readonly user: string; readonly shown: ClientEvent }
  | { readonly user: string; readonly is: 'started' | 'died' }
)

/** Frames that our programs make are one line of JSON; nobody else's text may break the file. */
const isPlain = (text: string): boolean => text.startsWith('{"') && text.endsWith('}') && !/[\n\r]/.test(text)

/** @param write takes a line, without its end */
export const createTrace = (write: (line: string) => void, now: () => number): Witness => {
  const at = (): string => now().toFixed(3)
  const frame = (is: 'out' | 'in', from: string, to: string, text: string): void => {
    write(
      `{"at":${at()},"from":"${from}","to":"${to}","is":"${is}",${isPlain(text) ? `"frame":${text}` : `"text":${JSON.stringify(text)}`}}`,
    )
  }
  return {
    frameSent: (from, to, text) => {
      frame('out', from.name, to.name, text)
    },
    frameArrived: (from, to, text) => {
      frame('in', from.name, to.name, text)
    },
    recorded(server, facts) {
      for (const fact of facts) write(`{"at":${at()},"node":"${server.name}","recorded":${JSON.stringify(fact)}}`)
    },
    started: server => {
      write(`{"at":${at()},"node":"${server.name}","is":"started"}`)
    },
    died: server => {
      write(`{"at":${at()},"node":"${server.name}","is":"died"}`)
    },
    userStarted: user => {
      write(`{"at":${at()},"user":"${user.name}","is":"started"}`)
    },
    userDied: user => {
      write(`{"at":${at()},"user":"${user.name}","is":"died"}`)
    },
    showed: (user, event) => {
      write(`{"at":${at()},"user":"${user.name}","shown":${JSON.stringify(event)}}`)
    },
    fault: (name, what, details) => {
      write(`{"at":${at()},"fault":"${name}","what":"${what}","details":${JSON.stringify(details)}}`)
    },
  }
}
