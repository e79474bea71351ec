/** The entry of `socp`, in a checkout and in the package. */
import { exitCodes } from './failure.ts'
import { endWhenNobodyReads } from './output.ts'
import { runProgram } from './program.ts'

/** Killed with `kill -9`, whatever handed over to this Node takes it along: whoever did it meant this program, and may start it again. */
const endWithTheHandOver = (): void => {
  if (process.env['SOCP_HANDED_OVER'] === undefined || process.channel == null) return
  process.on('disconnect', () => {
    process.kill(process.pid, 'SIGKILL')
  })
  // it must not keep a program up that is done
  process.channel.unref()
}

endWithTheHandOver()
endWhenNobodyReads()
const exitCode = await runProgram(process.argv.slice(2)).catch((error: unknown) => {
  // a command may listen for rejections that nobody handles; Node would then end with 0, as if all were well
  process.stderr.write(`socp: a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return exitCodes.failed
})
// a command may have said already how it ended
if (exitCode !== 0 || process.exitCode === undefined) process.exitCode = exitCode
