/** The suites of protocol and crypto in headless Chromium, so that a web client can stand on them. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import t from 'tap'
import { openBlocks, sealBlocks } from '../../src/crypto/content.ts'
import { nodeCrypto } from '../../src/crypto/node-crypto.ts'
import { signPayload, verifyPayload } from '../../src/crypto/transport-signature.ts'
import { fromUtf8, utf8 } from '../../src/protocol/encoding.ts'
import { interopFolder, testKey } from '../helpers/test-keys.ts'
import { captures } from '../suites/captured.ts'
import { protocolVectors } from '../suites/protocol-suite.ts'
import { bundleForBrowser } from './bundle.ts'
import type { Made, PageCase, PageEnd, PageReports, PageSetup } from './contract.ts'
import { serve, type Served } from './serve.ts'

const PAGE_MS = 180_000
t.setTimeout(PAGE_MS + 30_000)

const executablePath = process.env['SOCP_CHROMIUM'] ?? '/usr/bin/chromium'
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const protocolFolder = new URL('../../src/protocol/', import.meta.url)
const vectorFiles = [
  ...new Set([...protocolVectors, ...captures.flatMap(label => ['jsonl', 'expect.json', 'keys.json'].map(end => `${label}.${end}`))]),
]

const keys = [await testKey(0), await testKey(1)] as const
const crypto = nodeCrypto()
const key = await keys[0].privateKey(crypto)

const made = async (signed: string): Promise<Made> => ({
  signed,
  signature: await signPayload(crypto, key, signed),
  sealed: await sealBlocks(crypto, key.publicKey, utf8(signed)),
})

/** The page's entry and every file of src/protocol, whether a suite reaches it or not. */
const entry = (): string =>
  [
    "import './test/browser/page.ts'",
    ...readdirSync(protocolFolder)
      .filter(name => name.endsWith('.ts'))
      .map((name, at) => `export * as protocol${String(at)} from './src/protocol/${name}'`),
  ].join('\n')

/** Runs the page to its end, or to the end of its time; answers all that it reported. */
const runPage = async (url: string): Promise<{ cases: PageCase[]; end: PageEnd | undefined; failures: string[] }> => {
  const cases: PageCase[] = []
  const failures: string[] = []
  let started = 'loading the page'
  const browser = await chromium.launch({ executablePath, args, headless: true })
  try {
    const page = await browser.newPage()
    page.on('pageerror', error => failures.push(`error in the page: ${error.message}`))
    page.on('console', message => message.type() === 'error' && failures.push(`console: ${message.text()}`))
    const ended = new Promise<PageEnd | { readonly failure: string }>((resolve, reject) => {
      const reports: PageReports = {
        reportStart: async name => void (started = name),
        reportCase: async result => void cases.push(result),
        reportEnd: async end => resolve(end),
      }
      setTimeout(() => reject(new Error(`not done after ${String(PAGE_MS)} ms, at: ${started}`)), PAGE_MS).unref()
      browser.on('disconnected', () => reject(new Error(`Chromium ended by itself, at: ${started}`)))
      const exposed = Object.entries(reports).map(([name, report]) => page.exposeFunction(name, report))
      Promise.all(exposed)
        .then(() => page.goto(url), reject)
        .catch(reject)
    })
    const end = await ended
    if ('failure' in end) failures.push(end.failure)
    return { cases, end: 'failure' in end ? undefined : end, failures }
  } catch (error) {
    return { cases, end: undefined, failures: [...failures, String(error)] }
  } finally {
    await browser.close()
  }
}

void t.test('nothing of protocol and crypto for browsers needs Node', async t => {
  const { inputs } = await bundleForBrowser(entry())
  t.ok(inputs.includes('src/crypto/web-crypto.ts'))
  for (const name of readdirSync(protocolFolder)) t.ok(inputs.includes(`src/protocol/${name}`), name)
  const suites = readdirSync(new URL('../suites/', import.meta.url)).filter(name => name.endsWith('-suite.ts'))
  for (const name of suites) t.ok(inputs.includes(`test/suites/${name}`), `${name} runs in the browser too`)
  t.same(
    inputs.filter(name => /(^|\/)node-|node:/.test(name)),
    [],
  )
  await t.rejects(bundleForBrowser("export * from './src/crypto/node-crypto.ts'"), { message: /node:crypto/ }, 'and the check would notice')
})

void t.test('the suites in Chromium', async t => {
  if (!existsSync(executablePath)) {
    t.fail(`Chromium is missing at ${executablePath}: install it (apt-get install -y chromium), or set SOCP_CHROMIUM to where it is.`)
    return
  }
  if (!existsSync(interopFolder)) {
    t.fail('The captured wire data is missing: put its folder at ../shared/interop beside this repository.')
    return
  }
  const setup: PageSetup = {
    keys: keys.map(({ pkcs8 }) => Buffer.from(pkcs8).toString('base64url')),
    foreign: (await testKey(1000)).publicText,
    vectors: vectorFiles,
    fromNode: await made('{"made":"in Node ✓"}'),
  }
  const { code } = await bundleForBrowser(entry())
  const files = new Map<string, Served>([
    ['/', { type: 'text/html', body: '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>' }],
    ['/page.js', { type: 'text/javascript', body: code }],
    ['/setup.json', { type: 'application/json', body: JSON.stringify(setup) }],
    ...vectorFiles.map(name => [`/vectors/${name}`, { type: 'application/json', body: readFileSync(interopFolder + name) }] as const),
  ])
  const server = await serve(path => files.get(path))
  const { cases, end, failures } = await runPage(server.url)
  await server.close()

  for (const { suite, name, assertions, ms, error } of cases) {
    void t.test(`${suite}: ${name}`, t => {
      t.equal(error, undefined)
      t.ok(assertions > 0 || error !== undefined, `${String(assertions)} assertions in ${ms.toFixed(0)} ms`)
      t.end()
    })
  }
  t.same(failures, [], 'the page ran to its end without an error outside a case')
  t.ok(cases.length > 50, `${String(cases.length)} cases`)
  t.equal(end?.secure, true, 'in a secure context')
  const { signed, signature, sealed } = end?.fromBrowser ?? { signed: '', signature: '', sealed: '' }
  t.equal(await verifyPayload(crypto, key.publicKey, signed, signature), true, 'Node verifies what the browser signed')
  t.equal(fromUtf8(await openBlocks(crypto, key, sealed)), signed, 'Node opens what the browser sealed')
})
