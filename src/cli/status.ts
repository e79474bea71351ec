/** `socp status`: how a running server is, as it says itself. */
import type { Command } from 'commander'
import type { Numbers } from '../server/vitals.ts'
import type { LinkStatus, Status } from '../server/status.ts'
import { serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { commandRunning } from './node-control.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled } from './output.ts'
import { addressOf, duration, plural, size, tableLines } from './tables.ts'

interface StatusOptions {
  readonly data: string
  readonly json?: true
}

const stateStyles: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = { ready: 'green', stopping: 'yellow' }

const linkRow = (now: number, { server_id, state, host, port, tls, since, redial_at, failures, heard_ms, proven }: LinkStatus) => [
  server_id,
  state,
  host === null || port === null ? '' : addressOf({ host, port, tls }),
  since === null ? '' : duration(now - since),
  heard_ms === null ? '' : `${duration(heard_ms)} ago`,
  [
    ...(proven ? [] : ['unproven']),
    ...(failures > 0 ? [plural(failures, 'failure')] : []),
    ...(redial_at === null || state !== 'resting' ? [] : [`dialled in ${duration(Math.max(0, redial_at - now))}`]),
  ].join(', '),
]

/** Queues that hold something, each with its length. */
const queues = (gauges: Numbers): readonly string[] =>
  Object.entries(gauges)
    .filter(([name, value]) => value > 0 && /^(?:signing_queue|mailbox|outgoing|append_queue)/.test(name))
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`)

const lines = (status: Status): readonly string[] => {
  const now = status.started_at + status.uptime_ms
  const { links, users, log, gauges } = status
  const linked = links.filter(({ state }) => state === 'linked').length
  const busy = queues(gauges)
  return [
    `${styled('bold', 'server')}   ${status.server_id} is ${styled(stateStyles[status.state] ?? 'red', status.state)}`,
    `reached  ${addressOf(status.advertised)}`,
    `up       ${duration(status.uptime_ms)}, epoch ${status.epoch}`,
    `users    ${users.online} online, ${users.here} of them here${users.detached > 0 ? `, ${users.detached} away` : ''}`,
    `log      ${log.facts} facts${log.bytes === null ? '' : `, ${size(log.bytes)}`}`,
    `loop     ${Math.round(gauges['loop_lag'] ?? 0)} ms late at worst in the last 15 s`,
    `queues   ${busy.length === 0 ? 'empty' : busy.join(', ')}`,
    ...(status.refusing.length === 0
      ? []
      : [styled('yellow', `degraded: more work than this machine can sign; refused: ${status.refusing.join(', ')}`)]),
    ...status.set_aside.map(({ stream, seq, why }) =>
      styled('yellow', `degraded: ${shown(stream)} is set aside from fact ${seq} on: ${shown(why)}`),
    ),
    `links    ${linked} of ${links.length}`,
    ...(links.length === 0
      ? []
      : [
          '',
          ...tableLines(
            ['SERVER', 'STATE', 'ADDRESS', 'SINCE', 'HEARD', ''],
            links.map(link => linkRow(now, link)),
          ),
        ]),
  ]
}

const show = async ({ data, json }: StatusOptions): Promise<void> => {
  const status = (await commandRunning(data, 'status')) as Status | undefined
  if (status === undefined)
    throw new CommandFailure(
      `No server runs on ${data}: start it with "socp serve", or give another directory with --data.`,
      exitCodes.failed,
    )
  for (const line of json === true ? [jsonLine(status)] : lines(status)) await printLine(line)
}

/** Adds `socp status`. */
export const addStatus = (program: Command): void => {
  const status = program
    .command('status')
    .description('how a running server is: links, users, queues, log, and what is wrong')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--json', 'print one JSON object')
    .action(show)
  withExamples(status, [
    ['socp status', 'of the default server'],
    ['socp status --data ./node-1 --json | jq .links', 'for a script: {"server_id","state","uptime_ms","links","users","log",…}'],
  ])
}
