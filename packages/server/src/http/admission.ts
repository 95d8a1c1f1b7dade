import type { ServerLimits } from '../options.js'
import { HttpError, tooMuch } from './errors.js'

/** Counts what is under way, so that the work and the memory of all requests together have a bound. */
export class Admission {
  readonly #limits: Pick<ServerLimits, 'concurrentRequests' | 'totalBodyBytes'>
  #requests = 0
  #bytes = 0
  #closing = false
  #idle: (() => void)[] = []

  constructor(limits: Pick<ServerLimits, 'concurrentRequests' | 'totalBodyBytes'>) {
    this.#limits = limits
  }

  /** Requests under way. */
  get requests(): number {
    return this.#requests
  }

  get closing(): boolean {
    return this.#closing
  }

  /** @throws HttpError 429 or 503 */
  enter(): Visit {
    if (this.#closing) {
      throw new HttpError(503, 'SHUTTING_DOWN', 'The server is shutting down.', {
        'Retry-After': '5',
        Connection: 'close',
      })
    }
    const { concurrentRequests } = this.#limits
    if (this.#requests >= concurrentRequests) {
      throw tooMuch(`The server is busy with ${concurrentRequests} requests, the most it takes.`)
    }
    this.#requests++
    let bytes = 0
    let left = false
    return {
      reserve: (more) => {
        if (this.#bytes + more > this.#limits.totalBodyBytes) {
          throw tooMuch('The bodies of all requests under way are as much as the server takes.')
        }
        this.#bytes += more
        bytes += more
      },
      leave: () => {
        if (left) return
        left = true
        this.#requests--
        this.#bytes -= bytes
        if (this.#requests === 0) for (const done of this.#idle.splice(0)) done()
      },
    }
  }

  /** Takes no more; settles when those under way have left. */
  close(): Promise<void> {
    this.#closing = true
    return this.#requests === 0 ? Promise.resolve() : new Promise((done) => this.#idle.push(done))
  }
}

/** A request that was let in. */
export interface Visit {
  /** Memory for its body. @throws HttpError 429 */
  reserve(bytes: number): void
  leave(): void
}
