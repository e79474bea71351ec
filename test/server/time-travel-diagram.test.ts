/** Machines as Mermaid diagrams: every state and transition of every definition is in the picture, and where the machines are. */
import t from 'tap'
import { setup } from 'xstate'
import { bootstrapMachine } from '../../src/machines/bootstrap.ts'
import { clientTransferMachine } from '../../src/machines/client-transfer.ts'
import { linkMachine } from '../../src/machines/link.ts'
import { sessionMachine } from '../../src/machines/session.ts'
import { transferMachine } from '../../src/machines/transfer.ts'
import { diagramOf, statesOf } from '../../src/server/machine-diagram.ts'

const machines = { linkMachine, sessionMachine, transferMachine, bootstrapMachine, clientTransferMachine }
/** The lines that Mermaid's state diagrams are made of here. */
const LINE =
  /^(?:stateDiagram-v2|\s+(?:\[\*\] --> \w+|\w+ --> (?:\w+ : .+|\[\*\])|\w+ : .+|state "[^"]+" as \w+|state \w+ \{|\}|note right of \w+ : \d+ here now|class \w+ inhabited|classDef .+))$/

t.test('every state and every transition is drawn', async t => {
  for (const [name, machine] of Object.entries(machines)) {
    const text = diagramOf(machine)
    for (const line of text.split('\n')) t.match(line, LINE, `${name}: ${line}`)
    const config = machine.config as { states: Record<string, { on?: object }>; on?: object }
    for (const [state, { on = {} }] of Object.entries(config.states)) {
      t.match(text, new RegExp(`\\b${state}\\b`), `${name} has ${state}`)
      for (const event of Object.keys(on))
        t.match(text, new RegExp(`${state} --> \\w+ : ${event.replace('.', '\\.')}`), `${name}: ${event} in ${state}`)
    }
    for (const event of Object.keys(config.on ?? {})) t.match(text, new RegExp(`any_state --> \\w+ : ${event.replace('.', '\\.')}`), name)
  }
})

t.test('a session reads as its machine does', async t => {
  const text = diagramOf(sessionMachine)
  for (const line of [
    '[*] --> absent',
    'absent --> attached : session.attached',
    'attached --> attached : session.attached / closeReplacedSocket',
    'detached : entry / armGrace',
    'ended --> [*]',
  ])
    t.ok(text.includes(`  ${line}\n`) || text.endsWith(line), line)
})

t.test('where machines are is noted beside their states', async t => {
  const text = diagramOf(linkMachine, new Map([['linked', 3]]))
  t.match(text, 'note right of linked : 3 here now')
  t.match(text, 'class linked inhabited')
  t.notMatch(diagramOf(linkMachine), 'inhabited')
})

t.test('states within states are drawn within them', async t => {
  const nested = setup({}).createMachine({
    initial: 'outer',
    states: {
      outer: { initial: 'in', states: { in: { on: { go: 'other-one' } }, 'other-one': {} }, on: { stop: 'end' } },
      end: { type: 'final' },
    },
  })
  const text = diagramOf(nested, new Map([['outer.in', 1]]))
  for (const line of text.split('\n')) t.match(line, LINE, line)
  t.match(text, 'outer__in --> outer__other_one : go')
  t.match(text, 'outer --> end : stop')
  t.match(text, 'note right of outer__in : 1 here now')
  t.same(statesOf(nested), ['outer.in', 'outer.other-one', 'end'])
})
