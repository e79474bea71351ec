/** Stands in for `src/server/replay.ts` in a watched start: the same fold, shown to whoever asked. */
import { createNodeFold as create, type NodeFold } from '../../src/server/replay.ts'

let show: (fold: NodeFold) => void = () => {}

export const onFold = (folded: (fold: NodeFold) => void): void => {
  show = folded
}

export const createNodeFold = (): NodeFold => {
  const fold = create()
  show(fold)
  return fold
}
