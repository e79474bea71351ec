/** The entry of `socp`, in a checkout and in the package. */
import { exitCodes } from './failure.ts'
import { endWhenNobodyReads } from './output.ts'
import { runProgram } from './program.ts'

endWhenNobodyReads()
const exitCode = await runProgram(process.argv.slice(2)).catch((error: unknown) => {
  // a command may listen for rejections that nobody handles; Node would then end with 0, as if all were well
  process.stderr.write(`socp: a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return exitCodes.failed
})
// a command may have said already how it ended
if (exitCode !== 0 || process.exitCode === undefined) process.exitCode = exitCode
