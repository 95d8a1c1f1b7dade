import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'

/** What a call of gRPC is answered with, or the error. */
export type Answer = Uint8Array | { readonly code: number; readonly details: string } | 'never'

/** A server that says what a test wants to hear: by REST as JSON with a status, by gRPC as bytes. */
export class StandIn {
  readonly requests: { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[] = []
  /** By method and path without the query; 404 for the others. */
  readonly rest = new Map<string, { readonly status?: number; readonly json?: unknown }>()
  /** By method of the service. */
  readonly grpc = new Map<string, () => Answer>()
  url = ''
  address = ''
  readonly #http = createServer((request, response) => {
    this.requests.push({ path: `${request.method} ${request.url}`, headers: request.headers })
    const found = this.rest.get(`${request.method} ${request.url!.split('?')[0]}`)
    response.writeHead(found ? (found.status ?? 200) : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(found?.json ?? {}))
  })
  readonly #grpc = new Server()

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
    const bytes = (value: Uint8Array) => Buffer.from(value)
    const method = (name: string) => ({
      path: `/weaviate.v1.Weaviate/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    })
    const names = ['Search', 'BatchObjects', 'BatchDelete', 'Aggregate']
    const answer =
      (name: string) =>
      (call: { metadata: { getMap(): object } }, reply: (error: object | null, value?: Uint8Array) => void) => {
        this.requests.push({ path: name, headers: call.metadata.getMap() as Record<string, unknown> })
        const given = this.grpc.get(name)?.() ?? { code: status.UNIMPLEMENTED, details: name }
        if (given === 'never') return
        if (given instanceof Uint8Array) reply(null, given)
        else reply(given)
      }
    this.#grpc.addService(
      Object.fromEntries(names.map((name) => [name, method(name)])),
      Object.fromEntries(names.map((name) => [name, answer(name)])) as never,
    )
    const port = await new Promise<number>((resolve, reject) => {
      this.#grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(error)
        else resolve(bound)
      })
    })
    this.address = `127.0.0.1:${port}`
    return this
  }

  stop(): void {
    this.#http.close()
    this.#http.closeAllConnections()
    this.#grpc.forceShutdown()
  }
}
