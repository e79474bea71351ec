/** What a node answers over HTTP while it starts, runs and stops. */
import t from 'tap'
import { HttpError, type HttpAnswer, type HttpPort, type HttpRequest } from '../../src/ports/http.ts'
import type { Exposition } from '../../src/ports/metrics.ts'
import { prometheus } from '../../src/ports/node/prometheus.ts'
import { createHealth, type Phase } from '../../src/server/health.ts'
import { startNode } from '../../src/testing/running-node.ts'
import { testKey } from '../helpers/test-keys.ts'

t.test('readiness follows the phase, the loop always answers, and other paths say what there is', async t => {
  let phase: Phase = 'starting'
  let made = 0
  const expose: Exposition = () => Promise.resolve({ type: 'text/x', text: `${(made += 1)}` })
  const none = () => ({})
  const ask = createHealth({ counters: none, gauges: none, distributions: none }, () => phase, expose)
  const get = (path: string) => ask({ method: 'GET', path })
  t.match(get('/healthz'), { status: 200 })
  t.match(get('/readyz'), { status: 503, body: 'starting\n' })
  phase = 'ready'
  t.match(get('/readyz'), { status: 200 })
  phase = 'stopping'
  t.match(get('/readyz'), { status: 503, body: 'stopping\n' })
  t.match(get('/healthz'), { status: 200 })
  t.match(get('/toString'), { status: 404, body: /\/healthz, \/readyz, \/metrics/ })
  t.match(
    await Promise.all([get('/metrics'), get('/metrics')]),
    [{ status: 200, type: 'text/x', body: '1' }, { body: '1' }],
    'made once for both',
  )
  t.match(await get('/metrics'), { body: '2' })
})

t.test('a node is not ready before it listens and while it stops, and frees the port when a start fails', async t => {
  const said: string[] = []
  let answer: ((request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>) | undefined
  const ready = async (): Promise<string> => ((await answer?.({ method: 'GET', path: '/readyz' }))?.body ?? 'nobody').trim()
  const http: HttpPort = {
    async listen(at, handle) {
      answer = handle
      said.push(await ready())
      return { ...at, close: () => Promise.resolve(void said.push('closed')) }
    },
  }
  const identity = { id: '00000000-0000-4000-8000-000000000001', pkcs8: (await testKey(1)).pkcs8 }
  const node = await startNode({ identity, config: { http: { port: 1 } }, monitor: { http, expose: prometheus() } })
  t.match(node.events, [{ event: 'ready', http: 'http://127.0.0.1:1' }])
  said.push(await ready())
  const stopped = node.stop()
  said.push(await ready())
  await stopped
  t.same(said.splice(0), ['starting', 'ready', 'stopping', 'closed'])
  const other = await startNode({ identity })
  await t.rejects(
    startNode({ identity, config: { http: { port: 1 }, port: Number(new URL(other.url).port) }, monitor: { http, expose: prometheus() } }),
  )
  t.same(said, ['starting', 'closed'])
  const taken: HttpPort = { listen: () => Promise.reject(new HttpError('taken')) }
  await t.rejects(startNode({ identity, config: { http: { port: 1 } }, monitor: { http: taken, expose: prometheus() } }), {
    name: 'HttpError',
  })
  await other.stop()
})
