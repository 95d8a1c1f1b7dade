import { HttpError } from './errors.js'

/** The content type of one JSON value a line. */
export const NDJSON = 'application/x-ndjson'

/** Whether a request's body is to be read line by line. */
export function hasLines(request: Request): boolean {
  return /^application\/(x-)?(ndjson|jsonl(ines)?)\s*(;|$)/i.test(request.headers.get('content-type') ?? '')
}

/** One line of a body. Blank ones are counted and left out. */
export interface Line {
  /** From 1. */
  readonly number: number
  readonly bytes: number
  /** What it says, or why that cannot be read. */
  readonly text: string | HttpError
}

export interface LineLimits {
  /** Bytes of a line. What is longer is passed over, not kept. */
  readonly bytes: number
  /** Milliseconds that a client has to send a line. Time in which nobody asks for one does not count. */
  readonly receiveMs: number
  /** Ends the wait for a slow client. */
  readonly signal: AbortSignal
}

/**
 * The lines of a body as they arrive. No more is read than is asked for, so that a client sends as fast as its lines are dealt with.
 *
 * @throws HttpError 400 (no body), 408, 415; the signal's reason; what the connection says when the client goes away
 */
export async function* readLines(request: Request, limits: LineLimits): AsyncGenerator<Line> {
  const encoding = request.headers.get('content-encoding')
  if (encoding !== null && encoding !== 'identity') {
    throw new HttpError(415, 'ENCODED_BODY', `Send the body as it is, not compressed (${JSON.stringify(encoding)}).`)
  }
  if (!request.body) throw new HttpError(400, 'INVALID_JSON', 'The body is empty; it must hold one JSON object a line.')
  const reader = request.body.getReader()
  const parts = new Parts(limits.bytes)
  let left = limits.receiveMs
  try {
    for (;;) {
      const asked = performance.now()
      const { done, value } = await within(reader.read(), left, limits)
      left -= performance.now() - asked
      if (done) break
      let start = 0
      for (let end = value.indexOf(0x0a); end >= 0; end = value.indexOf(0x0a, start)) {
        parts.add(value.subarray(start, end))
        start = end + 1
        left = limits.receiveMs
        const line = parts.take()
        if (line) yield line
      }
      parts.add(value.subarray(start))
    }
    const last = parts.take()
    if (last) yield last
  } finally {
    void reader.cancel().catch(() => {})
  }
}

/** The bytes of a line that is still to come. */
class Parts {
  readonly #most: number
  #parts: Uint8Array[] = []
  #bytes = 0
  #number = 0

  constructor(most: number) {
    this.#most = most
  }

  add(part: Uint8Array): void {
    this.#bytes += part.byteLength
    if (this.#bytes > this.#most) this.#parts = []
    // A copy: the rest of what it was received with is not kept.
    else if (part.byteLength > 0) this.#parts.push(part.slice())
  }

  /** The line that has ended; undefined for a blank one. */
  take(): Line | undefined {
    const [bytes, parts, number] = [this.#bytes, this.#parts, ++this.#number]
    ;[this.#bytes, this.#parts] = [0, []]
    if (bytes > this.#most) {
      const message = `Line ${number} is longer than ${this.#most} bytes. Split its document, or raise limits.bodyBytes (--limit bodyBytes=<n>).`
      return { number, bytes: 0, text: new HttpError(413, 'LINE_TOO_LARGE', message) }
    }
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts))
      return text.trim() === '' ? undefined : { number, bytes, text }
    } catch {
      return { number, bytes, text: new HttpError(400, 'INVALID_UTF8', `Line ${number} is not UTF-8.`) }
    }
  }
}

/** @throws HttpError 408; the signal's reason */
async function within<T>(read: Promise<T>, milliseconds: number, { receiveMs, signal }: LineLimits): Promise<T> {
  signal.throwIfAborted()
  let stop = (): void => {}
  const late = new Promise<never>((_, reject) => {
    const abort = (): void => reject(signal.reason)
    const timer = setTimeout(() => reject(tooSlow(receiveMs)), milliseconds)
    signal.addEventListener('abort', abort)
    stop = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  })
  read.catch(() => {})
  try {
    return await Promise.race([read, late])
  } finally {
    stop()
  }
}

function tooSlow(milliseconds: number): HttpError {
  return new HttpError(
    408,
    'TOO_SLOW',
    `No line came for ${milliseconds} ms. Send the rest in another request, or raise limits.receiveMs.`,
  )
}

/** Lines of JSON as an answer, made as the client reads them. */
export function linesResponse(values: AsyncGenerator<object>, most: number): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await values.next()
        if (done) controller.close()
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`))
      },
      cancel: async () => {
        // Not waited for: what is under way ends by its signal.
        void values.return(undefined).catch(() => {})
      },
    },
    { highWaterMark: most },
  )
  // Of a body that was not read to its end the connection is no longer of use.
  return new Response(body, { headers: { 'Content-Type': NDJSON, Connection: 'close' } })
}
