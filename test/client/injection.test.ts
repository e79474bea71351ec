/** What somebody on the way to the server can slip in between its frames: nothing that counts without the server's signature. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Socket } from '../../src/ports/network.ts'
import { signedText } from '../helpers/frame-client.ts'
import { stockKey, unseal, type StockKey } from '../helpers/stock-crypto.ts'
import { memoryNetwork } from './memory-network.ts'
import { attachedClient } from './rig.ts'
import { scriptedServer } from './scripted-server.ts'

const [annKey, malloryKey] = (await Promise.all([2, 3].map(stockKey))) as [StockKey, StockKey]
const nobody = { send: () => {} } as unknown as Socket

t.test('a key that another name than the server says is not the one that is encrypted to', async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const me = await attachedClient(t, { network, url: server.url, name: 'me', key: 1 })
  await me.listed()
  const ann = randomUUID()
  const elsewhere = randomUUID()
  const inName = (type: string, payload: Record<string, unknown>, from = elsewhere) =>
    signedText(malloryKey, { type, from, to: me.id, payload })
  const keys = { pubkey: malloryKey.text, enc_pubkey: malloryKey.text }
  server.sendRaw(me.id, inName('PUBKEY_RESPONSE', { user_id: ann, ...keys }))
  server.sendRaw(me.id, inName('USER_ADVERTISE', { user_id: ann, server_id: elsewhere, meta: { ...keys, display_name: 'ann' } }))
  await me.waitFor('presence', event => event.user_id === ann)
  server.people.set(ann, { id: ann, name: 'ann', keyText: annKey.text, caps: [], socket: nobody })
  await me.tell('ann', 'for ann alone')
  const sent = server.heard.find(({ type }) => type === 'MSG_DIRECT')
  t.equal(unseal(annKey, String(sent?.payload['ciphertext'])).toString(), 'for ann alone')
  t.notOk(me.facts().some(fact => 'pubkey' in fact && (fact.pubkey as string) === malloryKey.text))
  t.notOk(me.events.some(({ event }) => event === 'alarm'))
})

t.test("answers and deliveries in another name than the server's are ignored, and that is told", async t => {
  const network = memoryNetwork()
  const server = await scriptedServer(network)
  const me = await attachedClient(t, { network, url: server.url, name: 'me', key: 1 })
  const since = me.events.length
  const elsewhere = randomUUID()
  const frames: readonly (readonly [string, Record<string, unknown>])[] = [
    ['LIST_RESPONSE', { users: [], more: false }],
    ['ERROR', { code: 'TIMEOUT', detail: 'call this number' }],
    ['ACK', { msg_ref: 'x' }],
    ['USER_DELIVER', { ciphertext: 'AAAA', sender: elsewhere }],
    ['FILE_START', { file_id: 'f', name: 'n', size: 1, sender: elsewhere }],
  ]
  for (const [type, payload] of frames) server.sendRaw(me.id, signedText(malloryKey, { type, from: elsewhere, to: me.id, payload }))
  await me.waitFor('error', ({ detail }) => detail.includes('FILE_START'), since)
  const told = me.events.slice(since).filter(event => event.event === 'error')
  t.equal(told.length, frames.length)
  for (const event of told) t.equal(event.code, 'INVALID_SIG')
})
