import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { SerotineError } from '../../errors.js'

export interface Line {
  readonly text: string
  /** `file:line`, counted from 1: what an error message names. */
  readonly place: string
}

/**
 * The lines of a UTF-8 file without their ends (LF or CRLF) and without a byte order mark, unpacked on the way when its name ends
 * in `.gz`.
 *
 * Not node:readline: it also breaks at U+2028 and U+2029, which JSON allows inside strings.
 *
 * @param options `blank`: also lines of white space only (default false)
 * @throws INPUT_FORMAT when the file cannot be read, is not UTF-8 or its gzip data is damaged
 */
export async function* readLines(file: string, { blank = false } = {}): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let number = 0
  let rest = ''
  const cut = function* (text: string): Generator<Line> {
    const parts = text.split('\n')
    parts[0] = rest + parts[0]!
    rest = parts.pop()!
    for (const part of parts) {
      number++
      if (blank || part.trim() !== '')
        yield { text: part.endsWith('\r') ? part.slice(0, -1) : part, place: `${file}:${number}` }
    }
  }
  try {
    for await (const chunk of bytesOf(file)) yield* cut(decoder.decode(chunk, { stream: true }))
    yield* cut(`${decoder.decode()}\n`)
  } catch (cause) {
    if (SerotineError.isInstance(cause)) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new SerotineError('INPUT_FORMAT', `${file} cannot be read after line ${number}: ${reason}`, { cause })
  }
}

function bytesOf(file: string): AsyncIterable<Uint8Array> {
  const stream = createReadStream(file)
  if (!file.endsWith('.gz')) return stream
  const gunzip = createGunzip()
  // pipe() does not pass errors on; without this a missing file would never end the loop.
  stream.on('error', (error) => gunzip.destroy(error))
  return stream.pipe(gunzip)
}
