/** Lines that were given, and the wait for their end. */
import t from 'tap'
import { createChatSession } from '../../src/cli/chat-session.ts'
import { createManualClock } from '../helpers/manual-clock.ts'

const settled = () => new Promise(resolve => setImmediate(resolve))

t.test('what was given may take as long as it moves, and is given up when nothing moves any more', async t => {
  const clock = createManualClock()
  const file = Promise.withResolvers<boolean>()
  let report = (_sent: number, _size: number): void => {}
  const session = createChatSession({
    clock,
    client: {
      list: () => Promise.resolve(true),
      tell: () => new Promise(() => {}),
      all: () => Promise.resolve(true),
      sendFile: (_to, _path, { progress = () => {} } = {}) => {
        report = progress
        return file.promise
      },
      trust: () => true,
      resume: () => true,
    },
    help: () => {},
    quit: () => {},
    problem: () => {},
    progress: () => {},
  })
  session.line('/file ben big.bin')
  session.line('/list')
  let finished: boolean | undefined
  void session.finish(10_000).then(result => {
    finished = result
  })
  await settled()
  for (let sent = 0; sent < 5; sent += 1) {
    clock.advance(9_000)
    report(sent, 5)
    await settled()
    t.equal(finished, undefined, `after ${(sent + 1) * 9} s`)
  }
  file.resolve(true)
  await settled()
  t.equal(finished, true)

  finished = undefined
  session.line('/tell ben hello')
  void session.finish(10_000).then(result => {
    finished = result
  })
  await settled()
  clock.advance(9_999)
  await settled()
  t.equal(finished, undefined)
  clock.advance(1)
  await settled()
  t.equal(finished, false)
  t.equal(session.running, 1)
})
