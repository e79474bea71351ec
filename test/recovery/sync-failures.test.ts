/** A disk that refuses to sync or to write, or is full: the server stops with a sentence, and nothing that was acknowledged is lost. */
import { spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { attachFrameUser } from '../helpers/frame-client-user.ts'
import { processes, type ServerProcess, writeIdentity } from '../helpers/processes.ts'
import { mortalDisk, onlySynced } from '../helpers/recovery-disk.ts'
import { isLong } from '../helpers/recovery-scale.ts'
import { type Ended, liveOnce } from '../helpers/recovery-scenario.ts'
import { smallDisk } from '../helpers/recovery-small-disk.ts'
import { type Claim, holdsClaims, readLog, survives } from '../helpers/recovery-survivor.ts'
import { stockKey } from '../helpers/stock-crypto.ts'

const { EIO, ENOSPC } = constants.errno
const rig = processes(t)
const keys = await Promise.all(Array.from({ length: 10 }, (_, n) => stockKey(n)))
const keyOf = (n: number) => {
  const key = keys[n]
  if (key === undefined) throw new Error(`no key ${String(n)}`)
  return key
}
const ID = '00000000-0000-4000-8000-000000000001'
const newPlace = (name: string): string => {
  const data = rig.place(name)
  writeIdentity(data, ID, keyOf(0))
  return data
}

const points = isLong() ? Array.from({ length: 24 }, (_, n) => n + 1) : [4, 16]
/** The sentence of a server that runs, and of one that cannot start. */
const sentence =
  /Nothing more can be recorded\. The log .* (disk|full).*start again.*the server stops|socp: The log .* (disk|full).*start again/

const full = (start: string): RegExp => new RegExp(`${start} The log .* because the disk is full: free some space, then start again`)

const stopsWithASentence = (t: Test, ended: Ended): void => {
  t.equal(ended.how, 'failed', 'it does not go on')
  t.ok(ended.code === 1 || ended.code === 78, `exit code ${String(ended.code)}`)
  t.match(ended.stderr, sentence)
}

for (const [what, on, errno] of [
  ['sync', 'sync', EIO],
  ['write, for lack of space,', 'write', ENOSPC],
] as const) {
  for (const point of points) {
    const at = on === 'sync' ? point : point * 4
    t.test(`${what} number ${String(at)} and all later ones fail`, async t => {
      const data = newPlace('failing')
      const disk = mortalDisk(data, rig.place('disk'), { on, at, then: errno })
      const claims: Claim[] = []
      const ended = await liveOnce({ rig, data, env: disk.env, keyOf, claim: claim => claims.push(claim) })
      stopsWithASentence(t, ended)
      t.comment(`${String(claims.length)} acknowledgements`)
      // after a failed sync nobody knows what the disk took: all of it, or nothing since the last good one
      const synced = rig.place('synced')
      onlySynced(data, disk, synced)
      await t.test('what was written is there', t => survives(t, rig, data, { claims, keyOf }))
      await t.test('only what was synced is there', t => survives(t, rig, synced, { claims, keyOf }))
    })
  }
}

t.test('the same by strace, which fails the system call itself', async t => {
  const { error } = spawnSync('strace', ['-V'])
  if (error !== undefined) throw new Error('this test needs strace (apt-get install strace)')
  const data = newPlace('traced')
  const claims: Claim[] = []
  const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO:when=14+']
  const under = ['strace', '-D', '-f', '--seccomp-bpf', '-qq', '-o', join(rig.place('strace'), 'trace'), ...inject]
  const ended = await liveOnce({ rig, data, under, keyOf, claim: claim => claims.push(claim) })
  stopsWithASentence(t, ended)
  t.ok(claims.length > 0, `${String(claims.length)} acknowledgements`)
  await survives(t, rig, data, { claims, keyOf })
})

t.test('a full file system stops the server, keeps all that was acknowledged, and is no hindrance once there is room', async t => {
  const disk = smallDisk(t, join(rig.folder, 'small'), 768)
  writeIdentity(disk.path, ID, keyOf(0))
  const claims: Claim[] = []

  /** Attaches users until the server is gone. */
  const fill = async (server: ServerProcess): Promise<void> => {
    try {
      for (let n = 0; n < 1_000; n += 1) {
        const user = await attachFrameUser({ url: server.url, key: keyOf(1 + (n % 5)), name: `user ${String(n)}`, caps: ['proof', 'ack'] })
        claims.push({ what: user.name, holds: ({ stream, fact }) => stream === `session:${user.id}` && fact.type === 'session.attached' })
      }
    } catch {
      // that is the end of it
    }
    t.same(await server.exited, { code: 1, signal: null })
    t.match(server.stderr(), full('Nothing more can be recorded\\.'))
  }

  let refusal: string | undefined
  // what the last transaction did not get may be enough for another start
  for (let start = 1; start <= 5 && refusal === undefined; start += 1) {
    try {
      await fill(await rig.serve({ data: disk.path }))
    } catch (error) {
      refusal = (error as Error).message
    }
  }
  t.match(refusal, full('socp:'), 'at last it cannot even start, and says so')
  t.match(refusal, /serve ended with 78/)
  t.ok(claims.length > 5, `${String(claims.length)} acknowledgements`)
  holdsClaims(t, await readLog(disk.path), claims)
  disk.grow(16_384)
  await t.test('with more room it comes back', t => survives(t, rig, disk.path, { claims, keyOf }))
})
