import { HttpError } from './errors.js'

/** Levels of arrays and objects inside each other; what metadata and filters may have, and the two around them. */
const DEEPEST = 110

export interface BodyLimits {
  /** Most bytes. */
  readonly bytes: number
  /** Told of bytes before they are kept. */
  readonly reserve: (bytes: number) => void
  /** Ends the wait for a slow client. */
  readonly signal: AbortSignal
}

/** The JSON value of a request's body. @throws HttpError 400, 413, 415 */
export async function readJson(request: Request, limits: BodyLimits): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new HttpError(
      415,
      'NOT_JSON',
      `The body must be JSON, with the header "Content-Type: application/json"; it has ${type === '' ? 'none' : JSON.stringify(type.slice(0, 100))}.`,
    )
  }
  const encoding = request.headers.get('content-encoding')
  if (encoding !== null && encoding !== 'identity') {
    throw new HttpError(415, 'ENCODED_BODY', `Send the body as it is, not compressed (${JSON.stringify(encoding)}).`)
  }
  return parseJson(await readText(request, limits), 'The body')
}

/** @throws HttpError 400 */
export function parseJson(text: string, what: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new HttpError(400, 'INVALID_JSON', `${what} is not JSON: ${(error as Error).message}`)
  }
  checkDepth(value, what)
  return value
}

async function readText(request: Request, { bytes: most, reserve, signal }: BodyLimits): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLarge(most)
  if (!request.body) throw new HttpError(400, 'INVALID_JSON', 'The body is empty; it must be a JSON object.')
  const reader = request.body.getReader()
  const stop = (): void => void reader.cancel(signal.reason).catch(() => {})
  signal.addEventListener('abort', stop)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let [text, bytes] = ['', 0]
  try {
    for (;;) {
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) return text + decode(decoder)
      bytes += value.byteLength
      if (bytes > most) throw tooLarge(most)
      reserve(value.byteLength)
      text += decode(decoder, value)
    }
  } catch (error) {
    stop()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function decode(decoder: InstanceType<typeof TextDecoder>, bytes?: Uint8Array): string {
  try {
    return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode()
  } catch {
    throw new HttpError(400, 'INVALID_UTF8', 'The body is not UTF-8.')
  }
}

/** Without recursion: what is too deep for a filter is too deep for a stack. */
function checkDepth(value: unknown, what: string): void {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) {
      throw new HttpError(400, 'TOO_DEEP', `${what} has more than ${DEEPEST} levels of arrays and objects.`)
    }
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue
      for (const child of Object.values(item)) if (typeof child === 'object' && child !== null) next.push(child)
    }
    level = next
  }
}

function tooLarge(most: number): HttpError {
  return new HttpError(
    413,
    'BODY_TOO_LARGE',
    `The body is larger than ${most} bytes. Send fewer documents at once, or raise limits.bodyBytes (--limit bodyBytes=<n>).`,
    // What is still to come of it is not read.
    { Connection: 'close' },
  )
}
