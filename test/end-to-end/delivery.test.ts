/** Real programs that are killed: what was accepted arrives, once, whoever dies in between. */
import t from 'tap'
import { newId } from '../helpers/frame-client.ts'
import { processes, writeIdentity } from '../helpers/processes.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

t.test('a message outlives kill -9 of its reader, of the server that keeps it, and of its sender', async t => {
  const rig = processes(t)
  const place = async (n: number): Promise<string> => {
    const data = rig.place(`place${n}`)
    writeIdentity(data, newId(), await stockKey(n))
    return data
  }
  const [serverData, annData, benData] = await Promise.all([place(0), place(1), place(2)])
  const server = await rig.serve({ data: serverData })
  const ann = await rig.chat({ server: server.url, name: 'ann', data: annData })
  const ben = await rig.chat({ server: server.url, name: 'ben', data: benData })
  await ann.waitFor('presence', event => event.user_id === ben.id)
  await ben.kill()
  ann.say('@kept /tell ben while you were away')
  const kept = await ann.waitFor('sent', event => event.ref === 'kept' && event.status === 'waiting')
  await server.kill()
  await ann.waitFor('offline')
  ann.say('@dark /tell ben typed in the dark')
  const dark = await ann.waitFor('sent', event => event.ref === 'dark')
  t.equal(dark.status, 'sent')
  await ann.kill()
  const again = await rig.serve({ data: serverData, port: server.port })
  const ann2 = await rig.chat({ server: again.url, name: 'ann', data: annData })
  const ben2 = await rig.chat({ server: again.url, name: 'ben', data: benData })
  t.match(await ben2.waitFor('message', event => event.text === 'while you were away'), { id: kept.id, verified: true })
  t.match(await ben2.waitFor('message', event => event.text === 'typed in the dark', { timeoutMs: 30_000 }), {
    id: dark.id,
    verified: true,
  })
  await ann2.waitFor('sent', event => event.id === dark.id && event.status === 'delivered', { timeoutMs: 30_000 })
  const texts = ben2.events.flatMap(event => (event.event === 'message' ? [event.text] : []))
  t.same(texts, ['while you were away', 'typed in the dark'])
})
