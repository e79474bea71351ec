/** Metrics of a node: which numbers there are, and under which names they are exposed. */
import t from 'tap'
import type { MetricFamily } from '../../src/ports/metrics.ts'
import { prometheus } from '../../src/ports/node/prometheus.ts'
import { metricsOf } from '../../src/server/metrics.ts'
import { createMesh, startPair } from './mesh.ts'
import { attachUser } from './user.ts'

t.test('a node counts and measures itself in plain numbers', async t => {
  const mesh = createMesh(t)
  const [first, second] = await startPair(mesh)
  const ann = await attachUser(mesh, first, 3)
  await attachUser(mesh, second, 4)
  await mesh.pass(20_000)
  const gauges = first.running.gauges()
  t.match(gauges, {
    'links linked': 1,
    'sessions attached': 1,
    'sessions detached': 0,
    'users online': 2,
    'users here': 1,
    'kept members': 1,
    'kept pins': 2,
    'signing_queue file': 0,
    'refusing file': 0,
    append_queue: 0,
    epoch: 1,
    signing_rate: Number,
  })
  t.ok(Object.values(gauges).every(Number.isFinite))
  const counters = first.running.counters()
  for (const name of ['signed control', 'signed heartbeat', 'verified HEARTBEAT', 'received USER_HELLO', 'recorded fact'])
    t.ok((counters[name] ?? 0) > 0, name)
  t.equal(counters['restarted links'], 0, 'what never happened is shown')
  const { append } = first.running.distributions()
  t.ok((append?.counts.reduce((sum, n) => sum + n, 0) ?? 0) > 0)
  ann.drop()
  await mesh.quiet()
  t.match(first.running.gauges(), { 'sessions attached': 0, 'sessions detached': 1 })
})

t.test('every number has a metric whose name says unit and kind', async t => {
  const mesh = createMesh(t)
  const [first] = await startPair(mesh)
  const families = metricsOf({ ...first.running, counters: () => ({ ...first.running.counters(), 'something new': 1 }) })
  const names = families.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  for (const family of families) {
    t.match(family.name, /^socp_[a-z_]+$/)
    t.equal(family.name.endsWith('_total'), family.kind === 'counter', family.name)
    t.match(family.help, /^[A-Z].*\.$/)
  }
  const wanted = [
    'links',
    'sessions',
    'signing_queue_depth',
    'mailbox_messages',
    'append_queue_facts',
    'signatures_total',
    'verifies_total',
  ]
  const more = [
    'refusals_total',
    'append_seconds',
    'loop_lag_seconds',
    'actor_restarts_total',
    'dead_letters_total',
    'users',
    'log_bytes',
    'epoch',
  ]
  for (const name of [...wanted, ...more]) t.ok(names.includes(`socp_${name}`), name)
  t.ok(names.includes('socp_something_total'), 'a counter that nobody described is not lost')
})

t.test('Prometheus reads counters, gauges and histograms whose buckets add up', async t => {
  const families: readonly MetricFamily[] = [
    { kind: 'gauge', name: 'socp_links', help: 'Links.', samples: [{ labels: { state: 'a "quoted"\nword' }, value: 2 }] },
    { kind: 'counter', name: 'socp_refusals_total', help: 'Refusals.', samples: [{ labels: { reason: 'stale' }, value: 3 }] },
    { kind: 'counter', name: 'socp_closed_total', help: 'Closed.', samples: [] },
    { kind: 'histogram', name: 'socp_append_seconds', help: 'Appends.', distribution: { bounds: [0.1, 1], counts: [2, 1, 4], sum: 9 } },
  ]
  const { type, text } = await prometheus()(families)
  t.match(type, /^text\/plain; version=0\.0\.4/)
  const lines = text.split('\n')
  for (const line of [
    '# TYPE socp_links gauge',
    'socp_links{state="a \\"quoted\\"\\nword"} 2',
    '# TYPE socp_refusals_total counter',
    'socp_refusals_total{reason="stale"} 3',
    '# TYPE socp_append_seconds histogram',
    'socp_append_seconds_bucket{le="0.1"} 2',
    'socp_append_seconds_bucket{le="1"} 3',
    'socp_append_seconds_bucket{le="+Inf"} 7',
    'socp_append_seconds_sum 9',
    'socp_append_seconds_count 7',
  ])
    t.ok(lines.includes(line), line)
  t.ok(
    lines.some(line => line.startsWith('process_resident_memory_bytes ')),
    'those of the process beside them',
  )
})
