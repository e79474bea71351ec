/** The control port as a UNIX socket that only its owner may open: one JSON object a line each way. */
import { chmodSync, closeSync, constants, existsSync, lstatSync, openSync, unlinkSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { ControlError, type ControlPort, type ControlRequest } from '../control.ts'

/** `sun_path` of Linux without its last zero; other systems have a few less, and say so themselves. */
const MAX_PATH_BYTES = 107
/** Of one request; answers may be longer. */
const MAX_REQUEST_BYTES = 65_536
const MAX_CONNECTIONS = 16

/** Linux reaches an open directory under this name, so the way to the socket is short however long its path is. */
const OPEN_DIRECTORIES = '/proc/self/fd'

/** Runs `use` with a path to the socket that is short enough for the time of the call. Throws a `ControlError` when there is none. */
const withSocketPath = <T>(file: string, use: (path: string) => T): T => {
  if (Buffer.byteLength(file) <= MAX_PATH_BYTES) return use(file)
  if (!existsSync(OPEN_DIRECTORIES))
    throw new ControlError('absent', `The path ${file} is too long for a socket: use a data directory with a shorter path.`)
  const directory = openSync(dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return use(`${OPEN_DIRECTORIES}/${directory}/${basename(file)}`)
  } finally {
    closeSync(directory)
  }
}

const removeSocket = (file: string): void => {
  if (lstatSync(file, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(file)
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const parseRequest = (line: string): { readonly id: unknown } & Omit<ControlRequest, 'progress'> => {
  const { id, command, params = {} } = JSON.parse(line) as Record<string, unknown>
  if (typeof command !== 'string' || typeof params !== 'object' || params === null) throw new TypeError('not a request')
  return { id, command, params: params as ControlRequest['params'] }
}

const serve = (socket: Socket, handle: (request: ControlRequest) => Promise<unknown>, working: Set<Promise<void>>): void => {
  const say = (what: Readonly<Record<string, unknown>>): void => {
    if (socket.writable) socket.write(`${JSON.stringify(what)}\n`)
  }
  const answer = (line: string): void => {
    let request: ReturnType<typeof parseRequest>
    try {
      request = parseRequest(line)
    } catch {
      say({ id: null, ok: false, error: 'A request is one JSON object a line: {"id":…,"command":"…","params":{…}}.' })
      socket.end()
      return
    }
    const { id, command, params } = request
    const work = handle({
      command,
      params,
      progress: progress => {
        say({ id, progress })
      },
    }).then(
      result => {
        say({ id, ok: true, result: result ?? null })
      },
      (error: unknown) => {
        say({ id, ok: false, error: sentenceOf(error) })
      },
    )
    working.add(work)
    void work.finally(() => working.delete(work))
  }
  // a reader of lines would keep a line without end
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    rest += text
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end)
      rest = rest.slice(end + 1)
      if (line !== '') answer(line)
    }
    if (rest.length > MAX_REQUEST_BYTES) socket.destroy()
  })
  // whoever asked may go at any time; the command goes on
  socket.on('error', () => {
    socket.destroy()
  })
}

/**
 * Listens on the socket `file`, which belongs to the caller alone: whoever holds the writer's lock of the log is the only node of its
 * data directory, so a socket that is already there was left behind by one that was killed.
 */
export const controlSocket = (file: string): ControlPort => ({
  listen: handle =>
    new Promise((resolve, reject) => {
      removeSocket(file)
      const working = new Set<Promise<void>>()
      const sockets = new Set<Socket>()
      const server = createServer(socket => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
        serve(socket, handle, working)
      })
      server.maxConnections = MAX_CONNECTIONS
      server.once('error', cause => {
        reject(
          new ControlError('absent', `Cannot listen on ${file} (${(cause as NodeJS.ErrnoException).code ?? cause.message}).`, { cause }),
        )
      })
      // bind happens within `listen`, so that the socket is never open to others, not even before chmod
      const before = process.umask(0o177)
      try {
        withSocketPath(file, path => server.listen(path))
      } finally {
        process.umask(before)
      }
      server.once('listening', () => {
        chmodSync(file, 0o600)
        resolve({
          close: async () => {
            const closed = new Promise<void>(done => {
              server.close(() => {
                done()
              })
            })
            await Promise.allSettled(working)
            for (const socket of sockets) socket.end()
            // one that does not hang up in turn must not hold the node back
            for (const socket of sockets) socket.destroySoon()
            await closed
            removeSocket(file)
          },
        })
      })
    }),
})

export interface CallOptions {
  readonly progress?: (what: unknown) => void
  /** The node took the request and has said nothing for `silentMs` (10 s); an error that this answers ends the call. */
  readonly silent?: () => Error | undefined
  readonly silentMs?: number
}

/** Asks the node whose socket `file` is; answers its result. Rejects with a `ControlError`: `absent` when no node runs there. */
export const callControl = (
  file: string,
  command: string,
  params: Readonly<Record<string, unknown>>,
  { progress = () => {}, silent = () => undefined, silentMs = 10_000 }: CallOptions = {},
): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = withSocketPath(file, createConnection)
    let connected = false
    socket.once('connect', () => {
      connected = true
      socket.write(`${JSON.stringify({ id: 1, command, params })}\n`)
    })
    socket.on('error', cause => {
      reject(
        connected
          ? new ControlError('broken', `The node hung up before it answered (${cause.message}).`, { cause })
          : new ControlError('absent', `No node listens on ${file} (${(cause as NodeJS.ErrnoException).code ?? cause.message}).`, {
              cause,
            }),
      )
    })
    socket.setTimeout(silentMs, () => {
      const enough = silent()
      if (enough === undefined) return
      socket.destroy()
      reject(enough)
    })
    const lines = createInterface({ input: socket })
    // the reader of lines passes its input's errors on; they are handled above
    lines.on('error', () => {})
    lines.on('line', line => {
      const answer = JSON.parse(line) as {
        readonly ok?: boolean
        readonly result?: unknown
        readonly error?: string
        readonly progress?: unknown
      }
      if (answer.ok === undefined) {
        progress(answer.progress)
        return
      }
      socket.end()
      if (answer.ok) resolve(answer.result)
      else reject(new ControlError('refused', answer.error ?? 'The node refused.'))
    })
    lines.once('close', () => {
      reject(new ControlError('broken', 'The node hung up before it answered: it has stopped; look at its log, then try again.'))
    })
  })
