/** The stand-in for RSA: the same sizes, the same failures. */
import t from 'tap'
import { createCrypto, createKeyring } from '../../src/simulation/crypto.ts'
import { createDice } from '../../src/simulation/dice.ts'
import { createLife } from '../../src/simulation/life.ts'
import { createSchedule } from '../../src/simulation/schedule.ts'
import { utf8 } from '../../src/protocol/encoding.ts'
import { ground } from './ground.ts'

const make = () => {
  const schedule = createSchedule(ground.loop)
  const dice = createDice(1)
  const keyring = createKeyring(dice.fork('keys'))
  const life = createLife(() => {})
  const crypto = createCrypto({ schedule, life, keyring, dice, sha256: ground.sha256 })
  /** Lets the time pass that it takes. */
  const done = async <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => {})
    await schedule.run(schedule.now() + 100)
    return work
  }
  return { crypto, keyring, schedule, done }
}

t.test('what a key signed verifies with it, and nothing else does', async t => {
  const { crypto, keyring, done } = make()
  const [ann, eve] = [keyring.make(), keyring.make()]
  const [annKey, eveKey] = [await crypto.importPublicKey(ann.text), await crypto.importPublicKey(eve.text)]
  const message = utf8('to be signed')
  const signature = await done(crypto.sign(await crypto.importPrivateKey(ann.pkcs8), message))
  t.equal(signature.length, 512, 'as long as one of RSA-4096')
  t.ok(await done(crypto.verify(annKey, message, signature)))
  t.notOk(await done(crypto.verify(annKey, utf8('another'), signature)))
  t.notOk(await done(crypto.verify(eveKey, message, signature)))
  t.notOk(await done(crypto.verify(annKey, message, await done(crypto.sign(await crypto.importPrivateKey(eve.pkcs8), message)))))
  for (const index of [0, 20, 47]) {
    const forged = signature.slice()
    forged[index] = (forged[index] ?? 0) ^ 1
    t.notOk(await done(crypto.verify(annKey, message, forged)), `byte ${index}`)
  }
  t.notOk(await done(crypto.verify(annKey, message, new Uint8Array(512))))
  t.notOk(await done(crypto.verify(annKey, message, signature.subarray(0, 511))))
  t.notSame(await done(crypto.sign(await crypto.importPrivateKey(ann.pkcs8), message)), signature, 'a signature is never the same twice')
})

t.test('what was encrypted to a key decrypts with it alone, and shows nothing to others', async t => {
  const { crypto, keyring, done } = make()
  const [ann, eve] = [keyring.make(), keyring.make()]
  const secret = utf8('nobody else reads this')
  const sealed = await done(crypto.encrypt(await crypto.importPublicKey(ann.text), secret))
  t.equal(sealed.length, 512)
  t.notOk(Buffer.from(sealed).includes(Buffer.from(secret)))
  const annKey = await crypto.importPrivateKey(ann.pkcs8)
  t.same(await done(crypto.decrypt(annKey, sealed)), secret)
  await t.rejects(done(crypto.decrypt(await crypto.importPrivateKey(eve.pkcs8), sealed)))
  const changed = sealed.slice()
  changed[60] = (changed[60] ?? 0) ^ 1
  await t.rejects(done(crypto.decrypt(annKey, changed)))
  await t.rejects(done(crypto.decrypt(annKey, sealed, utf8('another label'))))
  await t.rejects(done(crypto.decrypt(annKey, sealed.subarray(0, 511))))
  t.same(await done(crypto.decrypt(annKey, await done(crypto.encrypt(annKey.publicKey, new Uint8Array(446))))), new Uint8Array(446))
  await t.rejects(done(crypto.encrypt(annKey.publicKey, new Uint8Array(447))), RangeError)
})

t.test('it takes virtual time, on two cores', async t => {
  const { crypto, keyring, schedule } = make()
  const key = await crypto.importPrivateKey(keyring.make().pkcs8)
  const finished: number[] = []
  for (let count = 0; count < 4; count += 1)
    void crypto.sign(key, new Uint8Array(1)).then(() => {
      finished.push(Math.round(10 * schedule.now()) / 10)
    })
  await schedule.run(100)
  t.same(finished, [2.2, 2.2, 4.4, 4.4])
})

t.test('a key of nobody in this world is refused', async t => {
  const { crypto } = make()
  await t.rejects(crypto.importPrivateKey(new Uint8Array(32)))
  await t.rejects(crypto.importPublicKey('no key'))
})
