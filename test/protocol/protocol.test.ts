/** The protocol suite in Node; the same cases run in a browser. */
import t from 'tap'
import { protocolSuite } from '../suites/protocol-suite.ts'
import { runUnderTap } from '../suites/tap-environment.ts'

runUnderTap(t, protocolSuite)
