/** Runs `bin/socp` as a person would and answers how it ended. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { programEnvironment } from '../helpers/program-environment.ts'

export interface Ran {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** The Node that starts it, with its own arguments. */
  readonly node?: readonly string[]
  readonly program?: string
}

export const socpFile = fileURLToPath(new URL('../../bin/socp', import.meta.url))
/** Preloaded into a Node, makes it call itself an old one. */
export const oldNode = ['--require', fileURLToPath(new URL('./old-node.cjs', import.meta.url))]

export const runSocp = (
  args: readonly string[],
  { env = {}, node = [process.execPath], program = socpFile }: RunOptions = {},
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const [command, ...own] = node
    const child = spawn(command ?? '', [...own, program, ...args], {
      env: { ...programEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part))
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
