/** `socp state`: what a node knows, by folding its log, whether it runs or not. */
import type { Command } from 'commander'
import type { SetAside } from '../actors/replay.ts'
import type { Fact } from '../domain/facts.ts'
import { foldFromBase } from '../server/recovery.ts'
import { viewOfNode, type NodeView } from '../server/replay.ts'
import type { ClaimPresence } from '../server/sureness.ts'
import { nodeUpcasters } from '../server/upcasters.ts'
import { openLogReader } from '../store/sqlite-reader.ts'
import { existingDirectory, filesIn, serverDirectory } from './data-directory.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled, tell } from './output.ts'

interface StateOptions {
  readonly data: string
  readonly json?: true
}

interface Folded {
  readonly view: NodeView
  readonly setAside: readonly SetAside[]
}

/** The same fold as at a start, so a stream that a start would set aside is set aside here. */
const foldOf = async (directory: string): Promise<Folded> => {
  const reader = openLogReader<Fact>(filesIn(directory).log, { upcasters: nodeUpcasters })
  try {
    const { fold, seq, failing } = await foldFromBase(reader)
    const decided = [...fold.state.aside].map(([stream, aside]) => ({ stream, ...aside }))
    return {
      view: viewOfNode(fold, seq),
      setAside: [...decided, ...failing.filter(({ stream }) => !fold.state.aside.has(stream))],
    }
  } finally {
    reader.close()
  }
}

/** A titled table for people; what others wrote is made safe here. */
export const section = (title: string, rows: readonly (readonly string[])[]): readonly string[] => {
  const cells = rows.map(row => row.map(shown))
  const widths = cells.reduce<number[]>((widest, row) => row.map((cell, column) => Math.max(widest[column] ?? 0, cell.length)), [])
  const lines = cells.map(row => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
  return ['', `${styled('bold', title)} (${rows.length})`, ...lines]
}

/** Keys are compared by people elsewhere (`socp keys show`): here their beginning tells them apart. */
export const shortKey = (pubkey: string): string => `…${pubkey.slice(-24)}`

/** Where somebody is, by each server that says so, and how sure that is where it is not confirmed. */
export const whereOf = (
  self: string | null | undefined,
  local: string | null | undefined,
  claims: readonly { readonly server_id: string; readonly presence: ClaimPresence }[],
): string =>
  claims
    .map(({ server_id: server, presence }) => {
      const place = server === self ? (local ?? 'here') : `at ${server}`
      return presence === 'online' || presence === 'away' ? place : `${place} (${presence})`
    })
    .join(', ')

const provenWord = (proven: boolean): string => (proven ? 'proven' : 'unproven')

const humanLines = ({ seq, server_id, epoch, running, directory, pins, bans, machines }: NodeView): readonly string[] => [
  `${styled('bold', 'server')} ${server_id ?? 'that has never started'}, epoch ${epoch}, ${running ? 'not stopped cleanly or still running' : 'stopped'}, at fact ${seq}`,
  ...section(
    'Users',
    directory.map(({ user_id, local, claims }) => [user_id, claims[0]?.name ?? '', whereOf(server_id, local, claims)]),
  ),
  ...section(
    'Pinned users',
    Object.entries(pins.users).map(([id, { pubkey, proven }]) => [id, provenWord(proven), shortKey(pubkey)]),
  ),
  ...section(
    'Pinned servers',
    Object.entries(pins.servers).map(([id, { host, port, vouched_by, proven, pubkey }]) => [
      id,
      `${host}:${port}`,
      `vouched for by ${vouched_by}`,
      provenWord(proven),
      shortKey(pubkey),
    ]),
  ),
  ...section(
    'Banned servers',
    Object.entries(bans).map(([id, { pubkey, why }]) => [id, why, pubkey === null ? '' : shortKey(pubkey)]),
  ),
  ...section(
    'Machines',
    Object.entries(machines).map(([address, { state }]) => [address, state]),
  ),
]

const show = async ({ data, json }: StateOptions): Promise<void> => {
  const { view, setAside } = await foldOf(await existingDirectory(data))
  for (const { stream, seq, why } of setAside) tell(`socp: ${shown(stream)} is set aside from fact ${seq} on: ${shown(why)}`)
  const lines = json === true ? [jsonLine({ ...view, set_aside: setAside.map(({ stream, seq }) => ({ stream, seq })) })] : humanLines(view)
  for (const line of lines) await printLine(line)
}

/** Adds `socp state`. */
export const addState = (program: Command): void => {
  const state = program
    .command('state')
    .description('show directory, pins and machines by folding the log, of a running or a stopped node')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--json', 'print one JSON object')
    .action(show)
  withExamples(state, [
    ['socp state', 'of the default server'],
    ['socp state --data ./node-1 --json | jq .machines', 'for a script: {"seq","server_id","epoch","directory","pins","machines"}'],
  ])
}
