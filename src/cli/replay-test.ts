/** `socp replay --as-test`: a piece of a log as a test that folds it and checks the state that it leads to. */
import { isAbsolute, relative, resolve, dirname, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fact } from '../domain/facts.ts'
import { createRedaction } from '../server/redaction.ts'
import { viewOfNode, type FoldedState } from '../server/replay.ts'
import { checkReach, createTraveller, OutOfReach, travel, type Moment, type Past } from '../server/time-travel.ts'
import type { RecordedFact } from '../store/log.ts'
import { intoNewFile } from './log-export.ts'
import { tell } from './output.ts'

export interface TestOptions {
  readonly asTest?: string
  readonly from?: number
  readonly until?: Moment
  readonly machine?: string
  readonly redact?: true
}

/** Facts that a test may hold before it is nothing that a person would read. */
const MOST_FACTS = 10_000

/** How a test in this file reaches the testing module: by a path within a checkout, else by the package's name. */
const moduleFor = (file: string): string => {
  const module = fileURLToPath(new URL('../testing/testing.ts', import.meta.url))
  const root = resolve(dirname(module), '../..')
  const inside = relative(root, file)
  if (!import.meta.url.endsWith('.ts') || inside.startsWith('..') || isAbsolute(inside)) return 'socp-node/testing'
  const path = relative(dirname(file), module).split(sep).join('/')
  return path.startsWith('.') ? path : `./${path}`
}

const literal = (value: unknown, indent = 2): string => JSON.stringify(value, undefined, indent)

interface Written {
  readonly module: string
  readonly facts: readonly RecordedFact<Fact>[]
  /** The state before the first fact; undefined when that is nothing. */
  readonly begin: FoldedState | undefined
  readonly expected: unknown
  readonly machine: string | undefined
  /** What the test cannot have, in sentences. */
  readonly notes: readonly string[]
}

/** The test's text. It is JavaScript, and TypeScript too where the file is named so. */
const textOf = ({ module, facts, begin, expected, machine, notes }: Written, typed: boolean): string => {
  const [first, last] = [facts[0]?.seq ?? 0, facts.at(-1)?.seq ?? 0]
  const fixed = typed ? ' as const' : ''
  const title = `facts ${first} to ${last} lead ${machine === undefined ? 'to the state' : `${machine} to the state`} that was recorded`
  const start = `{ start: ${facts[0]?.at ?? 0}${begin === undefined ? '' : ', state: before'} }`
  return [
    `/** Facts ${first} to ${last} of a node's log and the state that they led to, written by "socp replay --as-test". */`,
    ...notes.map(note => `// ${note}`),
    `import t from 'tap'`,
    `import { foldFacts } from ${literal(module)}`,
    '',
    ...(begin === undefined ? [] : [`/** The state before fact ${first}. */`, `const before = ${literal(begin)}`, '']),
    'const facts = [',
    ...facts.map(({ seq, stream, at, fact }) => `  ${literal({ seq, stream, at, fact }, 0)},`),
    `]${fixed}`,
    '',
    `const expected = ${literal(expected)}`,
    '',
    `t.test(${literal(title)}, t => {`,
    `  const fold = foldFacts(facts, ${start})`,
    ...(machine === undefined
      ? ['  const { machines, directory, pins } = fold.view()', '  const reached = { machines, directory, pins }']
      : [`  const reached = { state: fold.state(${literal(machine)}), context: fold.context(${literal(machine)}) }`]),
    '  t.strictSame(JSON.parse(JSON.stringify(reached)), expected)',
    '  t.end()',
    '})',
  ].join('\n')
}

/** What reaches a machine: the facts of its stream, and those that every machine answers. */
const reaches = (machine: string, { stream, fact }: RecordedFact<Fact>): boolean => stream === machine || fact.type === 'node.started'

/** Writes the facts from `from` to `until` as a test. Rejects with `OutOfReach` when there are none, or too many for a test. */
export const writeTest = async (past: Past, { asTest = '', from, until, machine, redact }: TestOptions): Promise<void> => {
  const file = resolve(asTest)
  const redaction = redact === true ? createRedaction() : undefined
  const start = createTraveller(past)
  if (from !== undefined && from > start.seq + 1) await travel(past, start, { seq: from - 1 })
  if (from !== undefined) checkReach(past, { seq: from })
  const mark = start.mark()

  const facts: RecordedFact<Fact>[] = []
  await travel(past, start, until, recorded => {
    start.take(recorded)
    if (machine !== undefined && !reaches(machine, recorded)) return
    facts.push(redaction?.recorded(recorded) ?? recorded)
    if (facts.length > MOST_FACTS)
      throw new OutOfReach(`A test holds up to ${MOST_FACTS} facts, and these are more: begin later with --from, or choose one --machine.`)
  })
  if (facts.length === 0) throw new OutOfReach('There are no facts in that part of the log: choose another with --from and --until.')

  // the state that a test reaches is folded from what stands in it
  const given = redaction?.state(mark.state) ?? mark.state
  const begin: FoldedState | undefined = mark.seq === 0 ? undefined : { ...given, failing: [] }
  const broken = new Map(
    [...(past.broken ?? [])].map(([seq, entry]) => [
      seq,
      { ...entry, stream: (redaction?.stream(entry.stream) ?? entry.stream) as typeof entry.stream },
    ]),
  )
  const traveller = createTraveller({ base: begin && { seq: mark.seq, state: given }, broken })
  const folded = facts.filter(recorded => {
    traveller.take(recorded)
    return !traveller.failing.some(({ stream }) => stream === recorded.stream)
  })
  const { fold, failing } = traveller
  const address = machine === undefined ? undefined : (redaction?.stream(machine) ?? machine)
  const { machines, directory, pins } = viewOfNode(fold, traveller.seq)
  const written: Written = {
    module: moduleFor(file),
    facts: folded,
    begin,
    expected: address === undefined ? { machines, directory, pins } : (machines[address] ?? {}),
    machine: address,
    notes: failing.map(({ stream, seq, why }) =>
      `Left out: ${stream} from fact ${seq} on, which cannot be folded (${why}).`.replace(/\s+/g, ' '),
    ),
  }
  await intoNewFile(file, line => line(textOf(written, file.endsWith('.ts'))))
  tell(`socp: wrote ${asTest} with ${folded.length} facts; run it with "npx tap ${asTest}".`)
}
