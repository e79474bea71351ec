/** The line editor of `socp chat`: what comes in while somebody types. */
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { createChatTerminal } from '../../src/cli/chat-terminal.ts'
import { terminalScreen } from '../helpers/terminal-screen.ts'

const settled = () => new Promise(resolve => setImmediate(resolve))

const start = (t: Test, columns: number) => {
  const screen = terminalScreen(columns)
  const typed: string[] = []
  const terminal = createChatTerminal({
    streams: screen,
    historyFile: join(t.testdir(), 'history'),
    names: () => [],
    line: line => typed.push(line),
    ended: () => {},
  })
  const type = async (text: string): Promise<void> => {
    screen.input.write(text)
    await settled()
    await settled()
  }
  return { screen, terminal, type, typed }
}

t.test('lines that come in stand above the one that is being typed, however often that one has wrapped', async t => {
  for (const length of [3, 17, 18, 19, 57, 45, 58, 76, 78, 80]) {
    const { screen, terminal, type, typed } = start(t, 20)
    const line = 'abcdefghij'.repeat(8).slice(0, length)
    // pasted, or typed
    if (length % 19 === 0) await type(line)
    else for (const character of line) await type(character)
    terminal.print(['one'])
    terminal.print(['two', 'and this is longer than the terminal'])
    await settled()
    t.equal(
      screen.lines().join('|').replace(/ +$/, ''),
      [
        'one',
        'two',
        'and this is longer t',
        'han the terminal',
        ...(`> ${line}`.match(/.{1,20}/g) ?? []),
        ...((length + 2) % 20 === 0 ? [''] : []),
      ].join('|'),
      `${length} characters`,
    )
    await type('!\r')
    t.same(typed, [`${line}!`])
    terminal.close()
  }
})

t.test('how far a file is changes the prompt and nothing above it', async t => {
  const { screen, terminal, type } = start(t, 20)
  terminal.print(['one'])
  await type('a line that is longer than the screen')
  for (const percent of [1, 50, 99]) terminal.status(`big.bin ${percent} %`)
  terminal.status('')
  await settled()
  t.same(screen.lines(), ['one', '> a line that is lon', 'ger than the screen'])
  terminal.close()
  t.same(screen.lines(), ['one', ''], 'at the end no prompt is left behind')
})
