/** `socp simulate`: a whole mesh from a seed, with everything that can go wrong, and what must hold all the same. */
import { randomInt } from 'node:crypto'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { SingleBar } from 'cli-progress'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import { nodeClock } from '../ports/node/clock.ts'
import type { KeyPair } from '../simulation/crypto.ts'
import { faultNames, faults, type FaultName } from '../simulation/faults/faults.ts'
import { createTraceFile } from '../simulation/node-trace-file.ts'
import { shrink } from '../simulation/shrink.ts'
import { SETTLE_MS, simulate, type Outcome, type SimulationOptions } from '../simulation/simulation.ts'
import { createTrace, headOf } from '../simulation/trace.ts'
import type { Ground, World } from '../simulation/world.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { duration, numbers, wholeNumber, withExamples } from './options.ts'
import { jsonLine, printLine, styled, tell } from './output.ts'

interface SimulateOptions {
  readonly seed?: number
  readonly seeds: number
  readonly servers: number
  readonly users: number
  readonly time: number
  readonly faults: readonly FaultName[]
  readonly only?: ReadonlySet<number>
  readonly trace?: string
  readonly keys: 'stand-in' | 'real'
  readonly shrink?: true
  readonly json?: true
}

const MOST_SEED = 2 ** 32 - 1

/** `all`, `none`, or names with commas between; `-name` takes one away from all. */
const faultList = (text: string): readonly FaultName[] => {
  if (text === 'all') return faultNames
  if (text === 'none') return []
  const words = text.split(',').filter(word => word !== '')
  const known = (word: string): word is FaultName => word in faults
  for (const word of words) {
    const name = word.replace(/^-/, '')
    if (!known(name)) throw new InvalidArgumentError(`There is no fault "${name}": they are ${faultNames.join(', ')}.`)
  }
  const taken = words.filter(word => word.startsWith('-')).map(word => word.slice(1))
  const named = words.filter(word => known(word)) as readonly FaultName[]
  return (named.length > 0 ? named : faultNames).filter(name => !taken.includes(name))
}

/** The words that run this world again. */
const commandOf = ({ seed, servers, users, timeMs, faults: names = faultNames, keep }: SimulationOptions): string => {
  const list = names.length === faultNames.length ? '' : ` --faults ${names.length === 0 ? 'none' : names.join(',')}`
  const only = keep === undefined ? '' : ` --only ${[...keep].join(',') || '0'}`
  return `socp simulate --seed ${seed} --servers ${servers} --users ${users} --time ${timeMs / 1_000}s${list}${only}`
}

const ended = (outcome: Outcome): readonly string[] => {
  const { seed, virtualMs, facts, sent, displayed, checked, violations } = outcome
  const happened = Object.entries(outcome.faults).map(([name, times]) => `${name} ${times}`)
  return [
    `seed ${seed}: ${Math.round(virtualMs / 1_000)} s, ${facts} facts, ${sent} messages, ${displayed} shown, faults: ${happened.join(', ') || 'none'}`,
    `checked ${Object.values(checked).reduce((sum, times) => sum + times, 0)} times: ${Object.entries(checked)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')}`,
    ...violations.map(({ invariant, at, what }) => `${styled('red', `violated: ${invariant}`)} at ${(at / 1_000).toFixed(1)} s: ${what}`),
  ]
}

/** A bar on a terminal, for the virtual time that has passed. */
const progressOf = (totalMs: number) => {
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: '{bar} {value} of at most {total} virtual s', stream: process.stderr })
    : undefined
  bar?.start(Math.ceil(totalMs / 1_000), 0)
  return {
    watch: ({ schedule }: World): void => {
      const look = (): void => {
        bar?.update(Math.floor(schedule.now() / 1_000))
        if (bar !== undefined) schedule.after(1_000, look)
      }
      if (bar !== undefined) look()
    },
    stop: (): void => {
      bar?.stop()
    },
  }
}

const realKeys = async (count: number): Promise<readonly KeyPair[]> => {
  const crypto = nodeCrypto()
  const keys: KeyPair[] = []
  tell(`Making ${count} key pairs of RSA-4096, which takes seconds each …`)
  while (keys.length < count) {
    const { privateKey, pkcs8 } = await crypto.generateKey()
    keys.push({ pkcs8, text: privateKey.publicKey.text })
  }
  return keys
}

const groundOf = async ({ keys, servers, users }: SimulateOptions): Promise<Ground> => {
  const { sha256 } = nodeCrypto()
  const ground = { loop: nodeClock(), sha256 }
  // a liar has a key too, and so has each that tries to be somebody else
  return keys === 'real' ? { ...ground, real: { crypto: nodeCrypto(), keys: await realKeys(servers + users + 5) } } : ground
}

const openTrace = (path: string | undefined) => {
  try {
    return createTraceFile(path)
  } catch (error) {
    throw new CommandFailure(`The trace cannot be written to ${path ?? ''}: ${(error as Error).message}`, exitCodes.usage, { cause: error })
  }
}

const runOne = async (
  options: SimulationOptions,
  ground: Ground,
  path: string | undefined,
): Promise<{ outcome: Outcome; hash: string }> => {
  const trace = openTrace(path)
  const progress = progressOf(options.timeMs + SETTLE_MS)
  try {
    trace.write(headOf(options))
    const outcome = await simulate(options, ground, world => {
      world.witnesses.join(createTrace(trace.write, world.schedule.now))
      progress.watch(world)
    })
    return { outcome, hash: trace.close() }
  } finally {
    progress.stop()
  }
}

const smallest = async (options: SimulationOptions, outcome: Outcome, ground: Ground, json: boolean): Promise<void> => {
  tell('Looking for a smaller world that fails in the same way …')
  const found = await shrink(options, outcome, {
    run: candidate => simulate(candidate, ground),
    smaller: candidate => {
      tell(`  ${commandOf(candidate)}`)
    },
  })
  tell(`The smallest of ${found.runs} that were tried:`)
  if (!json) for (const line of ended(found.outcome)) await printLine(line)
  tell(commandOf(found.options))
}

const run = async (options: SimulateOptions): Promise<void> => {
  const { servers, users, time: timeMs, faults: names, only, seeds, trace, json = false } = options
  if (trace !== undefined && seeds > 1) throw new CommandFailure('A trace is of one seed: leave --seeds out.', exitCodes.usage)
  if (options.keys === 'real' && options.shrink === true)
    throw new CommandFailure(
      'A world with real keys is never the same again, so it cannot be made smaller: leave --shrink out.',
      exitCodes.usage,
    )
  const first = options.seed ?? randomInt(MOST_SEED)
  const ground = await groundOf(options)
  let failed = 0
  for (let seed = first; seed < first + seeds; seed += 1) {
    const world: SimulationOptions = { seed, servers, users, timeMs, faults: names, ...(only !== undefined && { keep: only }) }
    const { outcome, hash } = await runOne(world, ground, trace)
    const { virtualMs, facts, sent, displayed, checked, violations } = outcome
    const trace_hash = options.keys === 'real' ? null : hash
    if (json)
      await printLine(
        jsonLine({ seed, trace_hash, virtual_ms: virtualMs, facts, sent, displayed, faults: outcome.faults, checked, violations }),
      )
    else {
      for (const line of ended(outcome)) await printLine(line)
      if (trace_hash !== null) await printLine(`trace ${trace_hash}`)
    }
    if (violations.length === 0) continue
    failed += 1
    tell(`Run it again: ${commandOf(world)}`)
    if (options.shrink === true) await smallest(world, outcome, ground, json)
  }
  if (failed > 0)
    throw new CommandFailure(`${failed} of ${seeds} ${seeds === 1 ? 'world' : 'worlds'} violated what must hold.`, exitCodes.failed)
}

/** Adds `socp simulate`. */
export const addSimulate = (program: Command): void => {
  const command = program
    .command('simulate')
    .description('run a whole mesh in virtual time from a seed, with faults, and check what must hold in every mesh')
    .option('--seed <n>', 'the world; another each time when left out', text => wholeNumber(text, 0, MOST_SEED))
    .option('--seeds <n>', 'so many worlds, from that seed on', text => wholeNumber(text, 1, 1_000_000), 1)
    .option('--servers <n>', 'honest servers, 1 to 50', text => wholeNumber(text, 1, 50), 5)
    .option('--users <n>', 'people, 0 to 1000', text => wholeNumber(text, 0, 1_000), 40)
    .option('--time <duration>', 'virtual time with faults, as 90s or 10m', text => duration(text, 10_000, 86_400_000), 600_000)
    .option('--faults <list>', 'all, none, or names with commas between; -name leaves one out', faultList, faultNames)
    .addOption(
      new Option('--only <numbers>', 'of the faults that would happen only these, by their numbers in the trace').argParser(numbers),
    )
    .option('--trace <file>', 'write every fact, frame and fault, a line each; "socp replay --trace" walks it')
    .addOption(
      new Option('--keys <kind>', 'real RSA-4096, or a stand-in of the same form that costs nothing')
        .choices(['stand-in', 'real'])
        .default('stand-in'),
    )
    .option('--shrink', 'when it fails, look for fewer faults, less time and fewer people that still do')
    .option('--json', 'print JSON, one line a world')
    .action(run)
  command.addHelpText('after', ['', 'Faults:', ...faultNames.map(name => `  ${name.padEnd(14)} ${faults[name].what}`)].join('\n'))
  withExamples(command, [
    ['socp simulate --seed 7', 'five servers and forty people for ten minutes'],
    ['socp simulate --seed 7 --trace 7.jsonl', 'and everything that happened'],
    ['socp replay --trace 7.jsonl --node s2 --step', "walk through one server's facts"],
    ['socp simulate --seeds 200 --servers 3 --users 12 --time 60s --json', 'many small worlds, for a script'],
    ['socp simulate --seed 7 --faults kill,power,halves --shrink', 'the smallest world that still fails'],
  ])
}
