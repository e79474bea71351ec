/** The program `socp`: its commands, and what each end of them means to the shell. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { KeyFileError } from '../crypto/node-key-file.ts'
import { LogRefused, LogUnusable } from '../store/log.ts'
import { CommandFailure, exitCodes, type ExitCode } from './failure.ts'
import { addDemo } from './demo.ts'
import { addKeys } from './keys.ts'
import { addLog } from './log.ts'
import { addMachine } from './machine.ts'
import { addReplay } from './replay.ts'
import { addLogAdmin } from './log-admin.ts'
import { addChat } from './chat.ts'
import { addPeers, addUsers } from './peers.ts'
import { addSimulate } from './simulate.ts'
import { addState } from './state.ts'
import { addStatus } from './status.ts'
import { addServe } from './serve.ts'
import { withExamples } from './options.ts'
import { tell } from './output.ts'

/** Each adds one command with its subcommands, in the order of the help. */
const commands: readonly ((program: Command) => void)[] = [
  addServe,
  addDemo,
  addChat,
  addKeys,
  program => {
    addLogAdmin(addLog(program))
  },
  addStatus,
  addPeers,
  addUsers,
  addState,
  addReplay,
  addMachine,
  addSimulate,
]

const version = (): string => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return version
}

/** The whole command line; nothing runs before it is parsed. */
export const createProgram = (): Command => {
  const program = new Command('socp')
    .description('A decentralised, end-to-end encrypted chat: server and terminal client for SOCP v1.3')
    .version(version())
    .exitOverride()
    .showHelpAfterError('Add --help to see how it is used.')
  withExamples(program, [
    ['socp serve', 'run a server that listens on this machine only'],
    ['socp chat --server ws://127.0.0.1:9000 --name ann', 'chat on it'],
    ['socp log ls', 'see what happened to it'],
  ])
  for (const add of commands) add(program)
  return program
}

/** The exit code of an error whose message is a sentence for the person; undefined for a bug. */
const codeOfFailure = (error: Error): ExitCode | undefined => {
  if (error instanceof CommandFailure) return error.exitCode
  if (error instanceof KeyFileError || error instanceof LogUnusable) return exitCodes.data
  if (error instanceof LogRefused) return exitCodes.failed
  return undefined
}

const exitCodeOf = (error: unknown): ExitCode => {
  if (error instanceof CommanderError) {
    // commander has told the person already; help and version that were asked for are no errors
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  }
  const exitCode = error instanceof Error ? codeOfFailure(error) : undefined
  if (exitCode === undefined) throw error
  tell(`socp: ${(error as Error).message}`)
  return exitCode
}

/** Runs the command line; answers the exit code. A rejection is a bug. */
export const runProgram = async (args: readonly string[]): Promise<ExitCode> => {
  try {
    await createProgram().parseAsync(args, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    return exitCodeOf(error)
  }
}
