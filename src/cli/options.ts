/** Option parsers that all commands share, and the examples that every `--help` ends with. */
import { InvalidArgumentError, type Command } from 'commander'

const wholeNumber = (text: string, least: number, most: number): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`)
  return value
}

/** A TCP port; 0 picks a free one. */
export const portNumber = (text: string): number => wholeNumber(text, 0, 65_535)

/** A sequence number of the log. */
export const sequenceNumber = (text: string): number => wholeNumber(text, 0, Number.MAX_SAFE_INTEGER)

/** Examples at the end of a command's help: what to type, and what it does. */
export const withExamples = (command: Command, examples: readonly (readonly [line: string, does: string])[]): Command => {
  const width = Math.max(...examples.map(([line]) => line.length))
  return command.addHelpText(
    'after',
    ['', 'Examples:', ...examples.map(([line, does]) => `  $ ${line.padEnd(width)}  # ${does}`)].join('\n'),
  )
}
