/** Lets a test look at the live fold of every node that starts: nothing of a running node shows it from outside. */
import { registerHooks } from 'node:module'
import type { NodeFold } from '../../src/server/replay.ts'

const replayFile = new URL('../../src/server/replay.ts', import.meta.url).href
const startFile = new URL('../../src/server/start.ts', import.meta.url).href
const watched = new URL('./watched-replay.ts', import.meta.url).href

/** The start of a node whose fold is handed to `folded`; otherwise it is `startNode` itself. Call once in a process. */
export const watchedStart = async (
  folded: (fold: NodeFold) => void,
): Promise<(typeof import('../../src/server/start.ts'))['startNode']> => {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context)
      return resolved.url === replayFile && context.parentURL === startFile ? { ...resolved, url: watched } : resolved
    },
  })
  const { onFold } = await import('./watched-replay.ts')
  onFold(folded)
  const { startNode } = await import('../../src/server/start.ts')
  hooks.deregister()
  return startNode
}
