/** Shows that something long is going on, to whoever sits at a terminal. */
import { spinner } from '@clack/prompts'

/** Runs `work` with a spinner on standard error if that is a terminal; standard output stays for data. */
export const whileWaiting = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  if (!process.stderr.isTTY) return await work()
  const sign = spinner({ output: process.stderr })
  sign.start(what)
  try {
    const result = await work()
    sign.stop(`${what}: done`)
    return result
  } catch (error) {
    sign.error(`${what}: failed`)
    throw error
  }
}
