import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { SerotineError } from '../errors.js'

export interface Line {
  readonly text: string
  /** `file:line`, counted from 1: what an error message names. */
  readonly place: string
}

/**
 * The non-blank lines of a text file, unpacked on the way when its name ends in `.gz`.
 *
 * Not node:readline: it also breaks at U+2028 and U+2029, which JSON allows inside strings.
 *
 * @throws INPUT_FORMAT when the file cannot be read, is not UTF-8 or its gzip data is damaged
 */
export async function* readLines(file: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let number = 0
  let rest = ''
  const cut = function* (text: string): Generator<Line> {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!
    for (const part of parts) {
      number++
      if (part.trim() !== '') yield { text: part, place: `${file}:${number}` }
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
