/** A life with an operator at work on the log, killed after every durable write in turn: nothing is lost, and who was erased stays erased. */
import t from 'tap'
import { copyLog } from '../helpers/recovery-in-place.ts'
import { killAtEveryPoint, setStage } from '../helpers/recovery-points.ts'
import { liveOnce } from '../helpers/recovery-scenario.ts'
import { keepUp } from '../helpers/recovery-upkeep.ts'

const stage = await setStage(t)
// there is something to compact
const before = stage.newPlace('before')
const { how, stderr } = await liveOnce({ rig: stage.rig, data: before, keyOf: stage.keyOf, claim: () => undefined })
if (how !== 'through') throw new Error(stderr)

await killAtEveryPoint(t, stage, {
  begin: () => {
    const data = stage.rig.place('upkeep')
    copyLog(before, data)
    return data
  },
  lifetime: life => liveOnce(life, (server, _life, cleanups) => keepUp(server, life, cleanups)),
})
