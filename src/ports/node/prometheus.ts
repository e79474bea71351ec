/** Metrics in the text form of Prometheus, with those of this process beside the node's own. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Distribution, Exposition, MetricFamily, Sample } from '../metrics.ts'

/** What the registry writes of a histogram whose numbers were kept elsewhere: in Prometheus' form a bucket counts all that are below it too. */
const printed = (name: string, help: string, { bounds, counts, sum }: Distribution) => {
  let below = 0
  const buckets = [...bounds.map(String), '+Inf'].map((le, index) => {
    below += counts[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { le }, value: below }
  })
  const totals = [
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: below },
  ]
  return { name, help, type: 'histogram', values: [...buckets, ...totals] }
}

const labelNamesOf = (samples: readonly Sample[]): string[] => [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))]

const register = (registry: Registry, family: MetricFamily): void => {
  const { name, help } = family
  if (family.kind === 'histogram') {
    const { distribution } = family
    const histogram = new Histogram({ name, help, buckets: [...distribution.bounds], registers: [registry] })
    // the library keeps only what it is told one by one; ours is kept in the node
    Object.assign(histogram, { getForPromString: () => Promise.resolve(printed(name, help, distribution)) })
    return
  }
  const options = { name, help, labelNames: labelNamesOf(family.samples), registers: [registry] }
  if (family.kind === 'counter') {
    const counter = new Counter(options)
    for (const { labels, value } of family.samples) counter.inc({ ...labels }, value)
  } else {
    const gauge = new Gauge(options)
    for (const { labels, value } of family.samples) gauge.set({ ...labels }, value)
  }
}

/** For one process: its own metrics (`process_…`, `nodejs_…`) are measured from this call on. */
export const prometheus = (): Exposition => {
  const own = new Registry()
  collectDefaultMetrics({ register: own })
  return async families => {
    const registry = new Registry()
    for (const family of families) register(registry, family)
    return { type: registry.contentType, text: `${await registry.metrics()}\n${await own.metrics()}` }
  }
}
