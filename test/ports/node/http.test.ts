/** The HTTP port of this machine: GET and HEAD, small and short, whatever comes. */
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { nodeHttp } from '../../../src/ports/node/http.ts'

t.plan(3)

t.test('GET and HEAD are answered, everything else is refused without being read', async t => {
  const asked: string[] = []
  const reported: unknown[] = []
  const http = await nodeHttp({ report: error => reported.push(error) }).listen({ host: '127.0.0.1', port: 0 }, ({ method, path }) => {
    asked.push(`${method} ${path}`)
    if (path === '/bug') throw new Error('a bug')
    return { status: 200, type: 'text/plain', body: 'hello' }
  })
  t.teardown(() => http.close())
  const at = `http://${http.host}:${http.port}`
  const got = await fetch(`${at}/metrics?x=1`)
  t.same([got.status, got.headers.get('content-type'), await got.text()], [200, 'text/plain', 'hello'])
  const head = await fetch(at, { method: 'HEAD' })
  t.same([head.status, head.headers.get('content-length'), await head.text()], [200, '5', ''])
  const post = await fetch(at, { method: 'POST', body: 'x'.repeat(100_000) }).catch(() => undefined)
  if (post !== undefined) t.same([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
  const bug = await fetch(`${at}/bug`)
  t.same([bug.status, (await bug.text()).includes('a bug')], [500, false], 'an error says nothing to whoever asked')
  t.match(reported, [{ message: 'a bug' }])
  t.same(asked, ['GET /metrics', 'HEAD /', 'GET /bug'])
})

t.test('a request that is too large or no HTTP is cut', async t => {
  const http = await nodeHttp({ report: () => {} }).listen({ host: '127.0.0.1', port: 0 }, () => ({
    status: 200,
    type: 'text/plain',
    body: '',
  }))
  t.teardown(() => http.close())
  for (const text of [`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, '\u0016\u0003\u0001\u0000nonsense\r\n\r\n']) {
    const socket = connect(http.port, http.host)
    socket.on('error', () => {})
    socket.resume()
    socket.write(text)
    await once(socket, 'close')
    t.pass('closed')
  }
})

t.test('a port that is taken is a sentence', async t => {
  const port = nodeHttp({ report: () => {} })
  const answer = () => ({ status: 200, type: 'text/plain', body: '' })
  const first = await port.listen({ host: '127.0.0.1', port: 0 }, answer)
  t.teardown(() => first.close())
  await t.rejects(port.listen({ host: '127.0.0.1', port: first.port }, answer), {
    name: 'HttpError',
    message: `Cannot listen on 127.0.0.1:${first.port} for health and metrics: another program listens there.`,
  })
})
