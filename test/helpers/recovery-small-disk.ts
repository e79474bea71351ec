/** A real file system of a given size, in memory, for what happens when it is full. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Test } from 'tap'

export interface SmallDisk {
  readonly path: string
  /** Grows to so many KiB, as when somebody has made room. */
  grow(kib: number): void
}

const run = (command: readonly string[]): string | undefined => {
  // not everybody who runs tests may mount; some may by sudo
  for (const [program = '', ...args] of [command, ['sudo', '-n', ...command]]) {
    const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
    if (status === 0) return undefined
    if (program === 'sudo') return error?.message ?? stderr
  }
  return 'never tried'
}

/** Mounts it at `path`, which is made; it goes with the test. Throws, naming what is missing, where mounting is not allowed. */
export const smallDisk = (t: Test, path: string, kib: number): SmallDisk => {
  mkdirSync(path, { recursive: true })
  const refused = run(['mount', '-t', 'tmpfs', '-o', `size=${String(kib)}k,mode=1777`, 'tmpfs', path])
  if (refused !== undefined) throw new Error(`this test needs the right to mount a tmpfs (root, or sudo without a password): ${refused}`)
  t.teardown(() => {
    // its folder is removed after this: nothing may lie there any more
    run(['umount', '-l', path])
  })
  return {
    path,
    grow: wanted => {
      const refusal = run(['mount', '-o', `remount,size=${String(wanted)}k`, path])
      if (refusal !== undefined) throw new Error(refusal)
    },
  }
}
