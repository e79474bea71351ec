/** `wss://` of this machine: who is believed, what is said when nobody is, and a certificate that is renewed while others talk. */
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { readTls } from '../../../src/cli/tls-files.ts'
import type { Network } from '../../../src/ports/network.ts'
import { nodeNetwork } from '../../../src/ports/node/network.ts'
import { certifies, tlsProblem } from '../../../src/ports/node/tls.ts'
import { configSchema } from '../../../src/server/config.ts'
import { makeCertificate } from '../../helpers/certificates.ts'

const folder = t.testdir()
const [one, two] = [makeCertificate(folder, 'one'), makeCertificate(folder, 'two')]
const dialling = { timeoutMs: 5_000, maxBytes: 1_000 }
const quiet = () => ({ message: () => {}, malformed: () => {}, closed: () => {} })
/** Answers everything with itself. */
const echo = (network: Network) =>
  network.listen({ host: '127.0.0.1', port: 0, maxBytes: 1_000, maxSockets: 10 }, socket => ({
    ...quiet(),
    message: text => {
      socket.send([text])
    },
  }))
const ask = async (network: Network, url: string, text: string): Promise<string> => {
  const answer = Promise.withResolvers<string>()
  const socket = await network.dial(url, dialling, () => ({ ...quiet(), message: answer.resolve }))
  socket.send([text])
  const got = await answer.promise
  socket.close(1000, '')
  return got
}
const shownBy = async (port: number): Promise<string> => {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return String(CN)
}

t.test('a listener with a certificate speaks TLS to whoever trusts it, and to those who take any', async t => {
  const listener = await echo(nodeNetwork({ tls: one }))
  t.teardown(() => listener.close())
  t.equal(listener.tls, true)
  const url = `wss://127.0.0.1:${listener.port}`
  t.equal(await ask(nodeNetwork({ trust: { ca: one.cert } }), url, 'hello'), 'hello')
  t.equal(await ask(nodeNetwork({ trust: { any: true } }), url, 'x'.repeat(900)), 'x'.repeat(900))
  await t.rejects(nodeNetwork().dial(url, dialling, quiet), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT', message: /signed by nobody but itself/ })
  await t.rejects(
    nodeNetwork({ trust: { ca: two.cert } }).dial(url, dialling, quiet),
    { name: 'NetworkError' },
    'another certificate vouches for nothing',
  )
  await t.rejects(
    nodeNetwork().dial(url.replace('wss', 'ws'), dialling, quiet),
    { message: /wss:\/\// },
    'without TLS nothing is said there',
  )
})

t.test('TLS to a listener without it is a sentence', async t => {
  const listener = await echo(nodeNetwork())
  t.teardown(() => listener.close())
  t.equal(listener.tls, undefined)
  await t.rejects(nodeNetwork({ trust: { any: true } }).dial(`wss://127.0.0.1:${listener.port}`, dialling, quiet), {
    code: 'EPROTO',
    message: /does not speak TLS there: try ws:\/\//,
  })
})

t.test('a renewed certificate is shown to whoever comes next, and nobody is cut', async t => {
  const network = nodeNetwork({ tls: one, trust: { any: true } })
  const listener = await echo(network)
  t.teardown(() => listener.close())
  const answers: string[] = []
  const heard = Promise.withResolvers<undefined>()
  const open = await network.dial(`wss://127.0.0.1:${listener.port}`, dialling, () => ({
    ...quiet(),
    message: text => {
      answers.push(text)
      heard.resolve(undefined)
    },
  }))
  t.equal(await shownBy(listener.port), 'one')
  network.renew(two)
  t.equal(await shownBy(listener.port), 'two')
  open.send(['still here'])
  await heard.promise
  t.same(answers, ['still here'])
  open.terminate()
})

t.test('what is wrong with a certificate or its key is a sentence', t => {
  const now = Date.now()
  const year = 31_536_000_000
  t.equal(tlsProblem(one, now), undefined)
  t.match(tlsProblem({ cert: one.cert, key: two.key }, now), /does not belong/)
  t.match(tlsProblem({ cert: 'x', key: one.key }, now), /not one in PEM form/)
  t.match(tlsProblem({ cert: one.cert, key: 'x' }, now), /not a private key in PEM form/)
  t.match(
    tlsProblem({ cert: one.cert, key: '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----' }, now),
    /encrypted/,
  )
  t.match(tlsProblem(one, now + year), /expired on .*: renew it/)
  t.match(tlsProblem(one, now - year), /not valid before/)
  t.ok(certifies(one, '127.0.0.1') && certifies(one, 'localhost'))
  t.notOk(certifies(one, 'chat.example') || certifies(one, '10.0.0.1'))
  t.end()
})

t.test('certificate and key come from files beside the configuration, and a key that others may read is refused', async t => {
  const config = (tls: unknown, advertise?: string) => configSchema.parse({ tls, ...(advertise === undefined ? {} : { advertise }) })
  const file = `${folder}/config.yaml`
  const names = { cert: 'one.cert.pem', key: 'one.key.pem' }
  t.match(await readTls(config(names), file, Date.now()), {
    identity: { cert: one.cert, key: one.key },
    trust: { any: true },
    warning: undefined,
  })
  t.match(await readTls(config({ ca: 'two.cert.pem', verify_peers: true }), file, Date.now()), {
    identity: undefined,
    trust: { any: false, ca: two.cert },
  })
  t.match(await readTls(config(names, 'chat.example:1'), file, Date.now()), { warning: /does not name chat\.example/ })
  t.match(await readTls(config(undefined), file, Date.now()), { identity: undefined })
  await t.rejects(readTls(config({ ...names, cert: 'none.pem' }), file, Date.now()), { exitCode: 78, message: /no such file/ })
  await t.rejects(readTls(config({ ...names, key: 'two.key.pem' }), file, Date.now()), { exitCode: 78, message: /does not belong/ })
  await t.rejects(readTls(config({ ...names, cert: '.' }), file, Date.now()), { exitCode: 78, message: /not a PEM file/ })
  writeFileSync(`${folder}/open.pem`, one.key)
  chmodSync(`${folder}/open.pem`, 0o644)
  await t.rejects(readTls(config({ ...names, key: 'open.pem' }), file, Date.now()), {
    exitCode: 78,
    message: /Others may read the key .*chmod 600/,
  })
  t.match(configSchema.safeParse({ tls: { cert: 'a' } }).error?.issues, [{ message: 'cert and key belong together' }])
})
