/** A copy of this program with a mistake planted in it, whose simulator runs as a program of its own. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parsePatch, patched } from './patch.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Mutant {
  /** Plants a mistake, and takes the one before away: the text of a unified diff against `src/`. */
  plant(patch: string): void
  /** Runs worlds from the seed `from` on, until `caught` says yes or `most` were run; answers that seed, or undefined. */
  search(
    options: { readonly from: number; readonly most: number; readonly world: readonly string[] },
    caught: (violated: readonly string[]) => boolean,
  ): Promise<number | undefined>
  remove(): void
}

interface Line {
  readonly seed: number
  readonly violations: readonly { readonly invariant: string }[]
}

/** One copy for one mistake after the other, for what Node compiled of it is good for the next. */
export const copyProgram = (): Mutant => {
  const folder = mkdtempSync(join(tmpdir(), 'socp-mutant-'))
  for (const part of ['src', 'migrations', 'package.json']) cpSync(join(root, part), join(folder, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const planted = new Set<string>()
  return {
    plant(patch) {
      for (const path of planted) cpSync(join(root, path), join(folder, path))
      planted.clear()
      for (const file of parsePatch(patch)) {
        planted.add(file.path)
        writeFileSync(join(folder, file.path), patched(readFileSync(join(root, file.path), 'utf8'), file))
      }
    },
    async search({ from, most, world }, caught) {
      const args = ['src/cli/main.ts', 'simulate', '--seed', String(from), '--seeds', String(most), '--json', ...world]
      const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') }
      const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
      let said = ''
      child.stderr.on('data', (part: Buffer) => (said = `${said}${part.toString()}`.slice(-2_000)))
      const ended = new Promise<number | null>(resolve => child.once('close', resolve))
      for await (const line of createInterface({ input: child.stdout })) {
        const { seed, violations } = JSON.parse(line) as Line
        if (!caught(violations.map(({ invariant }) => invariant))) continue
        child.kill('SIGKILL')
        await ended
        return seed
      }
      const code = await ended
      if (code !== 0 && code !== 1) throw new Error(`the simulator ended with ${String(code)}: ${said}`)
      return undefined
    },
    remove() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
