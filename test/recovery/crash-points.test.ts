/** The first life of a server, killed after every durable write in turn: what was acknowledged is there, and it serves again. */
import t from 'tap'
import { killAtEveryPoint, setStage } from '../helpers/recovery-points.ts'
import { liveOnce } from '../helpers/recovery-scenario.ts'

const stage = await setStage(t)
await killAtEveryPoint(t, stage, { begin: () => stage.newPlace('first'), lifetime: life => liveOnce(life) })
