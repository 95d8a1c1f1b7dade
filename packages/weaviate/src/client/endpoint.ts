import { Client, credentials, Metadata } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { failed, isPassing } from './failures.js'
import type { Failure } from './failures.js'

/** Where a server is: its HTTP address, and host and port of its gRPC. */
export interface EndpointAddress {
  readonly url: string
  readonly grpc: string
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds; default: the endpoint's. */
  readonly timeoutMs?: number | undefined
}

/** An answer that is not one; what is to be done about it, the caller decides. */
export class RequestFailure extends Error {
  readonly failure: Failure
  readonly isPassing: boolean
  readonly #what: string

  constructor(what: string, failure: Failure) {
    super(`${what}: ${failure.message}`)
    this.#what = what
    this.failure = failure
    this.isPassing = isPassing(failure)
  }

  asError(): Error {
    return failed(this.#what, this.failure)
  }
}

const SERVICE = '/weaviate.v1.Weaviate/'

/** One server: its REST interface for schemas and nodes, gRPC for documents. Nothing is repeated here. */
export class Endpoint {
  readonly address: EndpointAddress
  readonly #headers: Readonly<Record<string, string>>
  readonly #timeoutMs: number
  readonly #grpc: Client
  readonly #metadata = new Metadata()

  constructor(address: EndpointAddress, headers: Readonly<Record<string, string>>, timeoutMs: number) {
    this.address = address
    this.#headers = headers
    this.#timeoutMs = timeoutMs
    const secure = address.url.startsWith('https:')
    this.#grpc = new Client(address.grpc, secure ? credentials.createSsl() : credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // A server that is gone is noticed, and one that is back is found soon.
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      // Each endpoint has a connection of its own, which `close` ends.
      'grpc.use_local_subchannel_pool': 1,
    })
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value)
  }

  /**
   * Asks the REST interface.
   *
   * @returns the JSON of the answer; undefined for 404 and for an answer without a body
   */
  async rest(method: string, path: string, body?: unknown, options: RequestOptions = {}): Promise<unknown> {
    const { signal, timeoutMs = this.#timeoutMs } = options
    const { url } = this.address
    signal?.throwIfAborted()
    const what = `${method} ${path} at ${url}`
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { ...this.#headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        redirect: 'error',
      })
      const said = await response.text()
      if (response.status === 404) return undefined
      if (!response.ok) throw new RequestFailure(what, { http: response.status, message: messageOf(said) })
      return said === '' ? undefined : (JSON.parse(said) as unknown)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof RequestFailure) throw error
      const message = timeout.aborted ? `nothing within ${timeoutMs} ms` : reasonOf(error)
      throw new RequestFailure(what, { message, cause: error, isLate: timeout.aborted })
    }
  }

  /** Calls a method of the gRPC service with a message that is encoded already. */
  async call(method: string, request: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    const { signal, timeoutMs = this.#timeoutMs } = options
    signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      const call = this.#grpc.makeUnaryRequest<Uint8Array, Uint8Array>(
        `${SERVICE}${method}`,
        (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (buffer) => buffer,
        request,
        this.#metadata,
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, reply) => {
          signal?.removeEventListener('abort', cancel)
          if (!error) return resolve(reply!)
          if (signal?.aborted) return reject(signal.reason as Error)
          const { code, details } = error
          const what = `${method} at ${this.address.grpc}`
          reject(new RequestFailure(what, { grpc: code, message: details, cause: error }))
        },
      )
      const cancel = (): void => call.cancel()
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  close(): void {
    this.#grpc.close()
  }
}

/** What the server says in its JSON. */
function messageOf(said: string): string {
  try {
    const { error, message } = JSON.parse(said) as { error?: { message?: string }[]; message?: string }
    return error?.map((one) => one.message).join('; ') ?? message ?? said
  } catch {
    return said.slice(0, 500)
  }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { code?: string; message?: string } }
  return cause ? `${message} (${cause.code ?? cause.message})` : message
}
