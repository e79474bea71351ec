/** Opens a node's log for looking back: what every command that reads it shares. */
import { FoldBroken } from '../actors/host.ts'
import type { Fact } from '../domain/facts.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { beginAtBase } from '../server/recovery.ts'
import { createNodeFold } from '../server/replay.ts'
import { OutOfReach, surviving, type Moment, type Past } from '../server/time-travel.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import type { LogReader } from '../store/log-reader.ts'
import { openLogReader } from '../store/sqlite-reader.ts'
import { existingDirectory, filesIn } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'

/** Throws for a time that has not come yet: nobody knows what will be. */
export const checkNotInFuture = (moment: Moment | undefined): void => {
  if (moment !== undefined && 'at' in moment && moment.at > nodeClock().now())
    throw new CommandFailure(`The time ${new Date(moment.at).toISOString()} lies in the future: give one that has been.`, exitCodes.usage)
}

/** Runs `work` with the log of a data directory, read-only; a moment that it does not hold is a sentence and wrong usage. */
export const withLog = async <T>(data: string, work: (reader: LogReader<Fact>) => Promise<T>): Promise<T> => {
  const reader = openLogReader<Fact>(filesIn(await existingDirectory(data)).log, { upcasters: nodeUpcasters })
  try {
    return await work(reader)
  } catch (error) {
    if (error instanceof OutOfReach) throw new CommandFailure(error.message, exitCodes.usage, { cause: error })
    if (error instanceof FoldBroken)
      throw new CommandFailure(`The log cannot be folded: ${error.message}. Put a backup in its place.`, exitCodes.data, { cause: error })
    throw error
  } finally {
    reader.close()
  }
}

/** The log as time travel wants it. Rejects with `LogUnusable` when its base is not the state of a node. */
export const pastOf = async (reader: LogReader<Fact>): Promise<Past> => {
  const { seq, state } = await beginAtBase(reader, createNodeFold())
  return {
    base: state && { seq, state },
    read: from => reader.read(from),
    head: () => reader.head(),
  }
}

/** Runs `work` with the past of a data directory; again where a fact turns out to break the fold. */
export const withPast = <T>(data: string, work: (past: Past, reader: LogReader<Fact>) => Promise<T>): Promise<T> =>
  withLog(data, async reader => surviving(await pastOf(reader), past => work(past, reader)))
