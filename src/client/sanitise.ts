/** Makes text from others safe to show: no escape sequences, no control characters, no characters that reorder or hide a line. */

/** Whole terminal sequences go first, so that stripping their ESC leaves no residue such as `[31m` (ECMA-48 §5.4, §5.6). */

const TERMINAL_SEQUENCE =
  /(?:\u001b\[|\u009b)[\u0030-\u003f]*[\u0020-\u002f]*[\u0040-\u007e]|(?:\u001b[P\]X^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)|\u001b[\u0020-\u002f]*[\u0030-\u007e]/g

type Range = readonly [first: number, last: number, why: string]

/** Never shown, wherever it stands. Newline and tab are decided by the caller. */
const CONTROLS: readonly Range[] = [
  [0x00, 0x08, 'C0 controls'],
  [0x0b, 0x1f, 'C0 controls, carriage return and escape among them'],
  [0x7f, 0x9f, 'DEL and C1 controls'],
  [0x2028, 0x2029, 'line and paragraph separators'],
  [0x202a, 0x202e, 'bidirectional embeddings and overrides'],
  [0x2066, 0x2069, 'bidirectional isolates'],
  [0xfff9, 0xfffb, 'interlinear annotation'],
  [0xe0000, 0xe007f, 'tags'],
]

/** Beside the controls: what would make a name look empty or like another. Joiners and emoji's selectors stay: scripts need them. */
const INVISIBLE_IN_NAMES: readonly Range[] = [
  [0x09, 0x0a, 'tab and newline'],
  [0xad, 0xad, 'soft hyphen'],
  [0x034f, 0x034f, 'combining grapheme joiner'],
  [0x061c, 0x061c, 'Arabic letter mark'],
  [0x115f, 0x1160, 'Hangul fillers'],
  [0x17b4, 0x17b5, 'Khmer inherent vowels'],
  [0x180b, 0x180f, 'Mongolian selectors and separator'],
  [0x200b, 0x200b, 'zero-width space'],
  [0x200e, 0x200f, 'direction marks'],
  [0x2060, 0x2065, 'invisible operators'],
  [0x206a, 0x206f, 'deprecated format characters'],
  [0x2800, 0x2800, 'blank Braille pattern'],
  [0x3164, 0x3164, 'Hangul filler'],
  [0xfe00, 0xfe0d, 'variation selectors'],
  [0xfeff, 0xfeff, 'byte order mark'],
  [0xffa0, 0xffa0, 'half-width Hangul filler'],
  [0xe0100, 0xe01ef, 'variation selectors'],
]

const within = (tables: readonly (readonly Range[])[], code: number): boolean =>
  tables.some(table => table.some(([first, last]) => code >= first && code <= last))

const without = (text: string, ...tables: readonly (readonly Range[])[]): string => {
  let kept = ''
  for (const character of text.toWellFormed()) if (!within(tables, character.codePointAt(0) ?? 0)) kept += character
  return kept
}

/** A message as it may be shown: newlines and tabs stay, everything that steers a terminal or reorders a line goes. */
export const cleanText = (text: string): string => without(text.replace(TERMINAL_SEQUENCE, ''), CONTROLS)

/** One line of text of at most `max` characters, for error details and the like that a server sent. */
export const cleanLine = (text: string, max = 300): string => {
  const line = cleanText(text).replace(/\s+/gu, ' ').trim()
  return [...line].length > max ? `${[...line].slice(0, max - 1).join('')}…` : line
}

/** Longest display name that is shown or may be chosen, in characters. */
export const maxNameLength = 64

/** A display name in the form in which it is shown and compared: NFC, one line, nothing invisible. May be empty. */
export const cleanName = (name: string): string => {
  const visible = without(name.slice(0, maxNameLength * 8).replace(TERMINAL_SEQUENCE, ''), CONTROLS, INVISIBLE_IN_NAMES)
  return [...visible.normalize('NFC').replace(/\s+/gu, ' ').trim()].slice(0, maxNameLength).join('').trim()
}

/** Why a name that its owner chose cannot be used; `undefined` when it can. */
export const nameProblem = (name: string): string | undefined => {
  if (name.trim() === '') return 'A name needs at least one visible character.'
  if ([...name].length > maxNameLength) return `A name has at most ${maxNameLength} characters; this one has ${[...name].length}.`
  if (cleanName(name) !== name.normalize('NFC').replace(/ +/g, ' ').trim())
    return 'A name cannot hold control, direction or invisible characters.'
  return undefined
}
