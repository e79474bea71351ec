/** What a node answers over HTTP: whether its loop lives, whether it takes work, and its metrics. */
import type { HttpAnswer, HttpRequest } from '../ports/http.ts'
import type { Exposition } from '../ports/metrics.ts'
import { metricsOf } from './metrics.ts'
import type { Vitals } from './vitals.ts'

/** `starting`: the log is read or nothing listens yet. */
export type Phase = 'starting' | 'ready' | 'stopping'

const text = (status: number, line: string): HttpAnswer => ({ status, type: 'text/plain; charset=utf-8', body: `${line}\n` })

/** Answers the three paths; `metrics` are made once for all who ask meanwhile. */
export const createHealth = (
  vitals: Pick<Vitals, 'counters' | 'gauges' | 'distributions'>,
  phase: () => Phase,
  expose: Exposition,
): ((request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>) => {
  let making: Promise<HttpAnswer> | undefined
  const metrics = async (): Promise<HttpAnswer> => {
    try {
      const { type, text: body } = await expose(metricsOf(vitals))
      return { status: 200, type, body }
    } finally {
      making = undefined
    }
  }
  const paths: Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>> = {
    '/healthz': () => text(200, 'ok'),
    '/readyz': () => (phase() === 'ready' ? text(200, 'ready') : text(503, phase())),
    '/metrics': () => (making ??= metrics()),
  }
  return ({ path }) =>
    Object.hasOwn(paths, path) ? (paths[path]?.() ?? text(404, '')) : text(404, `There are ${Object.keys(paths).join(', ')} here.`)
}
