/** `socp serve`: runs a server until it is told to stop. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { stringify } from 'yaml'
import { RuntimeStopped } from '../actors/runtime.ts'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import { nodeClock } from '../ports/node/clock.ts'
import { controlSocket } from '../ports/node/control-socket.ts'
import { HttpError } from '../ports/http.ts'
import { nodeHttp } from '../ports/node/http.ts'
import { nodeNetwork } from '../ports/node/network.ts'
import { prometheus } from '../ports/node/prometheus.ts'
import { nodeRandom } from '../ports/node/random.ts'
import { NetworkError } from '../ports/network.ts'
import type { ServerId } from '../protocol/ids.ts'
import { logLevels } from '../server/config.ts'
import type { NodeEvent } from '../server/events.ts'
import { startNode } from '../server/start.ts'
import { readConfig, type ServeOptions } from './config-file.ts'
import { ensuredDirectory, filesIn, serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { readTls } from './tls-files.ts'
import { loadOrCreateIdentity } from './identity.ts'
import { createLogger } from './logger.ts'
import { openNodeLog, refuseEmptyLog, refuseLostLog } from './node-log.ts'
import { portNumber, withExamples } from './options.ts'
import { readPassphrase } from './passphrase.ts'
import { jsonLine, printLine, READER_GONE, shown, styled } from './output.ts'

/** In a checkout the program lies beside its sources; installed it is on the PATH. */
const program = import.meta.url.endsWith('.ts') ? 'bin/socp' : 'socp'

const listening: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there: give another port with --port, or 0 for a free one',
  EACCES: 'this user may not listen there: give a port above 1023 with --port',
  EADDRNOTAVAIL: 'this machine has no such address: give one of its own with --host',
}

/** Signals within this many milliseconds are one. */
const SAME_SIGNAL_MS = 1_000

/** What a newcomer is told of: where the server's data is, and how to start it again for others; nothing where they reach it already. */
interface Place {
  readonly data: string
  readonly introducer: string
  readonly open: string | undefined
}

/** What names this server, and what it is, among the options that it was started with. */
const sameServer = ({ data, port, bootstrap, config, passphraseFile, http }: ServeOptions): string =>
  Object.entries({
    data: data === serverDirectory() ? undefined : data,
    port,
    bootstrap,
    config,
    'passphrase-file': passphraseFile,
    http,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name} ${value ?? ''}`)
    .join('')

/** What a newcomer wants to know, once the server is up. */
const welcome = (event: Extract<NodeEvent, { event: 'ready' }>, { data, introducer, open }: Place): readonly string[] => [
  `${styled('bold', 'SOCP server')} ${event.server_id} listens on ${styled('green', event.url)}`,
  '',
  `  chat on it       ${program} chat --server ${event.url} --name YOUR-NAME`,
  `  join it          ${program} serve --data OTHER-DIR --port 0 --bootstrap ${introducer}`,
  ...(open === undefined
    ? []
    : [`  open it          ${program} serve${open} --host 0.0.0.0 --advertise YOUR-HOST:${new URL(event.url).port}`]),
  `  look into it     ${program} status --data ${data}`,
  ...(event.http === undefined ? [] : [`  watch it         ${event.http}/metrics`]),
  `  its data         ${data}`,
  `  stop it          Ctrl-C`,
  '',
]

const humanLines = (event: NodeEvent, place: Place): readonly string[] => {
  switch (event.event) {
    case 'ready':
      return welcome(event, place)
    case 'linked':
      return [`${styled('green', 'linked')}    ${shown(event.server_id)}`]
    case 'unlinked':
      return [`${styled('yellow', 'unlinked')}  ${shown(event.server_id)}: ${shown(event.why)}`]
    case 'degraded':
      return [`${styled('yellow', 'degraded')}  ${shown(event.why)}`]
    case 'recovered':
      return [`${styled('green', 'recovered')} ${shown(event.why)}`]
    case 'stopping':
      return ['stopping: saying goodbye']
  }
}

const reloadedLines = (changed: readonly string[], kept: readonly string[]): readonly string[] => [
  `${styled('green', 'reloaded')}  ${changed.length === 0 ? 'nothing is different' : changed.join(', ')}`,
  ...kept.map(
    name => `${styled('yellow', 'kept')}      ${name} cannot change while the server runs: it keeps its value until the next start`,
  ),
]

/** Whether this was started at a terminal that is not there any more. */
const terminalGone = (): boolean => {
  if (!process.stdout.isTTY) return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}

const serve = async (options: ServeOptions): Promise<void> => {
  let config = await readConfig(options)
  const clock = nodeClock()
  const tls = await readTls(config, options.config, clock.now())
  const data = await ensuredDirectory(options.data)
  const crypto = nodeCrypto()
  const random = nodeRandom()
  const passphrase = await readPassphrase(options.passphraseFile)
  const identity = await loadOrCreateIdentity(data, { crypto, random, passphrase })
  const write = createLogger(() => config.log_level, { events: options.json !== true })
  const introducerFile = join(data, 'introducer.yaml')
  refuseLostLog(filesIn(data).log, introducerFile)
  const log = await openNodeLog(filesIn(data).log, { crypto, random, clock }, why => {
    write('warn', 'the log has trouble', { why })
  })
  await refuseEmptyLog(log, introducerFile)
  const place = { data, introducer: introducerFile, open: config.advertise === undefined ? sameServer(options) : undefined }
  const tell = (event: NodeEvent): void => {
    if (event.event === 'ready') {
      const { advertised, pubkey } = event
      writeFileSync(introducerFile, stringify({ bootstrap_servers: [{ ...advertised, pubkey }] }))
    }
    if (options.json === true) void printLine(jsonLine(event))
    else for (const line of humanLines(event, place)) void printLine(line)
  }
  let end: (code: number) => void = () => {}
  const ended = new Promise<number>(resolve => {
    end = resolve
  })
  let askToStop: (signal: NodeJS.Signals) => void = () => {}
  const asked = new Promise<NodeJS.Signals>(resolve => {
    askToStop = resolve
  })
  let askedAt: number | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    // a terminal and npm may pass on the same Ctrl-C; whoever asks again later does not want to wait for goodbyes
    if (askedAt !== undefined && clock.monotonic() - askedAt > SAME_SIGNAL_MS) process.exit(exitCodes.failed)
    askedAt ??= clock.monotonic()
    askToStop(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.stdout.on(READER_GONE, () => {
    onSignal('SIGTERM')
  })
  // a bug somewhere must not take the users' server away: what counts is in the log, and effects are independent of each other
  process.on('unhandledRejection', error => {
    write('error', 'a bug: a rejection that nobody handles', { error: error instanceof Error ? error.stack : String(error) })
  })
  const network = nodeNetwork({ trust: tls.trust, ...(tls.identity === undefined ? {} : { tls: tls.identity }) })
  if (tls.warning !== undefined) write('warn', 'the certificate does not fit', { why: tls.warning })
  const node = await startNode({
    config,
    ports: { clock, random, crypto, network },
    log,
    control: controlSocket(filesIn(data).control),
    monitor: {
      http: nodeHttp({
        report: error => {
          write('error', 'a request about health or metrics failed', { error: String(error) })
        },
      }),
      expose: prometheus(),
    },
    identity: { id: identity.id as ServerId, privateKey: identity.privateKey },
    cores: availableParallelism(),
    write,
    tell,
    fatal: error => {
      write('error', 'the server stops', { why: error.message })
      end(exitCodes.failed)
    },
  }).catch(async (error: unknown) => {
    await log.close()
    if (error instanceof HttpError) throw new CommandFailure(error.message, exitCodes.data, { cause: error })
    // `fatal` has said why
    if (error instanceof RuntimeStopped) process.exit(await ended)
    if (error instanceof NetworkError)
      throw new CommandFailure(
        `Cannot listen on ${config.host}:${config.port}: ${listening[error.code] ?? error.message}.`,
        exitCodes.data,
        { cause: error },
      )
    throw error
  })

  let reloading: Promise<void> = Promise.resolve()
  const reload = async (): Promise<void> => {
    try {
      const wanted = await readConfig(options)
      const renewed = await readTls(wanted, options.config, clock.now())
      if ((renewed.identity === undefined) !== (tls.identity === undefined))
        write('warn', 'a setting cannot change while the server runs, it keeps its value until the next start', { setting: 'tls' })
      else if (renewed.identity !== undefined) network.renew(renewed.identity)
      if (renewed.warning !== undefined) write('warn', 'the certificate does not fit', { why: renewed.warning })
      const { changed, kept } = await node.reload(wanted)
      // what the node keeps is asked for again next time
      config = { ...config, log_level: wanted.log_level }
      if (options.json !== true) for (const line of reloadedLines(changed, kept)) void printLine(line)
    } catch (error) {
      // a mistake in a file must not end a server that runs
      write('error', 'the configuration was not taken, everything stays as it was', {
        why: error instanceof Error ? error.message : String(error),
      })
    }
  }
  process.on('SIGHUP', () => {
    // it is also how a terminal says that it is gone
    if (terminalGone()) onSignal('SIGHUP')
    else reloading = reloading.then(reload)
  })
  void asked
    .then(signal => node.stop(signal))
    .then(
      () => {
        end(exitCodes.done)
      },
      (error: unknown) => {
        write('error', 'the server did not stop in order', { error: String(error) })
        end(exitCodes.failed)
      },
    )
  process.exit(await ended)
}

/** Adds `socp serve`. */
export const addServe = (parent: Command): void => {
  const command = parent
    .command('serve')
    .description('run a server: without options on this machine only, as its own introducer')
    .option('--data <dir>', 'data directory: keys and event log', serverDirectory())
    .option('--host <host>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on, 0 for a free one (default: 9000)', portNumber)
    .option('--advertise <host:port>', 'how others reach this server; required when listening on a wildcard')
    .option('--bootstrap <file>', 'YAML list of introducers to join through: bootstrap_servers: [{host, port, pubkey}]')
    .option('--config <file>', 'YAML file with everything else, see docs/operations.md')
    .option('--passphrase-file <file>', 'passphrase of the key file, in its first line')
    .option('--http <port>', 'answer /healthz, /readyz and /metrics on 127.0.0.1:PORT, 0 for a free one (default: nowhere)', portNumber)
    .addOption(new Option('--log-level <level>', 'how much is logged (default: info)').choices(logLevels))
    .option('--json', 'print one JSON object a line: ready, linked, unlinked, degraded, recovered, stopping')
    .action(serve)
  withExamples(command, [
    ['socp serve', 'a server of your own on ws://127.0.0.1:9000'],
    ['socp serve --port 0 --data ./second --bootstrap introducer.yaml', 'a second one that joins the mesh of the first'],
    ['socp serve --host 0.0.0.0 --advertise chat.example:9000', 'one that others can reach'],
  ])
}
