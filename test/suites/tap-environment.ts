/** Runs a runtime-neutral suite under tap, with the captured wire data read from the disk. */
import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { assertions } from './assertions.ts'
import type { Suite } from './environment.ts'

const directory = new URL('../../../shared/interop/', import.meta.url)

/** A file of the captured wire data: `.json` parsed, `.jsonl` as an array of its parsed lines. */
export const readVectors = (name: string): unknown => {
  const text = readFileSync(new URL(name, directory), 'utf8')
  if (!name.endsWith('.jsonl')) return JSON.parse(text)
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as unknown)
}

/** Registers every case of `suite` as a subtest; a case that asserts nothing fails. */
export const runUnderTap = (t: Test, suite: Suite): void => {
  let made = 0
  suite({
    test: (name, run) => {
      void t.test(name, async sub => {
        const before = made
        await run()
        sub.ok(made > before, 'asserted something')
      })
    },
    ...assertions(() => {
      made += 1
    }),
    vectors: readVectors,
  })
}
