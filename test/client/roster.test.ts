/** Who is listed when a whole server falls silent, is given up, and comes back. */
import t from 'tap'
import { createRoster } from '../../src/client/roster.ts'
import type { ServerId, UserId } from '../../src/protocol/ids.ts'

const there = 'there' as ServerId
const seen = (name: string) => ({ id: name as UserId, name, server: there, presence: 'online' as const })
const listed = (roster: ReturnType<typeof createRoster>): readonly string[] => [...roster.members.keys()].sort()

t.test('who was listed when their server was given up is listed again when it is back', async t => {
  const roster = createRoster(() => {})
  roster.seen(seen('ann'))
  t.equal(roster.standing(there, 'suspect'), true)
  t.equal(roster.standing(there, 'lapsed'), true)
  t.same(listed(roster), [])
  t.equal(roster.standing(there, 'online'), true)
  t.same(listed(roster), ['ann'])
})

t.test('a server that was in doubt and is not any more needs no new list', async t => {
  const roster = createRoster(() => {})
  roster.seen(seen('ann'))
  roster.standing(there, 'suspect')
  t.equal(roster.standing(there, 'online'), true)
})

t.test(
  'whoever attached while a server was given up needs a list when it is back, also when some of its users came back before it',
  async t => {
    const roster = createRoster(() => {})
    t.equal(roster.standing(there, 'online'), false)
    roster.seen(seen('ben'))
    t.equal(roster.standing(there, 'online'), false)
  },
)

t.test('servers that come and go without end leave no more behind than may be listed', async t => {
  const roster = createRoster(() => {})
  for (let n = 0; n < 1_500; n += 1) {
    const server = `server ${n}` as ServerId
    roster.seen({ ...seen(`user ${n}`), server })
    roster.standing(server, 'lapsed')
  }
  t.equal(roster.standing('server 0' as ServerId, 'online'), true, 'the first are remembered')
  t.equal(roster.standing('server 1499' as ServerId, 'online'), false, 'of the last a list has to tell')
})
