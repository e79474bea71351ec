/** Has a command that changes a log carried out: by the node that runs on it, else here, by the same functions. */
import { statSync } from 'node:fs'
import { createRuntime } from '../actors/runtime.ts'
import { signPayload } from '../crypto/transport-signature.ts'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { Fact } from '../domain/facts.ts'
import { ControlError } from '../ports/control.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { callControl } from '../ports/node/control-socket.ts'
import { nodeRandom } from '../ports/node/random.ts'
import { type Control, type ControlCommand, createControl } from '../server/control.ts'
import { recordSetAside, recoverNode } from '../server/recovery.ts'
import { createNodeFold } from '../server/replay.ts'
import { createUpkeep, UpkeepRefused } from '../server/upkeep.ts'
import { existingDirectory, filesIn } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { loadIdentity } from './identity.ts'
import { openNodeLog } from './node-log.ts'
import { tell } from './output.ts'
import { readPassphrase } from './passphrase.ts'

export interface NodeOptions {
  readonly data: string
  readonly passphraseFile?: string
}

/** Opens the log of a node that does not run, as its writer, and brings it to where a start would. */
const withStoppedNode = async <T>(
  directory: string,
  { passphraseFile }: NodeOptions,
  work: (control: Control) => Promise<T>,
): Promise<T> => {
  const ports = { crypto: nodeCrypto(), random: nodeRandom(), clock: nodeClock() }
  const { log: file } = filesIn(directory)
  const found = statSync(file, { throwIfNoEntry: false })
  // a writer would begin one there
  if (found?.size === 0) throw new CommandFailure(`The log ${file} is empty: nothing was ever recorded in it.`, exitCodes.data)
  if (found === undefined)
    throw new CommandFailure(`There is no log at ${file}: start a node there first, or give another directory with --data.`, exitCodes.data)
  const log = await openNodeLog(file, ports, why => {
    tell(`socp: ${why}`)
  })
  let broken: Error | undefined
  try {
    const fold = createNodeFold()
    const runtime = createRuntime<Fact>({
      log,
      host: fold.host,
      clock: ports.clock,
      // nobody is here whom anything could be sent to; the next start names what is due again
      perform: () => {},
      fatal: error => {
        broken = error
      },
      crashed: error => {
        throw error
      },
    })
    const recovered = await recoverNode({ log, fold, runtime, write: () => {} })
    recordSetAside(fold, runtime, recovered)
    const premises = {
      log,
      fold,
      runtime,
      clock: ports.clock,
      sha256: (bytes: Uint8Array) => ports.crypto.sha256(bytes),
      // the key is asked for only where something is signed
      sign: async (text: string) => {
        const { privateKey } = await loadIdentity(directory, { crypto: ports.crypto, passphrase: await readPassphrase(passphraseFile) })
        return await signPayload(ports.crypto, privateKey, text)
      },
      write: () => {},
      recovered,
    }
    const result = await work(createControl(premises, createUpkeep(premises)))
    await runtime.flushed()
    return result
  } catch (error) {
    throw broken ?? error
  } finally {
    await log.close()
  }
}

/** Commands that change nothing, and take no time. */
const LOOKS: ReadonlySet<ControlCommand> = new Set(['status', 'machines', 'peers.list', 'users.list', 'dead.list'])

/** Asks the node that runs; one that is stopped or stuck keeps nobody waiting without a word. */
const askRunning = (directory: string, name: ControlCommand, params: Readonly<Record<string, unknown>>): Promise<unknown> =>
  callControl(filesIn(directory).control, name, params, {
    silent: () => {
      const words = 'The server of this directory runs, and has not answered for 10 s: it is suspended, stuck, or very busy.'
      if (LOOKS.has(name)) return new ControlError('broken', `${words} Look at its process and its log.`)
      tell(`socp: ${words} Waiting for it; Ctrl-C ends the waiting, not what it was asked to do.`)
      return undefined
    },
  })

/** Throws a `CommandFailure` when the node refuses, or hangs up. */
const failed = (error: unknown): unknown =>
  error instanceof ControlError || error instanceof UpkeepRefused
    ? new CommandFailure(error.message, exitCodes.failed, { cause: error })
    : error

/** Has the node of a data directory carry out a command, whether it runs or not; answers the result. */
export const command = async (
  options: NodeOptions,
  name: ControlCommand,
  params: Readonly<Record<string, unknown>> = {},
): Promise<unknown> => {
  const directory = await existingDirectory(options.data)
  try {
    try {
      return await askRunning(directory, name, params)
    } catch (error) {
      if (!(error instanceof ControlError) || error.kind !== 'absent') throw error
      return await withStoppedNode(directory, options, control => control({ command: name, params }))
    }
  } catch (error) {
    throw failed(error)
  }
}

/** The same of a node that runs; undefined when none does. */
export const commandRunning = async (data: string, name: ControlCommand): Promise<unknown> => {
  try {
    return await askRunning(await existingDirectory(data), name, {})
  } catch (error) {
    if (error instanceof ControlError && error.kind === 'absent') return undefined
    throw failed(error)
  }
}
