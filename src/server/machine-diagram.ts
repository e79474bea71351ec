/** A machine's definition as a Mermaid state diagram, with the number of machines in each state when there is a node to count in. */
import type { AnyStateMachine } from 'xstate'

interface Transition {
  readonly target?: unknown
  readonly actions?: unknown
}

interface StateNode {
  readonly initial?: unknown
  readonly type?: unknown
  readonly on?: Readonly<Record<string, unknown>>
  readonly entry?: unknown
  readonly exit?: unknown
  readonly states?: Readonly<Record<string, StateNode>>
}

const listOf = (value: unknown): readonly unknown[] => (value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value])

/** Names of the effects among actions; assignments have no name that would tell anything. */
const effectsIn = (actions: unknown): readonly string[] =>
  listOf(actions).flatMap(action => {
    if (typeof action === 'string') return [action]
    if (typeof action === 'object' && action !== null && 'type' in action && typeof action.type === 'string') return [action.type]
    return []
  })

const transitionOf = (value: unknown): Transition => (typeof value === 'string' ? { target: value } : (value ?? {}))

/** A state's name as Mermaid's own identifier. */
const idOf = (path: readonly string[]): string => path.join('__').replace(/[^A-Za-z0-9_]/g, '_')

/** States by the names under which machines are printed: `outer.inner`. */
export type Population = ReadonlyMap<string, number>

const ANY = 'any_state'

/** Lines of one state and of all within it. `up` is the path of the state around it. */
const linesOf = (name: string, node: StateNode, up: readonly string[], population: Population): readonly string[] => {
  const path = [...up, name]
  const id = idOf(path)
  const inner = Object.entries(node.states ?? {})
  const lines: string[] = [...(id === name ? [] : [`state "${name}" as ${id}`])]
  if (inner.length > 0) {
    lines.push(`state ${id} {`)
    if (typeof node.initial === 'string') lines.push(`  [*] --> ${idOf([...path, node.initial])}`)
    for (const [below, state] of inner) lines.push(...linesOf(below, state, path, population).map(line => `  ${line}`))
    lines.push('}')
  }
  for (const [when, actions] of [
    ['entry', node.entry],
    ['exit', node.exit],
  ] as const) {
    const effects = effectsIn(actions)
    if (effects.length > 0) lines.push(`${id} : ${when} / ${effects.join(', ')}`)
  }
  lines.push(...edgesOf(id, node, up, path))
  if (node.type === 'final') lines.push(`${id} --> [*]`)
  const here = population.get(path.join('.'))
  if (here !== undefined && here > 0) lines.push(`note right of ${id} : ${here} here now`, `class ${id} inhabited`)
  return lines
}

/** A target is a sibling's name, a child's with a dot before it, or nothing for a transition that stays. */
const edgesOf = (from: string, { on }: StateNode, up: readonly string[], path: readonly string[]): readonly string[] =>
  Object.entries(on ?? {}).flatMap(([event, value]) =>
    listOf(value)
      .map(transitionOf)
      .map(({ target, actions }) => {
        const to =
          typeof target !== 'string' ? from : idOf(target.startsWith('.') ? [...path, ...target.slice(1).split('.')] : [...up, target])
        const effects = effectsIn(actions)
        return `${from} --> ${to} : ${event}${effects.length > 0 ? ` / ${effects.join(', ')}` : ''}`
      }),
  )

/** Draws a machine. `population` says how many machines are in which state now. */
export const diagramOf = (machine: AnyStateMachine, population: Population = new Map()): string => {
  const root = machine.config as StateNode
  const body = [
    ...(typeof root.initial === 'string' ? [`[*] --> ${idOf([root.initial])}`] : []),
    ...Object.entries(root.states ?? {}).flatMap(([name, node]) => linesOf(name, node, [], population)),
    ...(root.on === undefined ? [] : [`state "in any state" as ${ANY}`, ...edgesOf(ANY, root, [], [])]),
    ...([...population.values()].some(count => count > 0) ? ['classDef inhabited font-weight:bold,stroke-width:3px'] : []),
  ]
  return ['stateDiagram-v2', ...body.map(line => `  ${line}`)].join('\n')
}

/** All states of a machine by the names under which they are printed, outer ones only where they have none within. */
export const statesOf = (machine: AnyStateMachine): readonly string[] => {
  const below = (node: StateNode, path: readonly string[]): readonly string[] => {
    const inner = Object.entries(node.states ?? {})
    return inner.length === 0 ? [path.join('.')] : inner.flatMap(([name, state]) => below(state, [...path, name]))
  }
  return below(machine.config as StateNode, [])
}
