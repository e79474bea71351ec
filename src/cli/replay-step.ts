/** `socp replay --step`: walks through a log at a terminal by keys, or by lines where there is none. */
import { createInterface, emitKeypressEvents } from 'node:readline'
import { createWalk, type Walk } from '../server/time-travel-walk.ts'
import { OutOfReach, stateOf, type Moment, type Past } from '../server/time-travel.ts'
import { changeLines, effectLines } from './change-lines.ts'
import { humanLine, rowOf } from './log-rows.ts'
import { jsonLine, printLine, styled, terminalWidth, tell } from './output.ts'
import { stateLines } from './replay-lines.ts'

export interface StepOptions {
  readonly until?: Moment
  readonly json?: true
}

interface Stand {
  readonly walk: Walk
  readonly past: Past
  readonly first: number
}

/** Word → where it goes to from here; undefined goes nowhere. */
const ways: Readonly<Record<string, (stand: Stand) => number>> = {
  next: ({ walk }) => walk.traveller.seq + 1,
  back: ({ walk }) => walk.traveller.seq - 1,
  first: ({ first }) => first,
  last: ({ past }) => past.head(),
}

/** What is typed, a key or a line → the word for it. */
const shortcuts: Readonly<Record<string, string>> = {
  n: 'next',
  right: 'next',
  down: 'next',
  space: 'next',
  return: 'next',
  '': 'next',
  p: 'back',
  b: 'back',
  left: 'back',
  up: 'back',
  backspace: 'back',
  f: 'first',
  home: 'first',
  l: 'last',
  end: 'last',
  s: 'state',
  h: 'help',
  '?': 'help',
  q: 'quit',
  escape: 'quit',
}

const HELP =
  'n next · p back · f first · l last · a number goes to that fact · s the state here · q quit; at a terminal also the arrow keys'

/** What to say where there is no fact to show. */
const emptyLine = ({ walk: { traveller }, past }: Stand): string => {
  if (traveller.seq === past.base?.seq) return `after fact ${traveller.seq}, up to which all facts were compacted`
  return traveller.seq === 0 ? 'before the first fact' : `after fact ${traveller.seq}, which was erased`
}

const standLines = (stand: Stand): readonly string[] => {
  const { step } = stand.walk
  if (step === undefined) return [styled('bold', emptyLine(stand))]
  return [humanLine(step.recorded, terminalWidth()), ...step.changes.flatMap(change => changeLines(change)), ...effectLines(step.effects)]
}

const standJson = ({ walk }: Stand): string => {
  const { step, traveller } = walk
  const effects = step?.effects.map(({ address, effect, params }) => ({ address, effect, params })) ?? []
  return jsonLine({ seq: traveller.seq, fact: step === undefined ? null : rowOf(step.recorded), changes: step?.changes ?? [], effects })
}

/** Keys as words; a number is collected until Return. Ends with Ctrl-C and Ctrl-D, and gives the terminal back as it was. */
async function* keyWords(): AsyncGenerator<string> {
  const { stdin } = process
  const waiting: string[] = []
  let wake = (): void => {}
  let digits = ''
  const push = (word: string): void => {
    waiting.push(word)
    wake()
  }
  const onKey = (character: string | undefined, key: { readonly name?: string; readonly ctrl?: boolean }): void => {
    if (key.ctrl === true && (key.name === 'c' || key.name === 'd')) push('quit')
    else if (character !== undefined && /^\d$/.test(character)) {
      digits += character
      process.stderr.write(character)
    } else if (key.name === 'return' && digits !== '') {
      process.stderr.write('\n')
      push(digits)
      digits = ''
    } else if (key.ctrl !== true) push(key.name ?? character ?? '')
  }
  const onEnd = (): void => {
    push('quit')
  }
  emitKeypressEvents(stdin)
  stdin.setRawMode(true)
  stdin.on('keypress', onKey).on('end', onEnd)
  process.on('SIGTERM', onEnd)
  stdin.resume()
  try {
    for (;;) {
      for (let word = waiting.shift(); word !== undefined; word = waiting.shift()) yield word
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  } finally {
    process.off('SIGTERM', onEnd)
    stdin.off('keypress', onKey).off('end', onEnd)
    stdin.setRawMode(false)
    stdin.pause()
  }
}

/** Walks as the words say. Between two words nothing of the log is held open, however long that is. */
const walkBy = async (
  past: Past,
  words: AsyncIterable<string>,
  { until, json }: StepOptions,
  print: (line: string) => Promise<void>,
): Promise<void> => {
  const walk = createWalk(past)
  const stand: Stand = { walk, past, first: (past.base?.seq ?? 0) + 1 }
  const show = async (): Promise<void> => {
    for (const line of json === true ? [standJson(stand)] : standLines(stand)) await print(line)
  }
  if (until !== undefined) await walk.to('seq' in until ? until.seq : await seqOfTime(past, until.at))
  await show()
  if (json !== true) tell(HELP)
  for await (const typed of words) {
    const word = shortcuts[typed.trim()] ?? typed.trim()
    if (word === 'quit') return
    const to = /^\d+$/.test(word) ? Number(word) : ways[word]?.(stand)
    if (word === 'state')
      for (const line of json === true ? [jsonLine(stateOf(walk.traveller))] : stateLines(stateOf(walk.traveller))) await print(line)
    else if (to === undefined) tell(HELP)
    else if (to > past.head()) tell(`That is the last fact so far (${past.head()}).`)
    else if (to < stand.first - 1) tell('That is the beginning.')
    else {
      await walk.to(to)
      await show()
    }
  }
}

/** Sequence of the last fact up to a time. */
const seqOfTime = async (past: Past, at: number): Promise<number> => {
  let seq = past.base?.seq ?? 0
  for await (const recorded of past.read(seq + 1)) {
    if (recorded.at > at) break
    seq = recorded.seq
  }
  if (past.base !== undefined && at < past.base.state.at) throw new OutOfReach('The facts of that time were compacted: give a later time.')
  return seq
}

/** Steps through a log, until the person or the input ends it. */
export const stepThrough = (past: Past, options: StepOptions): Promise<void> =>
  walkBy(past, process.stdin.isTTY && options.json !== true ? keyWords() : createInterface({ input: process.stdin }), options, printLine)
