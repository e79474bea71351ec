/** Opens the trace of a simulated world as the past of one of its servers. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Fact } from '../domain/facts.ts'
import { OutOfReach, surviving, type Past } from '../server/time-travel.ts'
import { TRACE_VERSION, type TraceHead, type TraceLine } from '../simulation/trace.ts'
import type { RecordedFact } from '../store/log.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { shown } from './output.ts'

interface Traced {
  readonly facts: readonly RecordedFact<Fact>[]
  /** Servers that recorded something. */
  readonly nodes: ReadonlySet<string>
}

const refuse = (file: string, why: string): never => {
  throw new CommandFailure(`The trace ${shown(file)} ${why}`, exitCodes.usage)
}

const parse = (file: string, line: string, number: number): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return refuse(file, `is not one of "socp simulate --trace": its line ${number} is no JSON.`)
  }
}

const checkHead = (file: string, head: unknown): void => {
  const { trace } = (head ?? {}) as Partial<TraceHead>
  if (typeof trace !== 'number') refuse(file, 'is not one of "socp simulate --trace": its first line names no version.')
  if (trace !== TRACE_VERSION)
    refuse(file, `is of version ${trace}, and this program reads version ${TRACE_VERSION}: run the seed in its first line again.`)
}

/** Reads what one server recorded. */
const readTrace = async (file: string, node: string): Promise<Traced> => {
  const facts: RecordedFact<Fact>[] = []
  const nodes = new Set<string>()
  let number = 0
  try {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      number += 1
      const parsed = parse(file, line, number)
      if (number === 1) checkHead(file, parsed)
      const { node: name, recorded } = parsed as Partial<Extract<TraceLine, { recorded: unknown }>>
      if (name === undefined || recorded === undefined) continue
      nodes.add(name)
      if (name === node) facts.push(recorded)
    }
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    refuse(file, `cannot be read: ${(error as Error).message}`)
  }
  if (number === 0) refuse(file, 'is empty.')
  return { facts, nodes }
}

/** Runs `work` with the past of a server of a traced world. */
export const withTrace = async <T>(file: string, node: string | undefined, work: (past: Past) => Promise<T>): Promise<T> => {
  const { facts, nodes } = await readTrace(file, node ?? '')
  const known = [...nodes].sort().join(', ')
  if (node === undefined) return refuse(file, `is of several servers: choose one with --node, of ${known}.`)
  if (!nodes.has(node)) refuse(file, `knows no server ${shown(node)}: there are ${known}.`)
  const past: Past = {
    // each in a turn of its own, as from a file
    read: async function* (from) {
      for (const fact of facts) if (fact.seq >= from) yield await Promise.resolve(fact)
    },
    head: () => facts.at(-1)?.seq ?? 0,
  }
  try {
    return await surviving(past, work)
  } catch (error) {
    if (error instanceof OutOfReach) throw new CommandFailure(error.message, exitCodes.usage, { cause: error })
    throw error
  }
}
