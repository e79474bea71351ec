/** `socp replay`: the state of a node at any moment of its log, what changed, why, and what would have been. */
import { Option, type Command } from 'commander'
import type { Fact } from '../domain/facts.ts'
import { readModels } from '../server/read-models.ts'
import { because } from '../server/time-travel-why.ts'
import { differencesBetween, without } from '../server/time-travel-changes.ts'
import { createTraveller, OutOfReach, stateOf, travel, type Moment, type Past, type Traveller } from '../server/time-travel.ts'
import type { LogReader } from '../store/log-reader.ts'
import { changeLines, pieceLines, supposed } from './change-lines.ts'
import { serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { heading, humanLine, rowOf } from './log-rows.ts'
import { moment, sequenceNumber, span, withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled, terminalWidth } from './output.ts'
import { checkNotInFuture, withPast } from './past.ts'
import { machineLines, modelLines, stateLines } from './replay-lines.ts'
import { stepThrough } from './replay-step.ts'
import { writeTest } from './replay-test.ts'
import { withTrace } from './trace-past.ts'

interface ReplayOptions {
  readonly data: string
  readonly trace?: string
  readonly node?: string
  readonly until?: Moment
  readonly from?: number
  readonly machine?: string
  readonly step?: true
  readonly diff?: ReturnType<typeof span>
  readonly why?: string
  readonly without?: number
  readonly asTest?: string
  readonly redact?: true
  readonly json?: true
}

type Mode = (past: Past, options: ReplayOptions, reader?: LogReader<Fact>) => Promise<void>

const print = async (lines: readonly string[]): Promise<void> => {
  for (const line of lines) await printLine(line)
}

/** State and context of one machine. Throws `OutOfReach` with what there is instead. */
const oneMachine = ({ fold, seq }: Traveller, address: string) => {
  const view = [...fold.host.machines()].find(([there]) => there === address)?.[1]
  if (view !== undefined) return view
  const like = [...fold.host.machines()].map(([there]) => there).filter(there => there.split(':')[0] === address.split(':')[0])
  const others =
    like.length === 0
      ? '"socp replay" lists those that there are'
      : `there is ${like.slice(0, 3).join(', ')}${like.length > 3 ? ', …' : ''}`
  throw new OutOfReach(`There is no machine ${shown(address)} after fact ${seq}: ${shown(others)}.`)
}

const showState: Mode = async (past, { until, machine, json }, reader) => {
  const traveller = createTraveller(past)
  await travel(past, traveller, until)
  const { seq, at } = traveller
  if (machine !== undefined) {
    const view = oneMachine(traveller, machine)
    await print(json === true ? [jsonLine({ seq, at, machines: { [machine]: view } })] : machineLines(machine, view, seq))
    return
  }
  // a trace has none
  const models = await reader?.models(readModels, seq)
  await print(
    json === true
      ? [jsonLine({ ...stateOf(traveller), ...(models && { read_models: models }) })]
      : [...stateLines(stateOf(traveller)), ...(models ? modelLines(models) : [])],
  )
}

const showDifferences: Mode = async (past, { diff, machine, json }) => {
  if (diff === undefined) return
  checkNotInFuture(diff.from)
  checkNotInFuture(diff.to)
  const found = await differencesBetween(past, diff.from, diff.to)
  const changes = found.changes.filter(({ part, key }) => machine === undefined || (part === 'machines' && key === machine))
  const named = new Set(changes.flatMap(({ facts }) => facts))
  const facts = found.facts.filter(({ seq }) => named.has(seq))
  if (json === true) {
    await print([jsonLine({ from: found.from, to: found.to, changes, facts: facts.map(rowOf) })])
    return
  }
  await print([
    styled(
      'bold',
      `between fact ${found.from.seq} and fact ${found.to.seq}: ${changes.length} ${changes.length === 1 ? 'change' : 'changes'}`,
    ),
    ...changes.flatMap(change => [
      ...changeLines(change),
      `    by ${change.facts.length === 1 ? 'fact' : 'facts'} ${shortList(change.facts)}`,
    ]),
    ...(facts.length > 0 ? ['', heading(), ...facts.map(fact => humanLine(fact, terminalWidth()))] : []),
  ])
}

const shortList = (numbers: readonly number[]): string =>
  numbers.length > 12 ? `${numbers.slice(0, 11).join(', ')} and ${numbers.length - 11} more` : numbers.join(', ')

const showWhy: Mode = async (past, { why: subject = '', until, json }) => {
  const found = await because(past, subject, until)
  if (found === undefined)
    throw new OutOfReach(
      `No fact up to then had to do with ${shown(subject)}: give an address such as link:ID, or the id of a user or server, as "socp replay" prints them.`,
    )
  const { seq, at, present, facts } = found
  if (json === true) {
    await print([jsonLine({ seq, at, subject, present, facts: facts.map(({ recorded, changes }) => ({ ...rowOf(recorded), changes })) })])
    return
  }
  await print([
    styled('bold', `${shown(subject)} after fact ${seq}`),
    ...present.flatMap(pieceLines),
    '',
    styled('bold', `because of ${facts.length === 1 ? 'this fact' : `these ${facts.length} facts`}`),
    ...facts.flatMap(({ recorded, changes }) => [humanLine(recorded, terminalWidth()), ...changes.flatMap(change => changeLines(change))]),
  ])
}

const showWithout: Mode = async (past, { without: removed = 0, until, machine, json }) => {
  const found = await without(past, removed, until)
  const changes = found.changes.filter(({ part, key }) => machine === undefined || (part === 'machines' && key === machine))
  if (json === true) {
    await print([jsonLine({ ...stateOf(found.other), without: removed, changes })])
    return
  }
  await print([
    styled(
      'bold',
      `without fact ${removed}, after fact ${found.real.seq}: ${changes.length === 0 ? 'nothing would be another' : `${changes.length} would be another`}`,
    ),
    humanLine(found.removed, terminalWidth()),
    ...changes.flatMap(change => changeLines(change, supposed)),
  ])
}

/** The option that chooses a mode → what it does; without any the state is shown. */
const modes: readonly (readonly [name: keyof ReplayOptions, run: Mode])[] = [
  ['step', stepThrough],
  ['diff', showDifferences],
  ['why', showWhy],
  ['without', showWithout],
  ['asTest', writeTest],
]

const replay = (options: ReplayOptions): Promise<void> => {
  checkNotInFuture(options.until)
  const chosen = modes.filter(([name]) => options[name] !== undefined)
  if (chosen.length > 1) {
    const names = chosen.map(([name]) => `--${name === 'asTest' ? 'as-test' : name}`).join(' and ')
    throw new CommandFailure(`The options ${names} ask for different things: give one of them.`, exitCodes.usage)
  }
  const run = chosen[0]?.[1] ?? showState
  if (options.trace !== undefined) return withTrace(options.trace, options.node, past => run(past, options))
  if (options.node !== undefined)
    throw new CommandFailure('The option --node chooses a server of a trace: give --trace too.', exitCodes.usage)
  return withPast(options.data, (past, reader) => run(past, options, reader))
}

/** Adds `socp replay`. */
export const addReplay = (program: Command): void => {
  const command = program
    .command('replay')
    .description('fold the log of a running or a stopped node up to any moment, and ask why; changes nothing')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--trace <file>', 'instead: a world of "socp simulate --trace"')
    .option('--node <name>', 'with --trace: the server, as s1')
    .option('--until <seq|time>', 'stop after this fact or time, as 42 or 2026-05-01T12:00:00Z', moment)
    .option('--machine <address>', 'only this machine, as link:ID, session:ID or bootstrap')
    .option('--step', 'walk fact by fact, forwards and backwards')
    .option('--diff <a..b>', 'what is different between two moments, and which facts did it', span)
    .option('--why <address|id>', 'the facts behind the present state of a machine, user or server')
    .option('--without <seq>', 'what would have been without this fact', sequenceNumber)
    .option('--as-test <file>', 'write a test that folds these facts and checks the state that they lead to')
    .addOption(new Option('--from <seq>', 'with --as-test: begin with the state before this fact').argParser(sequenceNumber))
    .option('--redact', 'with --as-test: replace ids, keys, names, addresses and texts of others by stand-ins')
    .option('--json', 'print JSON')
    .action(replay)
  withExamples(command, [
    ['socp replay --until 42 --json', 'for a script: {"seq","machines":{ADDR:{"state","context"}},"directory":{…},…}'],
    ['socp replay --until 2026-05-01T12:00:00Z', 'how it was at noon'],
    ['socp replay --step', 'walk through it; n and p go on and back, ? helps'],
    ['socp replay --diff 100..120', 'what those facts changed'],
    ['socp replay --why session:0d9c4d7e-6e0f-4a55-9a55-5f1d2a9b7c10', 'why a session is as it is'],
    ['socp replay --trace 7.jsonl --node s2 --step', 'walk through what a simulated server recorded'],
    ['socp replay --until 42 --as-test link.test.ts --redact', 'a bug report that runs'],
  ])
}
