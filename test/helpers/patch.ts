/** Applies a unified diff to texts: each hunk is found by its lines, wherever they stand by now. */

interface Hunk {
  readonly before: string
  readonly after: string
}

export interface FilePatch {
  readonly path: string
  readonly hunks: readonly Hunk[]
}

/** Reads `--- a/PATH`, `+++ b/PATH` and hunks; line numbers are not looked at. Throws for what is none of these. */
export const parsePatch = (text: string): readonly FilePatch[] => {
  const files: { path: string; hunks: { before: string; after: string }[] }[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    const file = files.at(-1)
    const hunk = file?.hunks.at(-1)
    const [sign, rest] = [line.slice(0, 1), `${line.slice(1)}\n`]
    if (line.startsWith('--- ')) continue
    if (line.startsWith('+++ b/')) files.push({ path: line.slice('+++ b/'.length), hunks: [] })
    else if (line.startsWith('@@')) file?.hunks.push({ before: '', after: '' })
    else if (hunk === undefined || !'-+ '.includes(sign)) throw new Error(`this is no line of a patch: ${line}`)
    else {
      if (sign !== '+') hunk.before += rest
      if (sign !== '-') hunk.after += rest
    }
  }
  return files
}

/** Throws when the lines of a hunk do not stand there exactly once. */
export const patched = (source: string, { path, hunks }: FilePatch): string =>
  hunks.reduce((text, { before, after }) => {
    const parts = text.split(before)
    if (parts.length !== 2) throw new Error(`${path} has these lines ${parts.length - 1} times:\n${before}`)
    return parts.join(after)
  }, source)
