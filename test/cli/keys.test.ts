/** `socp keys`: made once, private, never overwritten, and clear words about what is damaged or missing. */
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { isUuidV4 } from '../../src/protocol/ids.ts'
import { testKey } from '../helpers/test-keys.ts'
import { runSocp } from './run-socp.ts'

const ID = '3f1b8a52-94c4-4a3e-8d7b-0c6f0f5f9a11'

/** A data directory with a key that exists already, so that none has to be made. */
const dataWithKey = async (t: Test): Promise<string> => {
  const data = t.testdir({ 'identity.json': JSON.stringify({ id: ID }) })
  writeFileSync(join(data, 'key.pem'), (await testKey(0)).pem, { mode: 0o600 })
  return data
}

const modeOf = (file: string): number => statSync(file).mode & 0o777

t.test('new makes a private directory, key and id, which show prints', async t => {
  const data = join(t.testdir(), 'deep', 'node')
  const made = await runSocp(['keys', 'new', '--data', data, '--json'])
  t.equal(made.code, 0, made.stderr)
  const row = JSON.parse(made.stdout) as { id: string; pubkey: string; fingerprint: string; data: string }
  t.ok(isUuidV4(row.id))
  t.match(row.fingerprint, /^([0-9a-f]{4} ){15}[0-9a-f]{4}$/)
  t.equal(row.data, data)
  t.equal(modeOf(data), 0o700)
  t.equal(modeOf(join(data, 'key.pem')), 0o600)
  t.equal(modeOf(join(data, 'identity.json')), 0o600)

  const shown = await runSocp(['keys', 'show', '--data', data, '--json'])
  t.same(JSON.parse(shown.stdout), row)
  const forPeople = await runSocp(['keys', 'show', '--data', data])
  for (const text of [row.id, row.pubkey, row.fingerprint]) t.ok(forPeople.stdout.includes(text))
  t.notMatch(forPeople.stdout, '\u001b', 'no colours outside a terminal')

  const before = readFileSync(join(data, 'key.pem'), 'utf8')
  const again = await runSocp(['keys', 'new', '--data', data])
  t.equal(again.code, 78)
  t.match(again.stderr, /^socp: There is already [^\n]+key\.pem, [^\n]+\n$/)
  t.equal(readFileSync(join(data, 'key.pem'), 'utf8'), before)
})

t.test('a passphrase encrypts the key, and without it nothing is shown', async t => {
  const root = t.testdir({ secret: 'correct horse\n', wrong: 'battery staple\n', empty: '\n' })
  const data = join(root, 'node')
  const made = await runSocp(['keys', 'new', '--data', data, '--passphrase-file', join(root, 'secret'), '--json'])
  t.equal(made.code, 0, made.stderr)
  t.match(readFileSync(join(data, 'key.pem'), 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  const right = await runSocp(['keys', 'show', '--data', data, '--passphrase-file', join(root, 'secret'), '--json'])
  t.equal(right.stdout, made.stdout)
  for (const [args, words] of [
    [[], /give its passphrase/],
    [['--passphrase-file', join(root, 'wrong')], /passphrase/],
    [['--passphrase-file', join(root, 'empty')], /first line/],
    [['--passphrase-file', join(root, 'nowhere')], /cannot be read \(ENOENT\)/],
  ] as const) {
    const { code, stdout, stderr } = await runSocp(['keys', 'show', '--data', data, ...args])
    t.equal(code, 78)
    t.equal(stdout, '')
    t.match(stderr, words)
    t.equal(stderr.split('\n').length, 2, 'one sentence')
  }
})

t.test('what is damaged, missing or open to others is one sentence and 78', async t => {
  const cases: readonly (readonly [what: string, harm: (data: string) => void, words: RegExp])[] = [
    [
      'a damaged key',
      data => writeFileSync(join(data, 'key.pem'), '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
      /key\.pem/,
    ],
    ['a key that others may read', data => chmodSync(join(data, 'key.pem'), 0o644), /key\.pem/],
    ['no key', data => rmSync(join(data, 'key.pem')), /There is no key in .* put its backup back/],
    ['no identity', data => rmSync(join(data, 'identity.json')), /There is no identity in/],
    ['an identity that is not JSON', data => writeFileSync(join(data, 'identity.json'), '{'), /is damaged/],
    ['an identity without a UUID', data => writeFileSync(join(data, 'identity.json'), '{"id":"../x"}'), /is damaged/],
    ['no directory', data => rmSync(data, { recursive: true }), /Cannot use the data directory/],
  ]
  for (const [what, harm, words] of cases) {
    const data = await dataWithKey(t)
    harm(data)
    const { code, stdout, stderr } = await runSocp(['keys', 'show', '--data', data])
    t.equal(code, 78, what)
    t.equal(stdout, '', what)
    t.match(stderr, words, what)
    t.equal(stderr.trimEnd().split('\n').length, 1, `${what}: one sentence, no stack`)
  }
})

t.test('a data directory that is a file is one sentence and 78', async t => {
  const file = join(t.testdir({ file: 'text' }), 'file')
  for (const command of ['new', 'show']) {
    const { code, stderr } = await runSocp(['keys', command, '--data', file])
    t.equal(code, 78)
    t.match(stderr, /^socp: Cannot use the data directory [^\n]+: it is a file[^\n]+\n$/)
  }
})

t.test('a key without an id, whose making broke off, gets its id', async t => {
  const data = await dataWithKey(t)
  rmSync(join(data, 'identity.json'))
  const { loadOrCreateIdentity } = await import('../../src/cli/identity.ts')
  const first = await loadOrCreateIdentity(data)
  const second = await loadOrCreateIdentity(data)
  t.ok(isUuidV4(first.id))
  t.equal(second.id, first.id)
  t.equal(first.privateKey.publicKey.text, (await testKey(0)).publicText)
})

t.test('what a used directory lost is never made anew', async t => {
  const { loadOrCreateIdentity } = await import('../../src/cli/identity.ts')
  const data = t.testdir({ 'log.db': '' })
  await t.rejects(loadOrCreateIdentity(data), { name: 'CommandFailure', exitCode: 78, message: /put its backup back/ })
})
