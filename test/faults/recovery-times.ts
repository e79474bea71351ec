/** How long it took to be well again after each kind of fault, as a table. */
import type { Line } from './history.ts'

type Taken = Readonly<Record<'fault' | 'heal', readonly number[]>>

/** `part` from 0 to 1; the nearest that was measured, since few are. */
const quantile = (sorted: readonly number[], part: number): number | undefined => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]
const seconds = (ms: number | undefined): string => (ms === undefined ? '' : (ms / 1_000).toFixed(1))

/** Rows of kind, number, median and p99 from the fault, median and p99 from the heal: in Markdown, in seconds. */
export const recoveryTable = (runs: readonly (readonly Line[])[]): readonly string[] => {
  const kinds = new Map<string, { fault: number[]; heal: number[] }>()
  for (const line of runs.flat())
    if (line.what === 'recovered' && line.round > 0) {
      const taken = kinds.get(line.kind) ?? { fault: [], heal: [] }
      kinds.set(line.kind, taken)
      taken[line.after].push(line.tookMs)
    }
  const cells = (taken: Taken, after: keyof Taken): readonly string[] => {
    const sorted = taken[after].toSorted((a, b) => a - b)
    return [seconds(quantile(sorted, 0.5)), seconds(quantile(sorted, 0.99))]
  }
  const rows = [...kinds].map(([kind, taken]) => [kind, String(taken.heal.length), ...cells(taken, 'fault'), ...cells(taken, 'heal')])
  const head = ['fault', 'times', 'goes on, median', 'p99', 'healed, median', 'p99']
  return [head, head.map(() => '---'), ...rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))].map(row => `| ${row.join(' | ')} |`)
}
