/** A disk that can die under a real process: counts its writes and syncs, kills it at one of them, makes them fail, and knows what a loss of power leaves. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type DiskOperation = 'write' | 'sync'
/** From number `at` on, counted from 1. */
export interface DiskFault {
  readonly on: DiskOperation
  readonly at: number
  /** SIGKILL right after the operation, or this `errno` instead of it and of all later ones of its kind. */
  readonly then: 'kill' | number
}

export interface MortalDisk {
  /** For the process that is to run on it. */
  readonly env: Readonly<Record<string, string>>
  /** How many there were so far. */
  count(operation: DiskOperation): number
  /** What was done last, for the text of a failure. */
  last(): string
  /** Each file as it was last synced. */
  readonly synced: string
}

const source = fileURLToPath(new URL('recovery-disk.c', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/socp-recovery/', import.meta.url))

/** The compiled disk; made when it is not there. Throws, naming what is missing, where there is no C compiler. */
const compiled = (): string => {
  const text = readFileSync(source)
  const library = join(cache, `disk-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.so`)
  if (existsSync(library)) return library
  mkdirSync(cache, { recursive: true })
  const fresh = `${library}.${String(process.pid)}`
  const { error, status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', fresh, source, '-ldl'], { encoding: 'utf8' })
  if (error !== undefined || status !== 0)
    throw new Error(`a C compiler named cc is needed for this test (apt-get install gcc libc6-dev): ${error?.message ?? stderr}`)
  renameSync(fresh, library)
  return library
}

const isOfLog = (name: string): boolean => name.startsWith('log.db') && !/-shm$|\.writer|\.fresh$/.test(name)

/** @param data the directory that lies on the disk; `place` a directory for the disk's own notes */
export const mortalDisk = (data: string, place: string, fault?: DiskFault): MortalDisk => {
  const trace = join(place, 'trace')
  const synced = join(place, 'synced')
  mkdirSync(synced)
  // what is there from before has been synced long ago
  for (const name of readdirSync(data).filter(isOfLog)) copyFileSync(join(data, name), join(synced, name))
  const lines = (): readonly string[] => (existsSync(trace) ? readFileSync(trace, 'utf8').trimEnd().split('\n') : [])
  const setting =
    fault === undefined
      ? {}
      : fault.then === 'kill'
        ? { SOCP_DISK_KILL: `${fault.on} ${String(fault.at)}` }
        : { SOCP_DISK_FAIL: `${fault.on} ${String(fault.at)} ${String(fault.then)}` }
  return {
    env: { LD_PRELOAD: compiled(), SOCP_DISK_DIR: data, SOCP_DISK_TRACE: trace, SOCP_DISK_SYNCED: synced, ...setting },
    count: operation => lines().filter(line => line.split(' ')[1] === operation).length,
    last: () => lines().slice(-3).join(', '),
    synced,
  }
}

const SECTOR = 512
const contentOf = (folder: string, name: string): Buffer | undefined =>
  existsSync(join(folder, name)) ? readFileSync(join(folder, name)) : undefined

/** Key and id move along, they were there before. */
const moveIdentity = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true, mode: 0o700 })
  for (const name of ['key.pem', 'identity.json']) copyFileSync(join(from, name), join(to, name))
}

/** Fills `target` with what is there after a loss of power that lost everything not synced. */
export const onlySynced = (data: string, disk: MortalDisk, target: string): void => {
  moveIdentity(data, target)
  for (const name of readdirSync(disk.synced).filter(isOfLog)) copyFileSync(join(disk.synced, name), join(target, name))
}

/** Fills `target` with what is there when of all sectors that were not synced some reached the disk and some did not. */
export const someSectors = (data: string, disk: MortalDisk, target: string, random: () => number): void => {
  moveIdentity(data, target)
  const names = new Set([...readdirSync(data), ...readdirSync(disk.synced)].filter(isOfLog))
  for (const name of names) {
    const after = contentOf(data, name)
    const before = contentOf(disk.synced, name)
    // made or removed, and the directory was not synced since
    if ((after === undefined || before === undefined) && random() < 0.5) continue
    const long = after ?? before ?? Buffer.alloc(0)
    const short = before ?? Buffer.alloc(0)
    const mixed = Buffer.from(long)
    for (let at = 0; at < mixed.length; at += SECTOR) {
      const end = Math.min(at + SECTOR, mixed.length)
      if (random() < 0.5) mixed.fill(0, at, end).set(short.subarray(at, end), at)
    }
    const length = random() < 0.5 ? long.length : Math.min(long.length, Math.max(short.length, Math.floor(random() * long.length)))
    writeFileSync(join(target, name), mixed.subarray(0, length), { mode: 0o600 })
  }
}
