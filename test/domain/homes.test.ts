/** Where those who are away were last, and who is forgotten when too many are. */
import t from 'tap'
import { emptyDirectory } from '../../src/domain/directory.ts'
import { evolveHomes, type Home, lastHomeOf, MAX_HOMES } from '../../src/domain/homes.ts'
import type { Base64Url, ServerId, UserId } from '../../src/protocol/ids.ts'

const [honest, liar] = ['honest', 'liar'] as ServerId[] as [ServerId, ServerId]
const directory = emptyDirectory()

t.test('a server that invents people who leave drives out nobody who left another', async t => {
  const homes = new Map<UserId, Home>()
  const leave = (user: string, server: ServerId): void => {
    const fact = { type: 'user.removed', user: user as UserId, server, digest: '' as Base64Url } as const
    evolveHomes(homes, directory, fact, { server, caps: [] })
  }
  const home = (user: string) => lastHomeOf({ directory, homes }, user as UserId, () => true)
  for (let n = 0; n < 1_000; n += 1) leave(`person ${n}`, honest)
  for (let n = 0; n < MAX_HOMES + 5_000; n += 1) leave(`nobody ${n}`, liar)
  t.ok(homes.size <= MAX_HOMES)
  t.same(['person 0', 'person 999', 'nobody 0', `nobody ${MAX_HOMES + 4_999}`].map(home), [honest, honest, undefined, liar])
})
