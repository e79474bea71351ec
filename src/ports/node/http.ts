/** The HTTP port of this machine: few connections, small requests, short waits, GET and HEAD only. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HttpAnswer, HttpError, type HttpPort, type HttpRequest } from '../http.ts'

const MAX_CONNECTIONS = 64
const MAX_HEADER_BYTES = 8_192
/** How long a request may take to come in. */
const REQUEST_MS = 5_000
const IDLE_MS = 30_000

const SENTENCES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'that is not permitted to this user',
}

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD'])
const text = (status: number, body: string): HttpAnswer => ({ status, type: 'text/plain; charset=utf-8', body })

const requestOf = ({ method = '', url = '' }: IncomingMessage): HttpRequest => ({ method, path: url.split('?', 1)[0] ?? '' })

const reply = (request: IncomingMessage, response: ServerResponse, { status, type, body }: HttpAnswer): void => {
  // nobody reads what a request carries; a connection that brings some ends with its answer
  const carries = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: [...READING].join(', ') } : {}),
    ...(carries ? { connection: 'close' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** `report` is told what went wrong in answering. */
export const nodeHttp = ({ report }: { readonly report: (error: unknown) => void }): HttpPort => ({
  listen: ({ host, port }, answer) =>
    new Promise((resolve, reject) => {
      const server = createServer(
        {
          maxHeaderSize: MAX_HEADER_BYTES,
          headersTimeout: REQUEST_MS,
          requestTimeout: REQUEST_MS,
          keepAliveTimeout: IDLE_MS,
          connectionsCheckingInterval: 1_000,
        },
        (request, response) => {
          const asked = requestOf(request)
          if (!READING.has(asked.method)) {
            reply(request, response, text(405, 'Only GET and HEAD are answered here.\n'))
            return
          }
          new Promise<HttpAnswer>(resolve => {
            resolve(answer(asked))
          }).then(
            answered => {
              reply(request, response, answered)
            },
            (error: unknown) => {
              report(error)
              reply(request, response, text(500, 'That went wrong; the log of the server says how.\n'))
            },
          )
        },
      )
      server.maxConnections = MAX_CONNECTIONS
      server.once('error', cause => {
        const { code = '' } = cause as NodeJS.ErrnoException
        reject(
          new HttpError(`Cannot listen on ${host}:${String(port)} for health and metrics: ${SENTENCES[code] ?? cause.message}.`, { cause }),
        )
      })
      server.listen({ host, port }, () => {
        server.on('error', report)
        const bound = server.address() as AddressInfo
        resolve({
          host: bound.address,
          port: bound.port,
          close: () =>
            new Promise(closed => {
              server.close(() => {
                closed()
              })
              server.closeAllConnections()
            }),
        })
      })
    }),
})
