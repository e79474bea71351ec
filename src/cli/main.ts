/** The entry of `socp`, in a checkout and in the package. */
import { endWhenNobodyReads } from './output.ts'
import { runProgram } from './program.ts'

endWhenNobodyReads()
const exitCode = await runProgram(process.argv.slice(2))
// a command may have said already how it ended
if (exitCode !== 0 || process.exitCode === undefined) process.exitCode = exitCode
