/** Compiles `src` to `dist` for the package; nothing in a checkout runs from there. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
// what was deleted in src must not live on in the package
rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { cwd: root, stdio: ['ignore', 2, 2] })
process.exitCode = status ?? 1
