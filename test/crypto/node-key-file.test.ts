import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KeyFileError, readKeyFile, writeKeyFile } from '../../src/crypto/node-key-file.ts'
import { testKey } from '../helpers/test-keys.ts'
import { writeTestKey } from '../helpers/write-test-key.ts'

const key = await testKey(0)

void t.test('a key file comes back as it was written, with mode 0600 whatever the umask', async t => {
  const path = join(t.testdir({}), 'node.key')
  const umask = process.umask(0)
  await writeKeyFile(path, key.pkcs8).finally(() => process.umask(umask))
  t.same(await readKeyFile(path), key.pkcs8)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(readFileSync(path, 'utf8'), key.pem, 'the same PEM as OpenSSL writes')
})

void t.test('the file of an end-to-end test reads like any other', async t => {
  const path = join(t.testdir({}), 'data', 'node.key')
  await writeTestKey(1, path)
  t.same(await readKeyFile(path), (await testKey(1)).pkcs8)
})

void t.test('writing never replaces a file and leaves no draft behind', async t => {
  const folder = t.testdir({ 'node.key': 'mine' })
  await t.rejects(writeKeyFile(join(folder, 'node.key'), key.pkcs8), { reason: 'exists', message: /left as it is|left as it was/ })
  t.equal(readFileSync(join(folder, 'node.key'), 'utf8'), 'mine')
  t.same(readdirSync(folder), ['node.key'])
})

void t.test('a folder that does not exist is one sentence', async t => {
  await t.rejects(writeKeyFile(join(t.testdir({}), 'no', 'node.key'), key.pkcs8), {
    name: 'KeyFileError',
    reason: 'unwritable',
    message: /ENOENT/,
  })
})

void t.test('what is not an RSA-4096 key is not written', async t => {
  const folder = t.testdir({})
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'der' })
  await t.rejects(writeKeyFile(join(folder, 'node.key'), small), { code: 'BAD_KEY' })
  t.same(readdirSync(folder), [])
})

void t.test('a passphrase encrypts with scrypt and AES-256, in a form that OpenSSL reads', async t => {
  const path = join(t.testdir({}), 'node.key')
  await writeKeyFile(path, key.pkcs8, { passphrase: 'correct horse' })
  const pem = readFileSync(path, 'utf8')
  t.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\n/g, ''), 'base64').toString('hex')
  t.ok(der.includes('2b06010401da47040b'), 'scrypt')
  t.ok(der.includes('60864801650304012a'), 'aes256-CBC')
  const opened = createPrivateKey({ key: pem, passphrase: 'correct horse' })
  t.same(opened.export({ type: 'pkcs8', format: 'der' }), Buffer.from(key.pkcs8))
  t.same(await readKeyFile(path, { passphrase: 'correct horse' }), key.pkcs8)
})

void t.test('a passphrase may be any text', async t => {
  const folder = t.testdir({})
  const passphrase = 'pässwörd 🔑 \n'
  await writeKeyFile(join(folder, 'a.key'), key.pkcs8, { passphrase })
  t.same(await readKeyFile(join(folder, 'a.key'), { passphrase }), key.pkcs8)
})

void t.test('a missing and a wrong passphrase are told apart', async t => {
  const path = join(t.testdir({}), 'node.key')
  await writeKeyFile(path, key.pkcs8, { passphrase: 'right' })
  await t.rejects(readKeyFile(path), { reason: 'passphrase_needed', message: /encrypted: give its passphrase/ })
  await t.rejects(readKeyFile(path, { passphrase: '' }), { name: 'KeyFileError', reason: 'passphrase_needed' })
  const wrong = await readKeyFile(path, { passphrase: 'wrong' }).catch((error: unknown) => error)
  t.ok(wrong instanceof KeyFileError)
  // the padding of noise is right one time in 256, and then the structure is what is wrong
  t.match((wrong as KeyFileError).reason, /^(passphrase_wrong|damaged)$/)
  t.match((wrong as KeyFileError).message, /passphrase/)
})

void t.test('a passphrase for a file without one is ignored', async t => {
  const path = join(t.testdir({}), 'node.key')
  await writeKeyFile(path, key.pkcs8)
  t.same(await readKeyFile(path, { passphrase: 'whatever' }), key.pkcs8)
})

void t.test('a file that others can read is refused with the command that helps', async t => {
  const path = join(t.testdir({}), 'node.key')
  await writeKeyFile(path, key.pkcs8)
  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    chmodSync(path, mode)
    await t.rejects(readKeyFile(path), { reason: 'permissions', message: `run chmod 600 ${path}` }, mode.toString(8))
  }
  chmodSync(path, 0o400)
  t.same(await readKeyFile(path), key.pkcs8)
})

void t.test('what is missing, damaged or another kind of key is named', async t => {
  const folder = t.testdir({})
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  mkdirSync(join(folder, 'folder'))
  const ofSize = (bits: number): string =>
    generateKeyPairSync('rsa', { modulusLength: bits }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const cases: readonly (readonly [path: string, reason: string, message: RegExp])[] = [
    [join(folder, 'none'), 'missing', /There is no key file/],
    [join(folder, 'folder'), 'damaged', /is not a key file/],
    [file('empty', ''), 'damaged', /is damaged/],
    [file('noise', 'hello'), 'damaged', /is damaged/],
    [file('cut', key.pem.slice(0, 1000)), 'damaged', /is damaged/],
    [file('letters', key.pem.replace('MII', 'MIJ')), 'damaged', /is damaged/],
    [file('large', key.pem.padEnd(70_000)), 'damaged', /is not a key file/],
    [file('small', ofSize(2048)), 'wrong_key', /2048 bits instead of 4096/],
    [file('curve', curve), 'wrong_key', /elliptic-curve/],
  ]
  for (const [path, reason, message] of cases) await t.rejects(readKeyFile(path), { name: 'KeyFileError', reason, message }, reason)
})

void t.test('no message of a refused file holds a part of it', async t => {
  const path = join(t.testdir({ 'node.key': key.pem.replace('MII', 'MIJ') }), 'node.key')
  chmodSync(path, 0o600)
  const error = await readKeyFile(path).catch((error: unknown) => error)
  t.ok(error instanceof KeyFileError && !error.message.includes(key.pem.slice(40, 60)))
})
