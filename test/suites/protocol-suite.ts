/** All that src/protocol promises, for any runtime: Node under tap, browsers under the crypto tests' runner. */
import type { Suite } from './environment.ts'
import { aliasesSuite } from './protocol-aliases.ts'
import { canonicalSuite } from './protocol-canonical.ts'
import { dialectsSuite } from './protocol-dialects.ts'
import { encodingSuite } from './protocol-encoding.ts'
import { framesSuite } from './protocol-frames.ts'
import { jsonSuite } from './protocol-json.ts'
import { metaSuite } from './protocol-meta.ts'

/** Files of the captured wire data that the suite reads. */
export const protocolVectors: readonly string[] = [
  'canonical.json',
  ...['g43', 'fengyuan', 'g17', 'g69', 'admiral', 'functions'].flatMap(label => [`${label}.jsonl`, `${label}.expect.json`]),
]

export const protocolSuite: Suite = env => {
  for (const suite of [encodingSuite, jsonSuite, canonicalSuite, framesSuite, aliasesSuite, metaSuite, dialectsSuite]) suite(env)
}
