/**
 * The crypto ports against bare node:crypto in the same run: what the interface, the pool and the key memory cost on top of RSA.
 * Run: `node bench/crypto.ts`. Every line is measured here and now; a port's line is compared with the bare line of its group.
 */
import { constants, createPrivateKey, createPublicKey, createHash, privateDecrypt, publicEncrypt, sign, verify } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { bench, do_not_optimize, group, run, summary } from 'mitata'
import { openBlocks, sealBlocks } from '../src/crypto/content.ts'
import { nodeCrypto } from '../src/crypto/node-crypto.ts'
import { createSigningQueue } from '../src/crypto/signing-queue.ts'
import { verifyPayload } from '../src/crypto/transport-signature.ts'
import { webCrypto } from '../src/crypto/web-crypto.ts'
import { toBase64Url, utf8 } from '../src/protocol/encoding.ts'
import { testKey } from '../test/helpers/test-keys.ts'

const test = await testKey(0)
const bareKey = createPrivateKey(test.pem)
const barePublic = createPublicKey(bareKey)
const spki = barePublic.export({ type: 'spki', format: 'der' })
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 478 }
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }

const payloadText = JSON.stringify({ user_id: 'aaaaaaaa-0001-4000-8000-000000000001', server_id: 'bbbbbbbb-0002-4000-8000-000000000002' })
const message = utf8(payloadText)
const signature = sign('sha256', message, { key: bareKey, ...pss })
const sig = toBase64Url(signature)
const block = new Uint8Array(446).fill(7)
const sealed = publicEncrypt({ key: barePublic, ...oaep }, block)

// no memory of verified signatures where the RSA operation is what is measured
const node = nodeCrypto({ rememberedSignatures: 2, verifiesOnLoop: 1_000_000 })
const pooled = nodeCrypto({ rememberedSignatures: 2, verifiesOnLoop: 0 })
const remembering = nodeCrypto()
const web = webCrypto()
const [nodeKey, pooledKey, rememberingKey, webKey] = await Promise.all(
  [node, pooled, remembering, web].map(crypto => test.privateKey(crypto)),
)
if (nodeKey === undefined || pooledKey === undefined || rememberingKey === undefined || webKey === undefined) throw new Error('no keys')
await remembering.verify(rememberingKey.publicKey, message, signature)

/** Messages that differ, so that no memory helps. */
let count = 0
const fresh = sign('sha256', utf8('x'), { key: bareKey, ...pss })
const another = (): Uint8Array => utf8(String(count++))

const cores = availableParallelism()
const queue = createSigningQueue({ crypto: node, privateKey: nodeKey, inFlight: cores, maxQueued: 1000 })

group('sign one payload', () => {
  summary(() => {
    bench('bare crypto.sign on the loop', () => do_not_optimize(sign('sha256', message, { key: bareKey, ...pss }))).baseline()
    bench('nodeCrypto.sign', () => node.sign(nodeKey, message))
    bench('webCrypto.sign', () => web.sign(webKey, message))
    bench(`signing queue, ${String(cores)} at once, each`, () =>
      Promise.all(Array.from({ length: cores }, () => queue.sign(payloadText, 'control'))),
    )
  })
})

group('verify one payload', () => {
  summary(() => {
    bench('bare crypto.verify', () => do_not_optimize(verify('sha256', message, { key: barePublic, ...pss }, signature))).baseline()
    bench('bare crypto.verify with an import each', () =>
      do_not_optimize(verify('sha256', message, { key: createPublicKey({ key: spki, format: 'der', type: 'spki' }), ...pss }, signature)),
    )
    bench('nodeCrypto.verify on the loop, refused', () => node.verify(nodeKey.publicKey, another(), fresh))
    bench('nodeCrypto.verify in the pool, refused', () => pooled.verify(pooledKey.publicKey, another(), fresh))
    bench('nodeCrypto.verify, seen before', () => remembering.verify(rememberingKey.publicKey, message, signature))
    bench('verifyPayload, seen before', () => verifyPayload(remembering, rememberingKey.publicKey, payloadText, sig))
    bench('webCrypto.verify', () => web.verify(webKey.publicKey, message, signature))
  })
})

group('encrypt one block', () => {
  summary(() => {
    bench('bare publicEncrypt on the loop', () => do_not_optimize(publicEncrypt({ key: barePublic, ...oaep }, block))).baseline()
    bench('nodeCrypto.encrypt', () => node.encrypt(nodeKey.publicKey, block))
    bench('webCrypto.encrypt', () => web.encrypt(webKey.publicKey, block))
    bench('sealBlocks, 10 blocks', () => sealBlocks(node, nodeKey.publicKey, new Uint8Array(4460)))
  })
})

const tenBlocks = await sealBlocks(node, nodeKey.publicKey, new Uint8Array(4460))
group('decrypt one block', () => {
  summary(() => {
    bench('bare privateDecrypt on the loop', () => do_not_optimize(privateDecrypt({ key: bareKey, ...oaep }, sealed))).baseline()
    bench('nodeCrypto.decrypt', () => node.decrypt(nodeKey, sealed))
    bench('webCrypto.decrypt', () => web.decrypt(webKey, sealed))
    bench('openBlocks, 10 blocks', () => openBlocks(node, nodeKey, tenBlocks))
  })
})

group('SHA-256 of 1 kB', () => {
  const kilobyte = new Uint8Array(1024)
  summary(() => {
    bench('bare createHash', () => do_not_optimize(createHash('sha256').update(kilobyte).digest())).baseline()
    bench('nodeCrypto.sha256', () => do_not_optimize(node.sha256(kilobyte)))
    bench('webCrypto.sha256', () => do_not_optimize(web.sha256(kilobyte)))
  })
})

await run()
