/** `socp machine`: the state machines of this program as diagrams, and where each of a node's is. */
import { InvalidArgumentError, type Command } from 'commander'
import type { AnyStateMachine } from 'xstate'
import { existsSync } from 'node:fs'
import type { MachineView } from '../actors/contract.ts'
import { bootstrapMachine } from '../machines/bootstrap.ts'
import { clientTransferMachine } from '../machines/client-transfer.ts'
import { linkMachine } from '../machines/link.ts'
import { sessionMachine } from '../machines/session.ts'
import { transferMachine } from '../machines/transfer.ts'
import { diagramOf, statesOf } from '../server/machine-diagram.ts'
import { createTraveller, travel } from '../server/time-travel.ts'
import { filesIn, serverDirectory } from './data-directory.ts'
import { liveMachines } from './machine-live.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled, tell } from './output.ts'
import { withPast } from './past.ts'

interface Described {
  readonly machine: AnyStateMachine
  readonly about: string
}

/** Every machine; the name is the kind of its addresses. */
const machines: Readonly<Record<string, Described>> = {
  link: { machine: linkMachine, about: 'the link of a server to another' },
  session: { machine: sessionMachine, about: 'a user at a server' },
  transfer: { machine: transferMachine, about: 'a file on its way through a server' },
  bootstrap: { machine: bootstrapMachine, about: 'how a server joins the mesh' },
  'client-transfer': { machine: clientTransferMachine, about: 'a file on its way into or out of a client' },
}

interface MachineOptions {
  readonly data: string
  readonly json?: true
}

interface Instances {
  readonly running: boolean
  readonly machines: readonly (readonly [address: string, view: MachineView])[]
}

/** The machines of a node: as it says itself while it runs, else as its log leaves them; undefined when there is no node. */
const instancesIn = async (data: string): Promise<Instances | undefined> => {
  if (!existsSync(filesIn(data).log)) return undefined
  const live = await liveMachines(data)
  if (live !== undefined) return { running: true, machines: live.map(({ address, state, context }) => [address, { state, context }]) }
  const left = await withPast(data, async past => {
    const traveller = createTraveller(past)
    await travel(past, traveller, undefined)
    return [...traveller.fold.host.machines()]
  })
  return { running: false, machines: left }
}

const kindOf = (address: string): string => address.split(':', 1)[0] ?? address

const ofKind = (instances: Instances | undefined, kind: string): Instances['machines'] =>
  (instances?.machines ?? []).filter(([address]) => kindOf(address) === kind).sort(([a], [b]) => (a < b ? -1 : 1))

const note = (instances: Instances | undefined): void => {
  if (instances?.running === false) tell('socp: no node runs there; the machines are as its log leaves them.')
}

const list = async ({ data, json }: MachineOptions): Promise<void> => {
  const instances = await instancesIn(data)
  note(instances)
  for (const [name, { machine, about }] of Object.entries(machines)) {
    const here = ofKind(instances, name)
    if (json === true) {
      const views = Object.fromEntries(here)
      await printLine(jsonLine({ name, about, states: statesOf(machine), running: instances?.running ?? false, instances: views }))
      continue
    }
    await printLine(`${styled('bold', name.padEnd(16))}${about}: ${statesOf(machine).join(', ')}`)
    for (const [address, { state }] of here) await printLine(`  ${styled('green', state.padEnd(12))}  ${shown(address)}`)
  }
}

const known = (text: string): string => {
  if (!Object.hasOwn(machines, kindOf(text)))
    throw new InvalidArgumentError(`There are ${Object.keys(machines).join(', ')}; or give the address of one, as link:ID.`)
  return text
}

/** Machines in each state. */
const populationOf = (views: Instances['machines']): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const [, { state }] of views) counts.set(state, (counts.get(state) ?? 0) + 1)
  return counts
}

const show = async (name: string, { data, json }: MachineOptions): Promise<void> => {
  const kind = kindOf(name)
  const described = machines[kind]
  if (described === undefined) return
  const instances = await instancesIn(data)
  note(instances)
  const here = ofKind(instances, kind).filter(([address]) => name === kind || address === name)
  if (name !== kind && here.length === 0) tell(`socp: there is no machine ${shown(name)} there.`)
  const mermaid = diagramOf(described.machine, populationOf(here))
  await printLine(
    json === true ? jsonLine({ name: kind, states: statesOf(described.machine), mermaid, instances: Object.fromEntries(here) }) : mermaid,
  )
}

/** Adds `socp machine`. */
export const addMachine = (program: Command): void => {
  const machine = withExamples(program.command('machine').description('look at the state machines that a node is made of'), [
    ['socp machine ls', 'all of them, and where each is'],
    ['socp machine show link', 'one as a Mermaid diagram'],
  ])
  const ls = machine
    .command('ls')
    .description('list the machines, their states, and where those of a node are')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--json', 'print one JSON object a line')
    .action(list)
  withExamples(ls, [
    ['socp machine ls', 'of the default server'],
    ['socp machine ls --data ./node-1 --json', 'for a script: {"name","about","states","running","instances"}'],
  ])
  const one = machine
    .command('show')
    .argument('<name>', 'kind of machine, or the address of one', known)
    .description('print a machine as a Mermaid state diagram, with the number of machines in each state')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--json', 'print one JSON object')
    .action(show)
  withExamples(one, [
    ['socp machine show session', 'paste it where Mermaid is drawn'],
    ['socp machine show link:3f1b8a52-94c4-4a3e-8d7b-0c6f0f5f9a11', 'with the state of that link'],
  ])
}
