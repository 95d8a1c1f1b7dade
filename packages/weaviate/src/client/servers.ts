import { SerotineError } from '@serotine/core'
import { Endpoint, RequestFailure } from './endpoint.js'
import type { EndpointAddress, RequestOptions } from './endpoint.js'
import { pause } from './pause.js'

/** A request that fails is sent again for so long: a cluster takes some seconds until it does without a server that is gone. */
const PATIENCE_MS = 8_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_500

export interface ServersOptions {
  readonly addresses: readonly EndpointAddress[]
  readonly headers: Readonly<Record<string, string>>
  /** Of one request, in milliseconds. */
  readonly timeoutMs: number
}

export interface Patience {
  /** Milliseconds for which what fails is tried again. Default 8,000. */
  readonly patienceMs?: number | undefined
}

type Asked = Patience & { readonly signal?: AbortSignal | undefined }

/**
 * The servers of a cluster, any of which answers for all of it. One is asked until it fails; then the next one is. What may pass (no answer, a
 * node that is leaving) is asked again after a pause: everything that is sent may be sent twice.
 */
export class Servers {
  readonly endpoints: readonly Endpoint[]
  /** When a server last had no answer, by the clock of `performance`. */
  lastFailure = -Infinity
  #preferred = 0
  #closed = false

  constructor({ addresses, headers, timeoutMs }: ServersOptions) {
    this.endpoints = addresses.map((address) => new Endpoint(address, headers, timeoutMs))
  }

  /** For messages. */
  get name(): string {
    return this.endpoints.map(({ address }) => address.url).join(', ')
  }

  rest(method: string, path: string, body?: unknown, options: RequestOptions & Patience = {}): Promise<unknown> {
    return this.ask((endpoint) => endpoint.rest(method, path, body, options), options)
  }

  call(method: string, request: Uint8Array, options: RequestOptions & Patience = {}): Promise<Uint8Array> {
    return this.ask((endpoint) => endpoint.call(method, request, options), options)
  }

  /** @throws STORE_UNREACHABLE, STORE_TIMEOUT, STORE_REFUSED, STORE_FULL, STORE_UNSUPPORTED, STORE_FAILED, CLOSED; the signal's reason */
  async ask<T>(request: (endpoint: Endpoint) => Promise<T>, { signal, patienceMs }: Asked = {}): Promise<T> {
    const [answer] = await this.askSeveral(request, 1, { signal, patienceMs })
    return answer!
  }

  /**
   * Asks several servers the same. @returns the answers of `count` of them
   *
   * @throws what the last that failed said, where fewer answer
   */
  async askSeveral<T>(
    request: (endpoint: Endpoint) => Promise<T>,
    count: number,
    { signal, patienceMs = PATIENCE_MS }: Asked = {},
  ): Promise<T[]> {
    const { length } = this.endpoints
    const until = performance.now() + patienceMs
    const wanted = Math.min(count, length)
    const order = this.endpoints.map((_, i) => this.endpoints[(this.#preferred + i) % length]!)
    const answers: T[] = []
    for (let failures = 0; ;) {
      if (this.#closed) throw this.#isClosed()
      const asked = order.splice(0, wanted - answers.length)
      const results = await Promise.allSettled(asked.map(request))
      for (const [i, result] of results.entries()) {
        if (result.status === 'fulfilled') answers.push(result.value)
        else {
          failures++
          // What took all its time is tried once more, at least.
          this.#judge(result.reason, asked[i]!, failures > 1 && performance.now() > until, signal)
          order.push(asked[i]!)
        }
      }
      if (answers.length >= wanted) return answers
      // The next server is asked at once; those that have failed again only after a while.
      if (failures >= length) {
        const round = Math.floor(failures / length) - 1
        await pause(Math.min(FIRST_PAUSE_MS * 2 ** round, LONGEST_PAUSE_MS) * (0.5 + Math.random()), signal)
      }
    }
  }

  /** Throws what asking again would not mend, or what there is no more time for. */
  #judge(reason: unknown, endpoint: Endpoint, isLate: boolean, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted()
    if (this.#closed) throw this.#isClosed()
    if (!(reason instanceof RequestFailure)) throw reason
    if (!reason.isPassing) throw reason.asError()
    this.lastFailure = performance.now()
    // Another request may have moved on meanwhile.
    if (this.endpoints[this.#preferred] === endpoint) this.#preferred = (this.#preferred + 1) % this.endpoints.length
    if (isLate) throw reason.asError()
  }

  close(): void {
    this.#closed = true
    for (const endpoint of this.endpoints) endpoint.close()
  }

  #isClosed(): SerotineError {
    return new SerotineError('CLOSED', `The store at ${this.name} is closed.`)
  }
}
