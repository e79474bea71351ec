/** What users are told of the other servers, for the day when theirs is gone. */
import t from 'tap'
import { createMesh, linked, startPair } from './mesh.ts'
import { attachUser } from './user.ts'

t.test(
  'users are told of linked servers, with TLS where these speak it, and of none at an address that the node would not dial',
  async t => {
    const mesh = createMesh(t)
    const [first, second] = await startPair(mesh)
    // admitted by its key, and reached over the socket that it dialled itself
    const third = await mesh.start(2, { config: { advertise: '10.1.2.3:9002', reach: 'loopback' }, introducers: [first] })
    await mesh.until(() => linked(mesh, first, third), 10_000, 'the third is linked')
    const fourth = await mesh.start(3, { config: { advertise: 'wss://127.0.0.1:9003' }, introducers: [first] })
    await mesh.until(() => linked(mesh, first, fourth), 10_000, 'the fourth is linked')
    const user = await attachUser(mesh, first, 4, { caps: ['proof', 'ack', 'servers'] })
    await user.send('SERVERS_REQUEST', first.id, {})
    await mesh.quiet()
    const plain = { server_id: second.id, host: '127.0.0.1', port: second.port, pubkey: second.pubkey }
    const secure = { server_id: fourth.id, host: '127.0.0.1', port: fourth.port, pubkey: fourth.pubkey, tls: true }
    t.strictSame(user.heard.find(({ type }) => type === 'SERVERS')?.payload, { servers: [plain, secure] })
  },
)
