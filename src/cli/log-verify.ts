/** `socp log verify`: whether every row is what was recorded, and what the node signed about it. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { verifyPayload } from '../crypto/transport-signature.ts'
import { nodeCrypto } from '../crypto/node-crypto.ts'
import type { PublicKey } from '../ports/crypto.ts'
import type { CheckpointResult, Verdict } from '../store/log-reader.ts'
import { existingDirectory, filesIn, serverDirectory } from './data-directory.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { loadIdentity } from './identity.ts'
import { withExamples } from './options.ts'
import { jsonLine, printLine, styled, tell } from './output.ts'
import { readPassphrase } from './passphrase.ts'
import { withLog } from './past.ts'

interface VerifyOptions {
  readonly data: string
  readonly pubkey?: string
  readonly passphraseFile?: string
  readonly json?: true
}

/** The key that signed: as it was given, else from the key file beside the log; undefined when there is neither. */
const signer = async ({ data, pubkey, passphraseFile }: VerifyOptions): Promise<PublicKey | undefined> => {
  if (pubkey !== undefined) {
    try {
      return await nodeCrypto().importPublicKey(pubkey)
    } catch (cause) {
      throw new CommandFailure('The public key is not one: give it as "socp keys show" prints it.', exitCodes.usage, { cause })
    }
  }
  const directory = await existingDirectory(data)
  if (!existsSync(filesIn(directory).key) || !existsSync(filesIn(directory).identity)) return undefined
  return (await loadIdentity(directory, { passphrase: await readPassphrase(passphraseFile) })).privateKey.publicKey
}

const spans = (erased: readonly (readonly [number, number])[]): string =>
  erased.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ')

const checkpointLine = ({ kind, seq, at, result }: CheckpointResult): string =>
  `  ${styled(result === 'good' ? 'green' : 'yellow', result)}  ${kind} at fact ${seq}, ${new Date(at).toISOString()}`

const humanLines = (verdict: Extract<Verdict, { ok: true }>): readonly string[] => [
  `${styled('green', 'whole')}: facts ${verdict.from} to ${verdict.seq}, chain ${verdict.chain}`,
  ...(verdict.from > 1 ? [`  facts 1 to ${verdict.from - 1} were compacted`] : []),
  ...(verdict.erased.length > 0 ? [`  erased rows: ${spans(verdict.erased)}`] : []),
  ...verdict.checkpoints.map(checkpointLine),
]

const verify = async (options: VerifyOptions): Promise<void> => {
  const crypto = nodeCrypto()
  const key = await signer(options)
  if (key === undefined) tell('socp: no key was found beside the log, so signatures are not checked: give one with --pubkey.')
  const verdict = await withLog(options.data, async reader => {
    const sha256 = (bytes: Uint8Array): Uint8Array => crypto.sha256(bytes)
    if (key === undefined) return reader.verify(sha256)
    return await reader.verifySigned(sha256, (text, sig) => verifyPayload(crypto, key, text, sig))
  })
  if (options.json === true) await printLine(jsonLine(verdict))
  if (!verdict.ok)
    throw new CommandFailure(`Row ${verdict.seq} of the log is damaged: ${verdict.why}. Put a backup in its place.`, exitCodes.data)
  if (options.json !== true) for (const line of humanLines(verdict)) await printLine(line)
}

/** Adds `socp log verify`. */
export const addLogVerify = (log: Command): void => {
  const command = log
    .command('verify')
    .description('check every row against the chain of hashes, and what the node signed; names the first damaged row')
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--pubkey <key>', 'public key of the node, when its key file is elsewhere')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the key')
    .option('--json', 'print one JSON object')
    .action(verify)
  withExamples(command, [
    ['socp log verify', 'of the default server'],
    ['socp log verify --data ./copy --pubkey KEY --json', 'for a script: {"ok","seq",…}, and exit code 78 when it is damaged'],
  ])
}
