/** `socp log show`: one fact, what it changed, and the effects that machines named because of it. */
import { InvalidArgumentError, type Command } from 'commander'
import { createWalk } from '../server/time-travel-walk.ts'
import { OutOfReach } from '../server/time-travel.ts'
import { changeLines, effectLines } from './change-lines.ts'
import { serverDirectory } from './data-directory.ts'
import { rowOf } from './log-rows.ts'
import { sequenceNumber, withExamples } from './options.ts'
import { jsonLine, printLine, shown, styled } from './output.ts'
import { withPast } from './past.ts'

interface ShowOptions {
  readonly data: string
  readonly json?: true
}

const factNumber = (text: string): number => {
  const seq = sequenceNumber(text)
  if (seq === 0) throw new InvalidArgumentError('Facts are counted from 1.')
  return seq
}

const show = (seq: number, { data, json }: ShowOptions): Promise<void> =>
  withPast(data, async past => {
    if (seq === past.base?.seq) throw new OutOfReach(`Fact ${seq} was compacted: "socp log ls" shows those that there are.`)
    const walk = createWalk(past)
    await walk.to(seq)
    if (walk.step === undefined) throw new OutOfReach(`Fact ${seq} was erased: its row is left, what it said is gone.`)
    const { recorded, changes, effects } = walk.step
    if (json === true) {
      const named = effects.map(({ address, effect, params }) => ({ address, effect, params }))
      await printLine(jsonLine({ ...rowOf(recorded), changes, effects: named }))
      return
    }
    const { type, version, stream, at, epoch, data: said } = rowOf(recorded)
    const lines = [
      `${styled('bold', `fact ${seq}`)}  ${styled('cyan', type)}`,
      `  stream  ${shown(stream)}, version ${version}`,
      `  at      ${new Date(at).toISOString()}, epoch ${epoch}`,
      ...Object.entries(said).map(([name, value]) => `  ${name.padEnd(8)}${shown(typeof value === 'string' ? value : jsonLine(value))}`),
      '',
      styled('bold', `what it changed (${changes.length})`),
      ...changes.flatMap(change => changeLines(change)),
      '',
      styled('bold', `what was done because of it (${effects.length})`),
      ...effectLines(effects),
    ]
    for (const line of lines) await printLine(line)
  })

/** Adds `socp log show`. */
export const addLogShow = (log: Command): void => {
  const command = log
    .command('show')
    .argument('<seq>', 'sequence number of the fact', factNumber)
    .description('show one fact, what it changed and what was done because of it')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--json', 'print one JSON object')
    .action(show)
  withExamples(command, [
    ['socp log show 42', 'fact 42 of the default server'],
    ['socp log show 42 --json | jq .changes', 'for a script: the row and {"changes","effects"}'],
  ])
}
