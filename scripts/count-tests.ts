/**
 * Reads TAP from standard input and tells how it went: what failed or did not run on standard error, and two numbers of
 * assertions, passed and failed, on standard output. A skipped or unfinished test counts as failed: nothing is skipped silently.
 */
import { Parser, type FinalResults, type Result } from 'tap-parser'

interface Tally {
  passed: number
  failed: number
}

const complain = (what: string, { fullname }: Result, why: unknown): void => {
  process.stderr.write(`${what}: ${fullname}${typeof why === 'string' ? ` (${why})` : ''}\n`)
}

/** Counts the leaves below a parser. A subtest that failed without a failed leaf (a time-out, a crash) counts as one. */
const count = (parser: Parser): Tally => {
  const tally: Tally = { passed: 0, failed: 0 }
  let last: Tally = { passed: 0, failed: 0 }
  parser.on('child', (child: Parser) => (last = count(child)))
  parser.on('assert', (result: Result) => {
    const below = result.closingTestPoint ? last : { passed: 0, failed: 0 }
    tally.passed += below.passed
    tally.failed += below.failed
    last = { passed: 0, failed: 0 }
    if (result.skip !== false || result.todo !== false) {
      tally.failed += 1
      complain(result.skip === false ? 'unfinished' : 'skipped', result, result.skip === false ? result.todo : result.skip)
    } else if (!result.ok && below.failed === 0) {
      tally.failed += 1
      complain('failed', result, result.tapError)
    } else if (!result.closingTestPoint) tally.passed += 1
  })
  return tally
}

const parser = new Parser()
const tally = count(parser)
const ok = await new Promise<boolean>(resolve => {
  parser.on('complete', ({ ok, bailout }: FinalResults) => resolve(ok && bailout === false))
  process.stdin.pipe(parser)
})
if (tally.failed === 0 && (!ok || tally.passed === 0)) {
  process.stderr.write(ok ? 'failed: no test ran\n' : 'failed: the run broke off before its end\n')
  tally.failed = 1
}
process.stdout.write(`${String(tally.passed)} ${String(tally.failed)}\n`)
