/** What no machine may contain: time, children, messages, and effects that nobody listed. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { createMachine, raise, sendTo, type AnyStateMachine } from 'xstate'

const folder = new URL('../../src/machines/', import.meta.url)
const modules = await Promise.all(
  readdirSync(folder)
    .filter(name => name.endsWith('.ts'))
    .map(async name => ({ name, exports: (await import(new URL(name, folder).href)) as Record<string, unknown> })),
)

interface Definition {
  readonly name: string
  readonly machine: AnyStateMachine
  readonly effects: readonly string[]
}
const definitions = modules.flatMap(({ name, exports }): Definition[] => {
  const machine = Object.entries(exports).find(([key]) => key.endsWith('Machine'))?.[1] as AnyStateMachine | undefined
  const effects = Object.entries(exports).find(([key]) => key.endsWith('Effects'))?.[1] as readonly string[] | undefined
  return machine ? [{ name, machine, effects: effects ?? [] }] : []
})

/** Every sentence about what `config` holds and may not. */
const faults = (config: unknown, effects: readonly string[], path = ''): string[] => {
  if (Array.isArray(config)) return config.flatMap((item, index) => faults(item, effects, `${path}[${index}]`))
  if (typeof config === 'function') {
    const builtin = (config as { type?: string }).type
    // functions are assignments, contexts and params; XState marks its own actions with a type
    return builtin === undefined || builtin === 'xstate.assign' ? [] : [`${path} is ${builtin}`]
  }
  if (typeof config !== 'object' || config === null) return []
  const named = 'params' in config && 'type' in config ? [String(config.type)] : []
  const unlisted = named.filter(effect => !effects.includes(effect)).map(effect => `${path} names ${effect}, which is not listed`)
  const inner = Object.entries(config).flatMap(([key, value]) =>
    ['after', 'invoke', 'spawn', 'always'].includes(key) ? [`${path} has ${key}`] : faults(value, effects, `${path}.${key}`),
  )
  return [...unlisted, ...inner]
}

t.test('every machine of the folder is looked at', async t => {
  const names = definitions.map(({ name }) => name)
  for (const name of ['bootstrap.ts', 'link.ts', 'session.ts', 'transfer.ts']) t.ok(names.includes(name), name)
})

for (const { name, machine, effects } of definitions)
  t.test(`${name} holds modes, assignments and listed effects, and nothing that runs by itself`, async t => {
    t.same(faults(machine.config, effects), [])
    t.ok(effects.length > 0, 'its effects are listed')
  })

for (const { name, machine, effects } of definitions)
  t.test(`${name} names every effect that it lists`, async t => {
    const text: string[] = []
    JSON.stringify(machine.config, (key, value: unknown) => {
      if (key === 'type' && typeof value === 'string') text.push(value)
      return value
    })
    t.same(
      effects.filter(effect => !text.includes(effect)),
      [],
    )
  })

t.test('the walk finds what it looks for', async t => {
  const bad = createMachine({
    initial: 'a',
    states: {
      a: { after: { 10: 'b' }, entry: raise({ type: 'x' }, { delay: 5 }) },
      b: { invoke: { src: 'someone' }, on: { x: { actions: [sendTo('someone', { type: 'y' }), { type: 'unheard', params: {} }] } } },
    },
  })
  t.same(faults(bad.config, []), [
    '.states.a has after',
    '.states.a.entry is xstate.raise',
    '.states.b has invoke',
    '.states.b.on.x.actions[0] is xstate.sendTo',
    '.states.b.on.x.actions[1] names unheard, which is not listed',
  ])
})
