/** How the benches measure and print: the processor's time beside the wall's, because other work runs on the same machine. */

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

export interface Spent {
  /** Seconds that all threads of this process computed, and seconds that went by. */
  readonly cpu: number
  readonly wall: number
}

export const spent = async (body: () => unknown): Promise<Spent> => {
  const began = { cpu: process.cpuUsage(), wall: performance.now() }
  await body()
  const { user, system } = process.cpuUsage(began.cpu)
  return { cpu: (user + system) / 1e6, wall: (performance.now() - began.wall) / 1e3 }
}

export const cpuSeconds = async (body: () => unknown): Promise<number> => (await spent(body)).cpu

export const lines = (texts: readonly string[]): void => {
  for (const text of texts) process.stdout.write(`${text}\n`)
}
