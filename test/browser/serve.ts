/** A web server on 127.0.0.1 for a page under test; that address is a secure context, which WebCrypto needs. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Served {
  readonly type: 'text/html' | 'text/javascript' | 'application/json'
  readonly body: string | Buffer
}

/** Serves what `find` answers by path; undefined is a 404. */
export const serve = async (find: (path: string) => Served | undefined): Promise<{ readonly url: string; close(): Promise<void> }> => {
  const server = createServer((request, response) => {
    const found = find(request.url ?? '')
    if (found === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': `${found.type}; charset=utf-8` }).end(found.body)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close(error => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}
