/** The program `socp`: its commands, and what each end of them means to the shell. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { KeyFileError } from '../crypto/node-key-file.ts'
import { LogRefused, LogUnusable } from '../store/log.ts'
import { CommandFailure, exitCodes, type ExitCode } from './failure.ts'
import { withExamples } from './options.ts'
import { tell } from './output.ts'

type Add = (program: Command) => unknown

/**
 * Command → what adds it with its subcommands, in the order of the help. Each is read when it is wanted: a server's parts take longer to read than
 * many a command takes to run.
 */
const commands: Readonly<Record<string, () => Promise<Add>>> = {
  serve: async () => (await import('./serve.ts')).addServe,
  demo: async () => (await import('./demo.ts')).addDemo,
  chat: async () => (await import('./chat.ts')).addChat,
  keys: async () => (await import('./keys.ts')).addKeys,
  log: async () => {
    const [{ addLog }, { addLogAdmin }] = [await import('./log.ts'), await import('./log-admin.ts')]
    return program => {
      addLogAdmin(addLog(program))
    }
  },
  status: async () => (await import('./status.ts')).addStatus,
  peers: async () => (await import('./peers.ts')).addPeers,
  users: async () => (await import('./peers.ts')).addUsers,
  state: async () => (await import('./state.ts')).addState,
  replay: async () => (await import('./replay.ts')).addReplay,
  machine: async () => (await import('./machine.ts')).addMachine,
  simulate: async () => (await import('./simulate.ts')).addSimulate,
}

const version = (): string => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return version
}

/** The command line; nothing runs before it is parsed. With `only` one command, or all where there is none of that name. */
export const createProgram = async (only?: string): Promise<Command> => {
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
  const wanted = only !== undefined && Object.hasOwn(commands, only) ? [only] : Object.keys(commands)
  for (const name of wanted) (await commands[name]?.())?.(program)
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
    await (await createProgram(args[0])).parseAsync(args, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    return exitCodeOf(error)
  }
}
