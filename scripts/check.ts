/** `npm run check`: types, lint, format, dependency rules and dead code, two at a time; says which failed. */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

interface Check {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

/** The slowest first, so that two run beside each other for as long as possible. */
const checks: readonly Check[] = [
  { name: 'lint', command: 'eslint', args: ['--max-warnings=0', '.'] },
  { name: 'types', command: 'tsc', args: ['--noEmit', '-p', '.'] },
  { name: 'types of what browsers run', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.browser.json'] },
  { name: 'dependency rules', command: 'depcruise', args: ['--config', '.dependency-cruiser.cjs', '--output-type', 'err', 'src'] },
  { name: 'dead code', command: 'knip', args: ['--no-progress'] },
  { name: 'format', command: 'prettier', args: ['--check', '--log-level=warn', '.'] },
]

/** Runs one check to its end; answers what it printed and whether it passed. */
const run = ({ command, args }: Check): Promise<{ readonly passed: boolean; readonly text: string }> =>
  new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.stderr.on('data', (part: Buffer) => parts.push(part))
    child.on('error', error => resolve({ passed: false, text: error.message }))
    child.on('close', code => resolve({ passed: code === 0, text: Buffer.concat(parts).toString('utf8').trim() }))
  })

const queue = [...checks]
const failed: string[] = []

const work = async (): Promise<void> => {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const begin = performance.now()
    const { passed, text } = await run(check)
    console.log(`${passed ? 'ok' : 'FAILED'}  ${check.name} (${((performance.now() - begin) / 1000).toFixed(1)} s)`)
    if (passed) continue
    failed.push(check.name)
    if (text !== '') console.log(text)
  }
}

await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
if (failed.length > 0) {
  console.log(`Failed: ${failed.join(', ')}.`)
  process.exitCode = 1
}
