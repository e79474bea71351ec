/** `socp chat`: a terminal client for people, and for scripts by lines in and JSON out. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { createClient, type Client } from '../client/client.ts'
import type { ClientEvent } from '../client/events.ts'
import type { ClientFact } from '../client/facts.ts'
import { nodeFileStore } from '../client/node-file-store.ts'
import { nameProblem } from '../client/sanitise.ts'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { nodeNetwork } from '../ports/node/network.ts'
import { nodeRandom } from '../ports/node/random.ts'
import type { UserId } from '../protocol/ids.ts'
import { openSqliteLog } from '../store/sqlite-log.ts'
import { readPem } from './tls-files.ts'
import { helpLines } from './chat-lines.ts'
import { createChatSession } from './chat-session.ts'
import { createChatTerminal, type ChatTerminal } from './chat-terminal.ts'
import { humanVoice, jsonVoice } from './chat-voice.ts'
import { chatDirectory, ensuredDirectory, filesIn } from './data-directory.ts'
import { CommandFailure, exitCodes, type ExitCode } from './failure.ts'
import { loadOrCreateIdentity } from './identity.ts'
import { withExamples } from './options.ts'
import { tell, READER_GONE } from './output.ts'
import { readPassphrase } from './passphrase.ts'
import { plural } from './tables.ts'

interface ChatOptions {
  readonly ca?: string
  readonly anyCertificate?: true
  readonly server: readonly string[]
  readonly name: string
  readonly data?: string
  readonly downloads?: string
  readonly passphraseFile?: string
  readonly json?: true
}

/** Milliseconds after which a person is told that nothing has answered yet. */
const patienceMs = 1_500
/** Milliseconds that a script's server has to answer, and that nothing may move in for when what was sent is to finish. */
const startMs = 10_000
const finishMs = 10_000

const usage = (message: string): CommandFailure => new CommandFailure(message, exitCodes.usage)

const serverUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['ws:', 'wss:'].includes(url.protocol) || url.host === '' || url.username !== '' || url.hash !== '')
    throw usage(`"${text}" is not a server's address: give --server ws://HOST:PORT, as the server printed it.`)
  // one server is one pin, however its address is typed
  return url.href.replace(/\/$/, '')
}

const once = (client: Client, event: ClientEvent['event']): Promise<void> =>
  new Promise(resolve => {
    const subscription = client.events$.subscribe(seen => {
      if (seen.event !== event) return
      subscription.unsubscribe()
      resolve()
    })
  })

const chat = async (options: ChatOptions): Promise<void> => {
  const [url = '', ...otherUrls] = options.server.map(serverUrl)
  const unusable = nameProblem(options.name)
  if (unusable !== undefined) throw usage(`${unusable} Give another one with --name.`)
  const passphrase = await readPassphrase(options.passphraseFile)
  const data = await ensuredDirectory(options.data ?? chatDirectory(options.name))
  const clock = nodeClock()
  const crypto = nodeCrypto()
  const random = nodeRandom()
  const identity = await loadOrCreateIdentity(data, { crypto, random, passphrase })
  const log = await openSqliteLog<ClientFact>({
    file: filesIn(data).log,
    sha256: bytes => crypto.sha256(bytes),
    randomBytes: length => random.bytes(length),
    endOfTick: run => {
      clock.endOfTick(run)
    },
  })
  const interactive = process.stdin.isTTY && process.stdout.isTTY && options.json !== true
  let terminal: ChatTerminal | undefined

  let end: (code: ExitCode) => void = () => {}
  const ended = new Promise<ExitCode>(resolve => {
    end = resolve
  })
  const trust = {
    any: options.anyCertificate === true,
    ...(options.ca === undefined ? {} : { ca: await readPem('list of trusted certificates', options.ca, false) }),
  }
  const client = await createClient({
    ports: { clock, crypto, random, network: nodeNetwork({ trust }) },
    identity: { userId: identity.id as UserId, privateKey: identity.privateKey },
    name: options.name,
    serverUrl: url,
    otherUrls,
    log,
    files: nodeFileStore(options.downloads ?? join(data, 'downloads')),
    fatal: error => {
      tell(`socp: ${error.message}`)
      end(exitCodes.failed)
    },
  })
  const voice = options.json === true ? jsonVoice() : humanVoice(client, () => terminal)
  client.events$.subscribe(event => {
    voice.event(event)
    // two scripts with one key would only throw each other out
    if (event.event === 'offline' && event.final === true && !interactive) end(exitCodes.failed)
  })

  const finish = async (): Promise<void> => {
    if (interactive && session.running > 0) voice.lines(['Finishing what you sent; Ctrl-C leaves at once.'])
    const finished = await session.finish(finishMs)
    if (!finished)
      tell(
        `socp: ${plural(session.running, 'line')} did not come to an end, and nothing moved for ${finishMs / 1_000} s. Messages that were sent are kept, and sent again at the next start; files are not.`,
      )
    end(finished && session.failed === 0 ? exitCodes.done : exitCodes.failed)
  }
  let finishing = false
  const quit = (): void => {
    if (finishing) {
      end(exitCodes.failed)
      return
    }
    finishing = true
    // the line that asked to quit is itself a command that is running
    clock.endOfTick(() => void finish())
  }
  const session = createChatSession({
    clock,
    client,
    quit,
    help: () => {
      voice.lines(helpLines())
    },
    problem: (code, detail, ref) => {
      voice.event({ event: 'error', code, detail, ...(ref !== undefined && { ref }) })
    },
    progress: voice.progress,
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      end(exitCodes.done)
    })
  process.stdout.once(READER_GONE, () => {
    end(exitCodes.done)
  })
  process.once('SIGHUP', () => {
    terminal?.hangUp()
    end(exitCodes.done)
  })

  const readScript = async (ready: Promise<void>): Promise<void> => {
    const started = await Promise.race([
      ready.then(() => true),
      new Promise<false>(resolve => {
        clock.after(startMs, () => {
          resolve(false)
        })
      }),
    ])
    if (!started) {
      tell(`socp: No server let us in within ${startMs / 1_000} s: nothing was sent.`)
      end(exitCodes.failed)
      return
    }
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
      if (finishing) break
      if (!session.line(line)) await session.room()
    }
    if (!finishing) quit()
  }

  if (interactive) {
    terminal = createChatTerminal({
      streams: { input: process.stdin, output: process.stdout },
      historyFile: join(data, 'history'),
      names: () => client.users().flatMap(user => ('found' in client.resolve(user.name) ? [user.name] : [user.user_id])),
      line: line => {
        if (!finishing) session.line(line)
      },
      ended: quit,
    })
    let told = false
    void Promise.race([once(client, 'ready'), once(client, 'error')]).then(() => {
      told = true
    })
    clock.after(patienceMs, () => {
      if (!told) voice.lines([`Connecting to ${url} …`])
    })
    client.connect()
  } else {
    const ready = once(client, 'ready')
    client.connect()
    readScript(ready).catch((error: unknown) => {
      tell(`socp: ${error instanceof Error ? error.message : String(error)}`)
      end(exitCodes.failed)
    })
  }

  const exitCode = await ended
  await client.close()
  await log.close()
  terminal?.close()
  process.exitCode = exitCode
  // standard input may still be open, and timers may still be armed
  process.stdin.destroy()
  // a terminal takes every write at once, and may be gone
  if (!interactive) await drained()
  process.exit(exitCode)
}

/** A pipe that somebody reads slowly still has our last lines in it. */
const drained = (): Promise<void> =>
  new Promise(resolve => {
    process.stdout.write('', () => {
      resolve()
    })
  })

const collected = (url: string, before: readonly string[] = []): readonly string[] => [...before, url]

/** Adds `socp chat`. */
export const addChat = (program: Command): void => {
  const command = program
    .command('chat')
    .description('chat through a server, end to end encrypted; without a terminal it reads commands from standard input')
    .requiredOption(
      '--server <url>',
      'address of the server: ws://HOST:PORT or wss://HOST:PORT; more of the same mesh may follow, for when it is gone',
      collected,
    )
    .requiredOption('--name <name>', 'what others call you')
    .option('--data <dir>', 'data directory: key, history, pins and log (default: one for each name)')
    .option('--downloads <dir>', 'where received files go (default: downloads in the data directory)')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the key')
    .option('--ca <file>', 'PEM certificates to trust beside those of the system, for wss://')
    .option('--any-certificate', 'take any certificate: the server still proves itself by its pinned key, but others may listen in between')
    .option('--json', 'print one JSON object a line')
    .action(chat)
  withExamples(command, [
    ['socp chat --server ws://127.0.0.1:9000 --name ann', 'chat; /help lists the commands'],
    ['echo "@1 /tell bob hello" | socp chat --server ws://127.0.0.1:9000 --name ann --json', 'from a script'],
  ])
}
