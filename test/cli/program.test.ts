/** What the shell sees of `socp`: exit codes, help, examples, and a quiet end when nobody reads. */
import type { Command } from 'commander'
import t from 'tap'
import { CommandFailure, exitCodes } from '../../src/cli/failure.ts'
import { createProgram } from '../../src/cli/program.ts'
import { runSocp } from './run-socp.ts'

/** A command and all below it, each with the words that lead to it. */
const all = (command: Command, path: readonly string[] = []): (readonly [path: readonly string[], command: Command])[] => [
  [path, command],
  ...command.commands.flatMap(below => all(below, [...path, below.name()])),
]

const helpOf = (command: Command): string => {
  let text = ''
  command.configureOutput({ writeOut: part => (text += part) })
  command.outputHelp()
  return text
}

t.test('every command has a description and examples in its help', async t => {
  for (const [path, command] of all(await createProgram())) {
    const name = ['socp', ...path].join(' ')
    const help = helpOf(command)
    t.not(command.description(), '', `${name} says what it does`)
    t.match(help, /\nExamples:\n {2}\$ socp /, `${name} has examples`)
    for (const option of command.options) t.not(option.description, '', `${name} ${option.flags} says what it is for`)
  }
})

t.test('every example is a command line that the program knows', async t => {
  const whole = await createProgram()
  for (const [path, command] of all(whole))
    for (const [, line = ''] of helpOf(command).matchAll(/^ {2}\$ socp (.*?) +#/gm)) {
      const words = line.split(' ')
      let at: Command | undefined = whole
      for (const word of words) {
        if (word.startsWith('-')) break
        const below: Command | undefined = at.commands.find(candidate => candidate.name() === word)
        if (below === undefined) break
        at = below
      }
      t.not(at.name(), 'socp', `"${line}" in the help of ${['socp', ...path].join(' ')}`)
      const flags = words.filter(word => word.startsWith('--'))
      for (const flag of flags)
        t.ok(
          at.options.some(option => option.long === flag),
          `"${line}": ${flag} exists`,
        )
    }
})

t.test('wrong usage ends with 2 and words on standard error only', async t => {
  for (const args of [
    [],
    ['nosuch'],
    ['keys'],
    ['keys', 'nosuch'],
    ['log', 'ls', '--nosuch'],
    ['log', 'ls', '--since', 'x'],
    ['log', 'ls', '--since'],
    ['keys', 'show', 'extra'],
  ]) {
    const { code, stdout, stderr } = await runSocp(args)
    t.equal(code, exitCodes.usage, `socp ${args.join(' ')}`)
    t.equal(stdout, '')
    t.not(stderr, '')
  }
})

t.test('help and version that are asked for go to standard output and end with 0', async t => {
  for (const args of [['--help'], ['help', 'keys'], ['keys', 'new', '--help'], ['--version']]) {
    const { code, stdout, stderr } = await runSocp(args)
    t.equal(code, exitCodes.done, `socp ${args.join(' ')}`)
    t.equal(stderr, '')
    t.not(stdout, '')
  }
})

t.test('a failure carries its sentence, its code and its cause', t => {
  const cause = new Error('below')
  const failure = new CommandFailure('What was wrong.', exitCodes.data, { cause })
  t.match(
    { ...failure, message: failure.message, cause: failure.cause },
    { name: 'CommandFailure', message: 'What was wrong.', exitCode: 78, cause },
  )
  t.end()
})
