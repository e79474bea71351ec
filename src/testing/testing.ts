/** The entry `socp-node/testing`: all that people who embed a node need to test what they build on it. See docs/testing.md. */
export { type Given, type Plain, type PlainFact, startedAt, type Told } from './facts.ts'
export { foldFacts, type FoldStart, type FoldUnderTest } from './fold.ts'
export { type Comparison, compareWithGolden, type FactsToFold, type Golden, goldenOf } from './golden.ts'
export { type MachineUnderTest, startMachine } from './machine.ts'
export { type GoldenLog, readGoldenLog, writeGoldenLog } from './node-golden-log.ts'
export { newIdentity, startNode, type TestIdentity, type TestNode, type TestNodeOptions, type Wanted } from './running-node.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
