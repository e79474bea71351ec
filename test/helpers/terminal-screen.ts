/** A terminal that a test types at and looks at: wrapping, scrolling, and the few commands that a line editor gives. */
import { PassThrough } from 'node:stream'

export interface TerminalScreen {
  readonly input: PassThrough & { setRawMode(on: boolean): unknown }
  readonly output: PassThrough
  /** Everything above the bottom of the screen, without trailing spaces; a line that wrapped is several. */
  lines(): readonly string[]
}

// what a terminal obeys
const COMMAND = /^\x1b\[(\d*)(?:;(\d*))?([A-Za-z])/

/** `columns` wide and so high that nothing scrolls away. */
export const terminalScreen = (columns: number): TerminalScreen => {
  const rows: string[][] = [[]]
  let [row, column] = [0, 0]
  const rowAt = (at: number): string[] => (rows[at] ??= [])
  const obey: Readonly<Record<string, (count: number) => void>> = {
    A: count => (row = Math.max(0, row - count)),
    B: count => (row += count),
    C: count => (column = Math.min(columns - 1, column + count)),
    D: count => (column = Math.max(0, column - count)),
    G: count => (column = count - 1),
    J: () => {
      rowAt(row).length = Math.min(rowAt(row).length, column)
      rows.length = row + 1
    },
    K: () => (rowAt(row).length = Math.min(rowAt(row).length, column)),
  }
  const write = (text: string): void => {
    let rest = text
    while (rest !== '') {
      const [command, count, , letter = ''] = COMMAND.exec(rest) ?? []
      if (command !== undefined) {
        obey[letter]?.(Number(count === undefined || count === '' ? 1 : count))
        rest = rest.slice(command.length)
        continue
      }
      const character = rest[0] as string
      rest = rest.slice(1)
      if (character === '\r') column = 0
      // the terminal's driver returns the carriage
      else if (character === '\n') [row, column] = [row + 1, 0]
      else {
        if (column === columns) [row, column] = [row + 1, 0]
        const cells = rowAt(row)
        while (cells.length < column) cells.push(' ')
        cells[column] = character
        column += 1
      }
    }
  }
  const output = Object.assign(new PassThrough(), { columns, isTTY: true })
  output.on('data', (bytes: Buffer) => {
    write(bytes.toString())
  })
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  return { input, output, lines: () => rows.map(cells => cells.join('').trimEnd()) }
}
