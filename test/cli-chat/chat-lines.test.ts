/** What a typed line means, how it is completed, and the help that the same table gives. */
import fc from 'fast-check'
import t from 'tap'
import { chatCommands, completionsOf, helpLines, parseLine, quoted } from '../../src/cli/chat-lines.ts'

t.test('commands are read with their arguments', async t => {
  const cases: readonly (readonly [line: string, command: string, values: readonly string[]])[] = [
    ['/list', 'list', []],
    ['/LIST ', 'list', []],
    ['/tell bob hello  there ', 'tell', ['bob', 'hello  there ']],
    ['/tell "Ann Lee" are you "there"?', 'tell', ['Ann Lee', 'are you "there"?']],
    ['/tell "a \\"b\\" \\\\c" x', 'tell', ['a "b" \\c', 'x']],
    ['/tell bob  two spaces', 'tell', ['bob', ' two spaces']],
    ['/all /tell is a command', 'all', ['/tell is a command']],
    ['/file bob notes.txt', 'file', ['bob', 'notes.txt']],
    ['/file bob my notes.txt ', 'file', ['bob', 'my notes.txt']],
    ['/file "Ann Lee" "my notes.txt"', 'file', ['Ann Lee', 'my notes.txt']],
    ['/trust', 'trust', []],
    ['/trust "Ann Lee"', 'trust', ['Ann Lee']],
    ['  /quit', 'quit', []],
  ]
  for (const [line, command, values] of cases) t.same(parseLine(line), { command, values }, line)
})

t.test('@REF in front comes back, also with a problem', async t => {
  t.same(parseLine('@r1 /tell bob @x hi'), { ref: 'r1', command: 'tell', values: ['bob', '@x hi'] })
  t.match(parseLine('@r2 hello'), { ref: 'r2', problem: /begins with a command/ })
  t.match(parseLine('@r3 /nope'), { ref: 'r3', problem: /no command \/nope/ })
  t.match(parseLine('@r4 '), { ref: 'r4', problem: /nothing behind/ })
})

t.test('an empty line is nothing; a wrong one is answered with what to type', async t => {
  for (const line of ['', '   ']) t.equal(parseLine(line), undefined)
  for (const line of [
    'hello',
    '/',
    '/tell',
    '/tell bob',
    '/tell bob  ',
    '/all ',
    '/file bob',
    '/tell "bob hi',
    '/tell "bob"x hi',
    '/list now',
    '/trust a b',
    '/file bob "a" b',
  ]) {
    const parsed = parseLine(line)
    t.ok(parsed !== undefined && 'problem' in parsed && parsed.problem.length > 10, line)
  }
})

t.test('any name and text that is quoted comes back as it was', async t => {
  const line = fc.string({ unit: 'binary', minLength: 1 }).filter(text => !/[\n\r\u2028\u2029]/u.test(text))
  fc.assert(
    fc.property(
      line,
      line.filter(text => text.trim() !== ''),
      (name, text) => {
        const parsed = parseLine(`/tell ${quoted(name)} ${text}`)
        return parsed !== undefined && 'values' in parsed && parsed.values[0] === name && parsed.values[1] === text
      },
    ),
  )
  t.pass('100 names and texts')
})

t.test('commands and names are completed, quoted where needed', async t => {
  const names = ['ann', 'Ann Lee', 'bob']
  t.same(completionsOf('/t', names), [['/tell ', '/trust '], '/t'])
  t.same(completionsOf('@1 /tel', names), [['/tell '], '/tel'])
  t.same(completionsOf('/tell a', names), [['ann ', '"Ann Lee" '], 'a'])
  t.same(completionsOf('/file "Ann', names), [['ann ', '"Ann Lee" '], '"Ann'])
  t.same(completionsOf('/tell ', names), [['ann ', '"Ann Lee" ', 'bob '], ''])
  t.same(completionsOf('/all a', names), [[], '/all a'])
})

t.test('the help has a line for every command, and every example is one', async t => {
  const help = helpLines().join('\n')
  for (const [name, { usage, example }] of Object.entries(chatCommands)) {
    t.ok(help.includes(usage))
    t.match(parseLine(example), { command: name })
  }
})
