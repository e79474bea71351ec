/** The second hundred, beside the first: a file of tests runs on one core. */
import { isLong } from '../helpers/recovery-scale.ts'
import { holdWorlds } from './many-worlds.ts'

holdWorlds({ from: isLong() ? 501 : 101, count: isLong() ? 500 : 100, larger: 2 })
