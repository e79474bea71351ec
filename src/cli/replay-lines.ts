/** A state of the past, for people. */
import type { MachineView } from '../actors/contract.ts'
import type { PastState } from '../server/time-travel.ts'
import type { Models } from '../store/durable-log.ts'
import { jsonLine, shown, styled } from './output.ts'
import { section, shortKey, whereOf } from './state.ts'

type Row = Readonly<Record<string, unknown>>
const rowsOf = (part: Readonly<Record<string, unknown>>): readonly (readonly [key: string, row: Row])[] =>
  Object.entries(part).map(([key, value]) => [key, value as Row])

const text = (value: unknown): string => (typeof value === 'string' ? value : jsonLine(value ?? null))

/** One machine and all of its context. */
export const machineLines = (address: string, { state, context }: MachineView, seq: number): readonly string[] => [
  `${styled('bold', shown(address))} is ${styled('green', state)} after fact ${seq}`,
  ...Object.entries(context).map(([name, value]) => `  ${name.padEnd(14)}${shown(text(value))}`),
]

/** All of a node, in the order in which an operator looks. */
export const stateLines = (state: PastState): readonly string[] => [
  `${styled('bold', 'server')} ${state.server_id ?? 'that has never started'}, epoch ${state.epoch}, ${state.running ? 'running' : 'stopped'}, after fact ${state.seq}${state.at === 0 ? '' : ` (${new Date(state.at).toISOString()})`}`,
  ...section(
    'Machines',
    rowsOf(state.machines).map(([address, machine]) => [address, text(machine['state'])]),
  ),
  ...section(
    'Users',
    Object.entries(state.directory).map(([id, { local, claims }]) => [id, claims[0]?.name ?? '', whereOf(state.server_id, local, claims)]),
  ),
  ...section(
    'Pinned users',
    rowsOf(state.pins.users).map(([id, pin]) => [id, pin['proven'] === true ? 'proven' : 'unproven', shortKey(text(pin['pubkey']))]),
  ),
  ...section(
    'Pinned servers',
    rowsOf(state.pins.servers).map(([id, pin]) => [
      id,
      `${text(pin['host'])}:${text(pin['port'])}`,
      `vouched for by ${text(pin['vouched_by'])}`,
      pin['proven'] === true ? 'proven' : 'unproven',
      shortKey(text(pin['pubkey'])),
    ]),
  ),
  ...(Object.keys(state.bans).length === 0
    ? []
    : section(
        'Banned servers',
        rowsOf(state.bans).map(([id, ban]) => [id, text(ban['why']), ban['pubkey'] === null ? '' : shortKey(text(ban['pubkey']))]),
      )),
  ...(Object.keys(state.set_aside).length === 0
    ? []
    : section(
        'Set aside',
        rowsOf(state.set_aside).map(([stream, aside]) => [stream, `from fact ${text(aside['seq'])} on`, text(aside['why'])]),
      )),
  ...(state.failing.length === 0
    ? []
    : section(
        'Cannot be folded',
        state.failing.map(({ stream, seq, why }) => [stream, `from fact ${seq} on`, why]),
      )),
]

/** How many rows the read models had. */
export const modelLines = (models: Models): readonly string[] =>
  section(
    'Read models',
    Object.entries(models).map(([table, rows]) => [table, `${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`]),
  )
