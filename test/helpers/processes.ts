/** Starts `bin/socp` as real child processes, reads their JSON lines, and leaves none behind. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startGuardian } from './guardian.ts'
import { programEnvironment } from './program-environment.ts'
import { createInbox } from './stock-inbox.ts'
import type { Inbox, WaitOptions } from './stock-inbox.ts'
import type { StockKey } from './stock-crypto.ts'

const checkedOut = fileURLToPath(new URL('../../bin/socp', import.meta.url))

/** What `socp serve --json` prints. */
export interface ServeEvents {
  ready: { event: 'ready'; server_id: string; url: string; pubkey: string; epoch: number }
  linked: { event: 'linked'; server_id: string }
  unlinked: { event: 'unlinked'; server_id: string; why: string }
  degraded: { event: 'degraded'; why: string }
  stopping: { event: 'stopping' }
}
export interface ListedUser {
  user_id: string
  name: string
  server_id: string
  presence: string
}
/** What `socp chat --json` prints. */
export interface ChatEvents {
  ready: { event: 'ready'; user_id: string; name: string; server_id: string }
  presence: { event: 'presence'; user_id: string; name: string; state: string }
  sent: { event: 'sent'; id: string; ref?: string; to: string; status: 'sent' | 'waiting' | 'delivered' | 'failed'; why?: string }
  message: {
    event: 'message'
    id: string
    ts: number
    kind: 'direct' | 'public'
    from: string
    name: string
    text: string
    verified: boolean
  }
  file: { event: 'file'; id: string; from: string; name: string; path: string; size: number; sha256: string; verified: boolean }
  users: { event: 'users'; users: ListedUser[] }
  offline: { event: 'offline'; since: number }
  resumed: { event: 'resumed' }
  alarm: { event: 'alarm'; kind: string; user_id: string }
  error: { event: 'error'; code: string; detail: string; ref?: string }
}

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export interface JsonProcess<Events> {
  readonly pid: number
  readonly events: readonly Events[keyof Events][]
  /** What it wrote to standard error so far. */
  stderr(): string
  /** The next (or an earlier, from `since`) event of this name that matches. */
  waitFor<K extends keyof Events>(name: K, match?: (event: Events[K]) => boolean, options?: WaitOptions): Promise<Events[K]>
  /** How many events came; `since` of a later wait. */
  mark(): number
  readonly exited: Promise<Exit>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<Exit>
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<Exit>
}

export interface ServerProcess extends JsonProcess<ServeEvents> {
  readonly id: string
  readonly url: string
  readonly host: string
  readonly port: number
  readonly pubkey: string
  readonly epoch: number
  readonly data: string
}
export interface ChatProcess extends JsonProcess<ChatEvents> {
  readonly id: string
  readonly name: string
  readonly data: string
  /** Types one line. */
  say(line: string): void
  /** Ends the input, as Ctrl-D would. */
  endInput(): void
}

export interface BootstrapEntry {
  readonly host: string
  readonly port: number
  readonly pubkey: string
}
export interface ServeOptions {
  readonly data?: string
  readonly port?: number
  readonly bootstrap?: readonly BootstrapEntry[]
  readonly args?: readonly string[]
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>>
  /** A command that starts it in its own place, as `strace -D`. */
  readonly under?: readonly string[]
}

export interface Processes {
  /** A folder of this test that goes away with it. */
  readonly folder: string
  /** A folder of its own below `folder`. */
  place(name: string): string
  serve(options?: ServeOptions): Promise<ServerProcess>
  chat(options: { server: string; name: string; data?: string; args?: readonly string[] }): Promise<ChatProcess>
  /** Runs to the end; `input` is its standard input. */
  run(
    args: readonly string[],
    options?: { input?: string; timeoutMs?: number; cwd?: string },
  ): Promise<Exit & { stdout: string; stderr: string }>
}

const bootstrapYaml = (entries: readonly BootstrapEntry[]): string =>
  entries.length === 0
    ? 'bootstrap_servers: []\n'
    : `bootstrap_servers:\n${entries.map(e => `  - host: ${e.host}\n    port: ${String(e.port)}\n    pubkey: ${e.pubkey}\n`).join('')}`

/** Writes a standard bootstrap list (SOCP §8.1) and answers its path. */
export const writeBootstrap = (folder: string, entries: readonly BootstrapEntry[]): string => {
  const file = join(mkdtempSync(join(folder, 'list-')), 'bootstrap.yaml')
  writeFileSync(file, bootstrapYaml(entries))
  return file
}

/** Puts a ready key and id into a data directory, so that a process need not make a key, which takes seconds. */
export const writeIdentity = (data: string, id: string, key: StockKey): void => {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  writeFileSync(join(data, 'key.pem'), key.pem, { mode: 0o600 })
  writeFileSync(join(data, 'identity.json'), JSON.stringify({ id }), { mode: 0o600 })
}

const jsonProcess = <Events>(child: ChildProcess, label: string): JsonProcess<Events> => {
  type Event = Events[keyof Events]
  let stderr = ''
  const inbox: Inbox<Event> = createInbox(
    events =>
      `${label} printed ${String(events.length)} events, last:\n${events
        .slice(-12)
        .map(e => JSON.stringify(e).slice(0, 300))
        .join('\n')}\nstderr: ${stderr.slice(-2000)}`,
  )
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-100_000)
  })
  if (child.stdout === null) throw new Error('a process without standard output')
  createInterface({ input: child.stdout }).on('line', line => {
    try {
      inbox.push(JSON.parse(line) as Event)
    } catch {
      inbox.end(`${label} printed a line that is not JSON: ${line}`)
    }
  })
  const exited = new Promise<Exit>(resolve => {
    child.once('close', (code, signal) => {
      inbox.end(`${label} ended with ${String(code ?? signal)}`)
      // the wait that fails because of it may be elsewhere, on a socket
      if (code !== null && code !== 0) process.stderr.write(`${label} ended with ${String(code)}: ${stderr.slice(-3000)}\n`)
      resolve({ code, signal })
    })
  })
  const signalled = (signal: NodeJS.Signals) => (): Promise<Exit> => {
    child.kill(signal)
    return exited
  }
  return {
    pid: child.pid ?? 0,
    events: inbox.items,
    stderr: () => stderr,
    mark: () => inbox.items.length,
    waitFor: (name, match = () => true, options = {}) =>
      inbox.waitFor(
        (event): event is Events[typeof name] & Event =>
          (event as { event: unknown }).event === name && match(event as Events[typeof name]),
        {
          what: `${label}: ${String(name)}`,
          ...options,
        },
      ),
    exited,
    kill: signalled('SIGKILL'),
    stop: signalled('SIGTERM'),
  }
}

/** The processes of one test; they end with it. `program` is what is run: this checkout's, unless an installed one is given. */
export const processes = (t: Test, program = checkedOut): Processes => {
  const folder = mkdtempSync(join(tmpdir(), 'socp-test-'))
  const running = new Set<{ child: ChildProcess; gone: Promise<unknown> }>()
  const guardian = startGuardian(folder)
  let places = 0

  t.teardown(async () => {
    for (const { child } of running) child.kill('SIGKILL')
    await Promise.all([...running].map(({ gone }) => gone))
    rmSync(folder, { recursive: true, force: true })
  })

  const start = (
    args: readonly string[],
    { cwd = folder, env = {}, under = [] }: { cwd?: string | undefined } & Pick<ServeOptions, 'env' | 'under'> = {},
  ): ChildProcess => {
    const words = [...under, process.execPath, program]
    const child = spawn(words[0] ?? process.execPath, [...words.slice(1), ...args], {
      cwd,
      env: { ...programEnvironment(), ...env },
      stdio: 'pipe',
    })
    const { pid } = child
    const entry = { child, gone: once(child, 'close') }
    running.add(entry)
    if (pid !== undefined) guardian.add(pid)
    child.once('close', () => {
      running.delete(entry)
      if (pid !== undefined) guardian.remove(pid)
    })
    // writing to a process that has just ended is the test's business only when it waits for an answer
    child.stdin.on('error', () => undefined)
    return child
  }

  const place = (name: string): string => {
    places += 1
    const path = join(folder, `${name}-${String(places)}`)
    mkdirSync(path, { mode: 0o700 })
    return path
  }

  return {
    folder,
    place,
    serve: async ({ data = place('server'), port = 0, bootstrap, args = [], env = {}, under = [] } = {}) => {
      const list = bootstrap === undefined ? [] : ['--bootstrap', writeBootstrap(folder, bootstrap)]
      const child = start(['serve', '--json', '--data', data, '--port', String(port), ...list, ...args], { env, under })
      const inner = jsonProcess<ServeEvents>(child, 'serve')
      const { server_id: id, url, pubkey, epoch } = await inner.waitFor('ready', undefined, { timeoutMs: 30_000 })
      const { hostname: host, port: listening } = new URL(url)
      return { ...inner, id, url, host, port: Number(listening), pubkey, epoch, data }
    },
    chat: async ({ server, name, data = place('chat'), args = [] }) => {
      const child = start(['chat', '--json', '--server', server, '--name', name, '--data', data, ...args])
      const inner = jsonProcess<ChatEvents>(child, `chat ${name}`)
      const { user_id: id } = await inner.waitFor('ready', undefined, { timeoutMs: 30_000 })
      return { ...inner, id, name, data, say: line => void child.stdin?.write(`${line}\n`), endInput: () => void child.stdin?.end() }
    },
    run: async (args, { input = '', timeoutMs = 20_000, cwd } = {}) => {
      const child = start(args, { cwd })
      let stdout = ''
      let stderr = ''
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
      })
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      child.stdin?.end(input)
      const timer = setTimeout(() => {
        stderr += `\n(the test killed it after ${String(timeoutMs)} ms)`
        child.kill('SIGKILL')
      }, timeoutMs)
      const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
      clearTimeout(timer)
      return { code, signal, stdout, stderr }
    },
  }
}
