/** What an operator configures: a YAML file, a bootstrap list, and options that win over both; every mistake is a sentence. */
import { readFile } from 'node:fs/promises'
import { parse, YAMLParseError } from 'yaml'
import { type z } from 'zod'
import { parsePublicKey } from '../crypto/public-key.ts'
import { parseAddress } from '../protocol/address.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { bootstrapSchema, configSchema, type NodeConfig } from '../server/config.ts'
import { CommandFailure, exitCodes } from './failure.ts'

export interface ServeOptions {
  readonly data: string
  readonly host?: string
  readonly port?: number
  readonly advertise?: string
  readonly bootstrap?: string
  readonly config?: string
  readonly passphraseFile?: string
  readonly http?: number
  readonly logLevel?: NodeConfig['log_level']
  readonly json?: true
}

const LOOPBACK = '127.0.0.1'
const WILDCARDS = new Set(['0.0.0.0', '::', '[::]', ''])

const bad = (message: string, cause?: unknown): CommandFailure => new CommandFailure(message, exitCodes.data, { cause })

const readYaml = async (file: string): Promise<unknown> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw bad(`Cannot read ${file}: ${code === 'ENOENT' ? 'there is no such file' : code}.`, error)
  }
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof YAMLParseError) throw bad(`${file} is not YAML: ${error.message.split('\n')[0] ?? ''}`, error)
    throw error
  }
}

const checked = <T>(schema: z.ZodType<T>, file: string, value: unknown): T => {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw bad(`${file} cannot be used${where === '' ? '' : `, at ${where}`}: ${issue?.message ?? 'it is malformed'}.`)
}

const checkKeys = (file: string, entries: readonly { readonly host: string; readonly port: number; readonly pubkey: string }[]): void => {
  for (const { host, port, pubkey } of entries) {
    try {
      parsePublicKey(pubkey)
    } catch (error) {
      if (error instanceof ProtocolError) throw bad(`${file} has a key for ${host}:${port} that cannot be used: ${error.message}`, error)
      throw error
    }
  }
}

/** The configuration of one run; throws a `CommandFailure`: 78 for files, 2 for options. */
export const readConfig = async (options: ServeOptions): Promise<NodeConfig> => {
  const file = options.config ?? 'the configuration'
  const written = options.config === undefined ? {} : ((await readYaml(options.config)) ?? {})
  const config = checked(configSchema, file, written)
  checkKeys(file, [...config.bootstrap_servers, ...config.servers])
  let introducers = config.bootstrap_servers
  if (options.bootstrap !== undefined) {
    introducers = checked(bootstrapSchema, options.bootstrap, await readYaml(options.bootstrap)).bootstrap_servers
    checkKeys(options.bootstrap, introducers)
  }
  const host = options.host ?? config.host
  const advertise = options.advertise ?? config.advertise
  if (advertise !== undefined && parseAddress(advertise) === undefined)
    throw options.advertise === undefined
      ? bad(`${file} cannot be used, at advertise: it takes HOST:PORT, not ${advertise}.`)
      : new CommandFailure(`--advertise takes HOST:PORT, not ${advertise}.`, exitCodes.usage)
  if (advertise === undefined && WILDCARDS.has(host))
    throw new CommandFailure(
      `Listening on ${host} says nothing about how others reach this server: add --advertise HOST:PORT.`,
      exitCodes.usage,
    )
  return {
    ...config,
    host,
    port: options.port ?? config.port,
    ...(advertise === undefined ? {} : { advertise }),
    bootstrap_servers: introducers,
    ...(options.http === undefined ? {} : { http: { host: config.http?.host ?? LOOPBACK, port: options.http } }),
    ...(options.logLevel === undefined ? {} : { log_level: options.logLevel }),
  }
}
