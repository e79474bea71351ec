/** The first hundred small worlds. */
import { isLong } from '../helpers/recovery-scale.ts'
import { holdWorlds } from './many-worlds.ts'

holdWorlds({ from: 1, count: isLong() ? 500 : 100, larger: 3 })
