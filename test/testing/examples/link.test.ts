/** One machine: given these facts, in which state is it, and what does it ask for? */
import t from 'tap'
import { startMachine } from '../../../src/testing/testing.ts'

t.test('45 s of silence rests a link, and it is dialled again', async t => {
  const link = startMachine('link:s2').given([
    { type: 'link.dialled', server: 's2', url: 'ws://chat.example:9000' },
    { type: 'link.linked', server: 's2', direction: 'dialled', proven: true, caps: [] },
  ])
  const named = link.record({ after: 45_000, fact: { type: 'link.silent', server: 's2' } })
  t.equal(link.state, 'resting')
  t.same(
    named.map(({ effect }) => effect),
    ['closeSockets', 'tellStanding', 'armLapse', 'armRedial'],
  )
  t.ok(Number(link.context?.['redialAt']) > link.now)
})
