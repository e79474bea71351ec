/** Preloaded by `npm run test:long`: property tests that do not say how often they run do so 100 times as often. */
import fc from 'fast-check'

fc.configureGlobal({ numRuns: 10_000 })
