/** The commands of `socp chat` as one table, from which parsing, completion and help are derived. */

/** What an argument is: a person by name or id (quoted when it has spaces), the rest of the line as it is, a path, the same person left out. */
type Argument = 'person' | 'text' | 'path' | 'person?'

interface CommandRow {
  readonly arguments: readonly Argument[]
  readonly usage: string
  readonly does: string
  readonly example: string
}

export const chatCommands = {
  list: { arguments: [], usage: '/list', does: 'who is online, in the whole network', example: '/list' },
  tell: { arguments: ['person', 'text'], usage: '/tell NAME TEXT', does: 'write to one person', example: '/tell "Ann Lee" are you there?' },
  all: { arguments: ['text'], usage: '/all TEXT', does: 'write to everybody online', example: '/all good morning' },
  file: { arguments: ['person', 'path'], usage: '/file NAME PATH', does: 'send a file', example: '/file bob "my notes.txt"' },
  trust: {
    arguments: ['person?'],
    usage: '/trust [NAME]',
    does: 'take the changed key of a person for theirs; without a name, of the server',
    example: '/trust bob',
  },
  resume: {
    arguments: [],
    usage: '/resume',
    does: 'attach again here, after another program with your key has taken over',
    example: '/resume',
  },
  help: { arguments: [], usage: '/help', does: 'this list', example: '/help' },
  quit: { arguments: [], usage: '/quit', does: 'finish what was sent and leave; Ctrl-D does the same', example: '/quit' },
} as const satisfies Readonly<Record<string, CommandRow>>

export type ChatCommand = keyof typeof chatCommands

export interface ParsedLine {
  readonly command: ChatCommand
  /** One for each argument that was given. */
  readonly values: readonly string[]
  readonly ref?: string
}

/** A line that is no command; the sentence says what to type instead. */
export interface LineProblem {
  readonly problem: string
  readonly ref?: string
}

const REF = /^@([\x21-\x7e]{1,64}) +/
const isCommand = (name: string): name is ChatCommand => Object.hasOwn(chatCommands, name)
const rowOf = (command: ChatCommand): CommandRow => chatCommands[command]

/** `"Ann Lee" hello` → `Ann Lee` and ` hello`; a backslash inside quotes takes the next character as it is. */
const takeWord = (text: string): { readonly word: string; readonly rest: string } | undefined => {
  if (!text.startsWith('"')) {
    const [word = ''] = /^\S*/.exec(text) ?? []
    return { word, rest: text.slice(word.length) }
  }
  const [quoted] = /^"(?:[^"\\]|\\.)*"/u.exec(text) ?? []
  if (quoted === undefined) return undefined
  return { word: quoted.slice(1, -1).replace(/\\(.)/gu, '$1'), rest: text.slice(quoted.length) }
}

const takePath = (text: string): string | undefined => {
  const trimmed = text.trim()
  if (!trimmed.startsWith('"')) return trimmed
  const taken = takeWord(trimmed)
  return taken?.rest === '' ? taken.word : undefined
}

/** Values for the arguments of a command, or what is wrong with them. */
const takeValues = (command: ChatCommand, text: string): readonly string[] | string => {
  const { arguments: wanted, usage, example } = rowOf(command)
  const wrong = `It is ${usage}, for example: ${example}`
  const values: string[] = []
  let rest = text
  for (const argument of wanted) {
    if (argument === 'text') {
      // one space after the command is ours, everything else is the person's
      if (rest.trim() === '') return wrong
      values.push(rest.replace(/^\s/, ''))
      return values
    }
    rest = rest.trimStart()
    if (argument === 'path') {
      const path = takePath(rest)
      if (path === undefined || path === '') return wrong
      values.push(path)
      return values
    }
    const taken = takeWord(rest)
    if (taken === undefined) return `A quote is not closed. ${wrong}`
    if (taken.word === '' && argument === 'person?') return values
    if (taken.word === '' || (taken.rest !== '' && !/^\s/.test(taken.rest))) return wrong
    values.push(taken.word)
    rest = taken.rest
  }
  return rest.trim() === '' ? values : `There is too much on this line; a name with spaces goes in quotes. ${wrong}`
}

/** Reads one line; undefined for an empty one. */
export const parseLine = (line: string): ParsedLine | LineProblem | undefined => {
  const [prefix = '', ref] = REF.exec(line) ?? []
  const refs = ref === undefined ? {} : { ref }
  const text = line.slice(prefix.length).trimStart()
  if (text === '') return ref === undefined ? undefined : { problem: 'There is nothing behind the @REF.', ref }
  if (!text.startsWith('/')) return { problem: 'A line begins with a command, such as /all hello. /help lists them.', ...refs }
  const [, name = ''] = /^\/(\S*)/.exec(text) ?? []
  const command = name.toLowerCase()
  if (!isCommand(command)) return { problem: `There is no command /${name}. /help lists them.`, ...refs }
  const values = takeValues(command, text.slice(name.length + 1))
  return typeof values === 'string' ? { problem: values, ...refs } : { command, values, ...refs }
}

/** A name as it is to be typed. */
export const quoted = (name: string): string => (/[\s"\\]/u.test(name) || name === '' ? `"${name.replace(/["\\]/g, '\\$&')}"` : name)

/** What could stand where the line ends: whole commands and names, and the part of the line that they replace. */
export const completionsOf = (line: string, names: readonly string[]): readonly [readonly string[], string] => {
  const [prefix = ''] = REF.exec(line) ?? []
  const text = line.slice(prefix.length)
  const [head = '', name = ''] = /^\/(\S*)/.exec(text) ?? []
  if (text.length === head.length) {
    const commands = Object.keys(chatCommands).map(command => `/${command} `)
    return [commands.filter(command => command.startsWith(text.toLowerCase())), text]
  }
  if (!isCommand(name.toLowerCase()) || !rowOf(name.toLowerCase() as ChatCommand).arguments[0]?.startsWith('person')) return [[], line]
  const typed = text.slice(head.length).trimStart()
  const bare = typed.replace(/^"/, '')
  const fits = names.filter(candidate => candidate.toLowerCase().startsWith(bare.toLowerCase()))
  return [fits.map(candidate => `${quoted(candidate)} `).filter(candidate => candidate !== typed), typed]
}

/** The help, one line a command. */
export const helpLines = (): readonly string[] => {
  const rows = Object.values(chatCommands)
  const width = Math.max(...rows.map(({ usage }) => usage.length))
  const examples = rows.filter(({ arguments: wanted }) => wanted.length > 0).map(({ example }) => `  ${example}`)
  return [
    ...rows.map(({ usage, does }) => `${usage.padEnd(width)}  ${does}`),
    '',
    'For example:',
    ...examples,
    '',
    'A name is a person’s display name or id. With spaces it goes in quotes. Tab completes commands and names.',
  ]
}
