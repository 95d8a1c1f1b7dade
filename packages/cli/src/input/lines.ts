import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import type { Readable } from 'node:stream'
import { SerotineError } from '@serotine/core'
import { decodeUtf8 } from './decode.js'

export interface Line {
  /** 1-based. */
  readonly number: number
  /** Without its end-of-line and, on line 1, without a byte order mark. */
  readonly text: string
  /** Bytes of the file consumed so far (compressed ones for .gz). */
  readonly bytes: number
}

export interface LinesOptions {
  signal?: AbortSignal
  /** Told once when bytes had to be replaced by U+FFFD. */
  onReplaced?: () => void
}

/** The lines of a UTF-8 file, `.gz` unpacked on the way. Any length; only LF and CRLF end a line, as in JSON Lines. */
export async function* readLines(path: string, options: LinesOptions = {}): AsyncGenerator<Line> {
  const file = createReadStream(path)
  let source: Readable = file
  if (path.toLowerCase().endsWith('.gz')) {
    const gunzip = createGunzip()
    file.on('error', (error) => gunzip.destroy(error))
    source = file.pipe(gunzip)
  }
  try {
    for await (const line of splitLines(source, options)) yield { ...line, bytes: file.bytesRead }
  } catch (cause) {
    if (SerotineError.isInstance(cause) || options.signal?.aborted) throw cause
    throw new SerotineError('INPUT_FORMAT', `${path} cannot be read (${(cause as Error).message}). Check the file.`, {
      cause,
    })
  } finally {
    file.destroy()
  }
}

/** The lines of a byte stream, e.g. standard input. */
export async function* splitLines(
  source: AsyncIterable<Uint8Array | string>,
  options: LinesOptions = {},
): AsyncGenerator<Line> {
  let pending: Uint8Array[] = []
  let number = 0
  let bytes = 0
  let replaced = false
  const finish = (last: Uint8Array): Line => {
    const line = pending.length === 0 ? last : Buffer.concat([...pending, last])
    pending = []
    const decoded = decodeUtf8(line.at(-1) === 0x0d ? line.subarray(0, -1) : line)
    if (decoded.replaced && !replaced) {
      replaced = true
      options.onReplaced?.()
    }
    number++
    return { number, text: number === 1 ? decoded.text.replace(/^\ufeff/, '') : decoded.text, bytes }
  }
  for await (const piece of source) {
    options.signal?.throwIfAborted()
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
    let begin = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, begin)) {
      bytes += end + 1 - begin
      yield finish(chunk.subarray(begin, end))
      begin = end + 1
    }
    if (begin < chunk.length) pending.push(chunk.subarray(begin))
    bytes += chunk.length - begin
  }
  if (pending.length > 0) yield finish(new Uint8Array(0))
}
