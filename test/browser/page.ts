/** Runs in the browser: the suites of protocol and crypto over WebCrypto, one case after the other, each reported. */
import { openBlocks, sealBlocks } from '../../src/crypto/content.ts'
import { signPayload, verifyPayload } from '../../src/crypto/transport-signature.ts'
import { webCrypto } from '../../src/crypto/web-crypto.ts'
import { fromBase64Url, fromUtf8, utf8 } from '../../src/protocol/encoding.ts'
import { assertions } from '../suites/assertions.ts'
import { cryptoContentSuite } from '../suites/crypto-content-suite.ts'
import { cryptoSuite } from '../suites/crypto-suite.ts'
import type { Suite } from '../suites/environment.ts'
import { protocolSuite } from '../suites/protocol-suite.ts'
import { vectorsSuite } from '../suites/vectors-suite.ts'
import type { PageEnd, PageReports, PageSetup } from './contract.ts'

const reports = globalThis as unknown as PageReports
const fetched = async (path: string): Promise<string> => {
  const response = await fetch(path)
  if (!response.ok) throw new Error(`${path}: ${String(response.status)}`)
  return response.text()
}

const setup = JSON.parse(await fetched('/setup.json')) as PageSetup
const keys = setup.keys.map(text => fromBase64Url(text) ?? new Uint8Array())

const readVectors = async (): Promise<ReadonlyMap<string, unknown>> => {
  const read = async (name: string): Promise<readonly [string, unknown]> => {
    const text = await fetched(`/vectors/${name}`)
    if (!name.endsWith('.jsonl')) return [name, JSON.parse(text)]
    const lines = text.split('\n').filter(line => line !== '')
    return [name, lines.map(line => JSON.parse(line) as unknown)]
  }
  return new Map(await Promise.all(setup.vectors.map(read)))
}

/** Between Node and browser, both ways; each suite alone only shows that a port agrees with itself and the captures. */
const exchangeSuite: Suite = env => {
  env.test('what Node signed and sealed verifies and opens here', async () => {
    const crypto = webCrypto()
    const key = await crypto.importPrivateKey(keys[0] ?? new Uint8Array())
    const { signed, signature, sealed } = setup.fromNode
    env.equal(await verifyPayload(crypto, key.publicKey, signed, signature), true)
    env.equal(fromUtf8(await openBlocks(crypto, key, sealed)), signed)
  })
  env.test('a key made here obeys the rule and comes back from its PKCS#8', async () => {
    const crypto = webCrypto()
    const { privateKey, pkcs8 } = await crypto.generateKey()
    const again = await webCrypto().importPrivateKey(pkcs8)
    env.equal(again.publicKey.text, privateKey.publicKey.text)
    env.equal(await crypto.verify(again.publicKey, utf8('x'), await crypto.sign(privateKey, utf8('x'))), true)
  })
}

const run = async (): Promise<PageEnd> => {
  const vectors = await readVectors()
  const suites: Readonly<Record<string, Suite>> = {
    protocol: protocolSuite,
    crypto: cryptoSuite(webCrypto, keys),
    content: cryptoContentSuite(webCrypto, keys),
    'frames of other programs': vectorsSuite(webCrypto, setup.foreign),
    'Node and browser': exchangeSuite,
  }
  let made = 0
  for (const [suite, register] of Object.entries(suites)) {
    const cases: { readonly name: string; readonly run: () => void | Promise<void> }[] = []
    register({
      test: (name, run) => void cases.push({ name, run }),
      ...assertions(() => {
        made += 1
      }),
      vectors: name => {
        const found = vectors.get(name)
        if (found === undefined) throw new Error(`The page was not given ${name}.`)
        return found
      },
    })
    for (const { name, run } of cases) {
      await reports.reportStart(`${suite}: ${name}`)
      const [before, start] = [made, performance.now()]
      let error: string | undefined
      try {
        await run()
      } catch (thrown) {
        error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
      }
      await reports.reportCase({
        suite,
        name,
        assertions: made - before,
        ms: performance.now() - start,
        ...(error === undefined ? {} : { error }),
      })
    }
  }
  const crypto = webCrypto()
  const key = await crypto.importPrivateKey(keys[0] ?? new Uint8Array())
  const signed = '{"made":"in the browser"}'
  return {
    secure: (globalThis as unknown as { readonly isSecureContext: boolean }).isSecureContext,
    fromBrowser: {
      signed,
      signature: await signPayload(crypto, key, signed),
      sealed: await sealBlocks(crypto, key.publicKey, utf8(signed)),
    },
  }
}

await run().then(
  end => reports.reportEnd(end),
  (error: unknown) => reports.reportEnd({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
)
