import { SerotineError } from '@serotine/core'
import { z } from 'zod'

/** What every answer that is not a success holds. */
export const errorSchema = z
  .object({
    code: z.string().meta({ description: 'stable across releases' }),
    message: z.string().meta({ description: 'what is wrong and what to do about it; may change' }),
  })
  .meta({ description: 'An error' })

/** A request that is refused, with the answer it gets. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
  }
}

/** The server cannot take more at the moment. */
export function tooMuch(what: string): HttpError {
  return new HttpError(429, 'TOO_MANY_REQUESTS', `${what} Try again in a second.`, { 'Retry-After': '1' })
}

/** What the caller did wrong: its message names values of the request and nothing of the server. */
const FAULTS_OF_CALLERS: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'UNKNOWN_OPTION',
  'DUPLICATE_ID',
  'DIM_MISMATCH',
  'HNSWLIB_MISSING',
])

/** Whatever was thrown, as an answer. What is not the caller's fault gets a message that says nothing of the server's disk. */
export function toHttpError(error: unknown, requestId: string): HttpError {
  if (error instanceof HttpError) return error
  const code = SerotineError.isInstance(error) ? error.code : 'INTERNAL'
  if (FAULTS_OF_CALLERS.has(code)) return new HttpError(400, code, (error as Error).message)
  if (code === 'INDEX_READONLY') {
    return new HttpError(403, code, 'This index is opened for reading. Open it without `readonly` to change it.')
  }
  if (code === 'CLOSED') {
    return new HttpError(503, code, 'The model or the index is closed.', { 'Retry-After': '1' })
  }
  return new HttpError(500, code, `The server failed. Its log says why, under the request id ${requestId}.`)
}

/** The answer of an error: JSON of a code and a message, never a stack. */
export function errorResponse({ status, code, message, headers }: HttpError): Response {
  return Response.json({ code, message }, { status, headers })
}
