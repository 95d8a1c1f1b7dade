import { SerotineError } from '@serotine/core'

/** What a server said, or that it said nothing. */
export interface Failure {
  /** `http` status or `grpc` code; neither where the network failed. */
  readonly http?: number
  readonly grpc?: number
  readonly message: string
  readonly cause?: unknown
  /** It had not come when time was up. */
  readonly isLate?: boolean
}

const GRPC = {
  unknown: 2,
  deadline: 4,
  notFound: 5,
  denied: 7,
  exhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
}

/** Whether the same request may succeed a moment later. Everything this package sends may be sent twice. */
export function isPassing({ http, grpc, message }: Failure): boolean {
  if (isReadonly(message)) return false
  if (http !== undefined) return http === 429 || http >= 500
  if (grpc !== undefined) {
    if (grpc === GRPC.deadline || grpc === GRPC.unavailable || grpc === GRPC.exhausted) return true
    // Servers give most of their errors as UNKNOWN or INTERNAL; these are of a node that is leaving or coming.
    return /connect|connection|EOF|timeout|deadline|replica|unhealthy|no such host|reach|shutting down|not ready|leader|non-existing index|could not find class|shard not found/i.test(
      message,
    )
  }
  return true
}

/** Weaviate says this as UNKNOWN, and in an answer of each object that it does not take. */
export function isDenied(message: string): boolean {
  return /insufficient permissions|anonymous access not enabled/i.test(message)
}

function isReadonly(message: string): boolean {
  return /read-?only|READONLY|disk usage/i.test(message)
}

/** What a server says of an object that it does not take. @param what was to be done with it */
export function notTaken(what: string, message: string): SerotineError {
  return failed(what, { grpc: GRPC.unknown, message })
}

/** @param what was asked, and of which server */
export function failed(what: string, failure: Failure): SerotineError {
  const { http, grpc, message, cause } = failure
  const said = message === '' ? (http === undefined ? 'no answer' : `status ${http}`) : message
  const because = cause === undefined ? undefined : { cause }
  const isRefused = grpc === GRPC.denied || grpc === GRPC.unauthenticated || isDenied(said)
  if (http === 401 || http === 403 || isRefused) {
    return new SerotineError(
      'STORE_REFUSED',
      `${what} was refused: ${said}. Pass the key of a user who may read and write this collection as apiKey, or its headers.`,
      because,
    )
  }
  if (grpc === GRPC.unimplemented) {
    return new SerotineError('STORE_UNSUPPORTED', `${what} is not known to this server: ${said}.`, because)
  }
  if (isReadonly(said)) {
    return new SerotineError(
      'STORE_FULL',
      `${what} failed, as the server takes no changes: ${said}. A full disk makes shards read-only: free or add space, then set them to ` +
        'READY again (PUT /v1/schema/<collection>/shards/<shard>).',
      because,
    )
  }
  if (grpc === GRPC.deadline || failure.isLate) {
    return new SerotineError(
      'STORE_TIMEOUT',
      `${what} took too long: ${said}. Raise timeoutMs, or ask for less at once.`,
      because,
    )
  }
  if ((http === undefined && grpc === undefined) || grpc === GRPC.unavailable) {
    return new SerotineError(
      'STORE_UNREACHABLE',
      `${what} had no answer: ${said}. Is the server running, and are both its ports, HTTP and gRPC, reachable from here?`,
      because,
    )
  }
  return new SerotineError('STORE_FAILED', `${what} failed: ${said}`, because)
}
