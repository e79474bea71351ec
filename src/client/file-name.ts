/** Turns the name that a sender gave a file into one that is safe in a folder on any system. */
import { utf8 } from '../protocol/encoding.ts'
import { cleanText } from './sanitise.ts'

/** Names that Windows gives to devices, with or without an extension. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])$/i
/** Room for ` (9999)` below the 255 bytes that most file systems give a name. */
export const maxFileNameBytes = 240
const maxExtensionBytes = 32

const bytesOf = (text: string): number => utf8(text).length

const cut = (text: string, bytes: number): string => {
  let kept = ''
  let used = 0
  for (const character of text) {
    used += bytesOf(character)
    if (used > bytes) break
    kept += character
  }
  return kept
}

/** `notes.tar.gz` → `['notes.tar', '.gz']`; an extension is short and has something before it. */
const splitExtension = (name: string): readonly [stem: string, extension: string] => {
  const dot = name.lastIndexOf('.')
  return dot > 0 && bytesOf(name.slice(dot)) <= maxExtensionBytes ? [name.slice(0, dot), name.slice(dot)] : [name, '']
}

/**
 * A file name without folders, drive letters, streams, device names, control or direction characters, leading or trailing
 * dots, and of at most `maxFileNameBytes` bytes; `file` when nothing is left. The result is a fixed point of this function.
 */
export const safeFileName = (offered: string): string => {
  const last =
    offered
      .slice(0, 4_096)
      .split(/[/\\]/)
      .filter(part => part.trim() !== '')
      .at(-1) ?? ''
  const plain = cleanText(last)
    .normalize('NFC')
    .replace(/\p{Cf}/gu, '')
    .replace(/[<>:"|?*\n\t]/g, '_')
    .replace(/^[\s.]+|[\s.]+$/gu, '')
  const [stem, extension] = splitExtension(plain)
  const fitting = (cut(stem, maxFileNameBytes - bytesOf(extension)) + extension).replace(/[\s.]+$/u, '')
  const named = fitting === '' ? 'file' : fitting
  return DEVICE.test((named.split('.')[0] ?? '').trim()) ? `_${named}` : named
}

/** The `attempt`-th name to try when the ones before are taken: `a.txt`, `a (1).txt`, `a (2).txt`, … */
export const alternativeName = (name: string, attempt: number): string => {
  if (attempt === 0) return name
  const [stem, extension] = splitExtension(name)
  return `${stem} (${attempt})${extension}`
}
