/** `socp keys`: makes and shows the key and id of a data directory. */
import type { Command } from 'commander'
import { ensuredDirectory, existingDirectory, serverDirectory } from './data-directory.ts'
import { createIdentity, loadIdentity, type Identity } from './identity.ts'
import { withExamples } from './options.ts'
import { fingerprintOf } from './fingerprint.ts'
import { jsonLine, printLine, styled, tell } from './output.ts'
import { readPassphrase } from './passphrase.ts'

interface KeysOptions {
  readonly data: string
  readonly passphraseFile?: string
  readonly json?: true
}

const print = async ({ id, privateKey }: Identity, directory: string, json: boolean): Promise<void> => {
  const pubkey = privateKey.publicKey.text
  const fingerprint = fingerprintOf(pubkey)
  if (json) {
    await printLine(jsonLine({ id, pubkey, fingerprint, data: directory }))
    return
  }
  const rows = { id, fingerprint, pubkey, data: directory }
  for (const [name, value] of Object.entries(rows)) await printLine(`${styled('dim', name.padEnd(12))}${value}`)
}

const withKeysOptions = (command: Command): Command =>
  command
    .option('--data <dir>', 'data directory', serverDirectory())
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the key')
    .option('--json', 'print one JSON object')

/** Adds `socp keys new` and `socp keys show`. */
export const addKeys = (program: Command): void => {
  const keys = withExamples(program.command('keys').description('make or show the key and id of a server or a chat user'), [
    ['socp keys new', 'make the key of the default server'],
    ['socp keys show', 'show what others need to pin it'],
  ])

  const made = withKeysOptions(keys.command('new').description('make an RSA-4096 key and an id; never overwrites')).action(
    async ({ data, passphraseFile, json }: KeysOptions) => {
      const passphrase = await readPassphrase(passphraseFile)
      const directory = await ensuredDirectory(data)
      await print(await createIdentity(directory, { passphrase }), directory, json === true)
      if (json !== true) tell('Keep key.pem and identity.json together, and a backup of both elsewhere.')
    },
  )
  withExamples(made, [
    ['socp keys new', 'make the key of the default server'],
    ['socp keys new --data ./node-1 --passphrase-file secret.txt', 'encrypt it under a passphrase'],
  ])

  const show = withKeysOptions(keys.command('show').description('print the id, the public key and its fingerprint')).action(
    async ({ data, passphraseFile, json }: KeysOptions) => {
      const passphrase = await readPassphrase(passphraseFile)
      const directory = await existingDirectory(data)
      await print(await loadIdentity(directory, { passphrase }), directory, json === true)
    },
  )
  withExamples(show, [
    ['socp keys show', 'of the default server'],
    ['socp keys show --data ./node-1 --json', 'for a script: {"id","pubkey","fingerprint","data"}'],
  ])
}
