/** Which announced addresses are dialled (attack 10: a hello that makes the server dial an address of the attacker's choice). */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type AddressClass, addressClass } from '../../src/protocol/address-class.ts'
import { mayDial, type Reach } from '../../src/server/may-dial.ts'

const table: Readonly<Record<AddressClass, readonly string[]>> = {
  loopback: [
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::FFFF:7f00:1',
    '::127.0.0.1',
    'localhost',
    'LOCALHOST',
    'db.localhost',
  ],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    'fe80::1',
    'fc00::1',
    'fd12:3456::1',
    '::ffff:192.168.0.1',
  ],
  public: [
    '8.8.8.8',
    '172.32.0.1',
    '2606:4700::1111',
    'chat.example',
    'a-b.c1.example',
    'xn--bcher-kva.example',
    '0xabc.example',
    'Chat.Example',
  ],
  unusable: [
    '0.0.0.0',
    '::',
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    '127.1',
    '127',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '127.0.0.0x1',
    '127.0x1',
    '1.1.1.0x',
    '0177.0.0.1',
    '127.0.0.01',
    '127.0.0.1.',
    '256.1.1.1',
    '1.2.3',
    '1.2.3.4.5',
    '64:ff9b::7f00:1',
    '2002:7f00:1::1',
    '::ffff:0:127.0.0.1',
    '[::1]',
    '',
    '.',
    'chat..example',
    'chat.example.',
    'user@chat.example',
    'chat.example/path',
    'chat.example:80',
    'chat example',
    'ch\u0430t.example',
  ],
}

for (const [expected, hosts] of Object.entries(table))
  t.test(`these are ${expected}`, async t => {
    for (const host of hosts) t.equal(addressClass(host), expected, JSON.stringify(host))
  })

t.test('no name that is taken for public becomes this machine or a private network in a URL', async t => {
  const label = fc.oneof(
    fc.constantFrom('0x7f', '127', '0', '1', '0x1', '0x', '10', '0177', 'a', '0xg', '192', '168', '0x7f000001', 'localhost'),
    fc.stringMatching(/^[a-z0-9-]{1,4}$/),
  )
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), labels => {
      const host = labels.join('.')
      if (addressClass(host) !== 'public' || !URL.canParse(`ws://${host}:9000`)) return
      const dialled = new URL(`ws://${host}:9000`).hostname
      assert.equal(addressClass(dialled), 'public', `${host} is dialled as ${dialled}`)
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})

const own = (host: string): Reach => ({ host, port: 9_000, reach: addressClass(host) })
const isName = (host: string): boolean => /[a-z]$/i.test(host) && !host.includes(':')

t.test('a node dials only the class of address that it is reached on', async t => {
  const owns = { loopback: '127.0.0.1', private: '192.168.7.7', public: 'chat.example' }
  for (const [reach, host] of Object.entries(owns))
    for (const [other, hosts] of Object.entries(table))
      for (const wanted of hosts) {
        // what a name stands for in a private network is known only when it is resolved, in the dial
        const expected = reach === other || (reach === 'private' && other === 'public' && isName(wanted))
        t.equal(mayDial(own(host), wanted, 9_001), expected, `${reach} dials ${wanted}`)
      }
})

t.test('a node never dials itself', async t => {
  t.notOk(mayDial(own('127.0.0.1'), '127.0.0.1', 9_000))
  t.notOk(mayDial(own('127.0.0.1'), 'localhost', 9_000), 'under any name of this machine')
  t.notOk(mayDial(own('chat.example'), 'CHAT.example', 9_000))
  t.ok(mayDial(own('chat.example'), 'chat.example', 9_001))
  t.ok(mayDial(own('chat.example'), 'other.example', 9_000))
})

t.test('a node that listens on a wildcard without an address of its own dials nobody', async t => {
  for (const wanted of Object.values(table).flat()) t.notOk(mayDial(own('0.0.0.0'), wanted, 9_001))
})
