import { Readable } from 'node:stream'
import { SerotineError } from '@serotine/core'
import { whyBinary } from './decode.js'
import { readFormat } from './formats/read-format.js'
import { splitLines } from './lines.js'
import { passagesOf, recordsOf } from './read-texts.js'
import type { ReadOptions, TextDocument } from './read-texts.js'
import { kindOf } from './walk.js'

/** A file that is no file of this machine: its name says what it is, and is never looked up. */
export interface SentFile {
  readonly name: string
  /** Named in the passages, and in their ids. */
  readonly source: string
  readonly bytes: Uint8Array
}

/**
 * Passages of a file as `readTexts` makes them of one on disk.
 *
 * @throws INPUT_FORMAT for what is binary, damaged, compressed, or has a bad JSONL line; DUPLICATE_ID, READER_MISSING
 */
export async function readSentFile({ name, source, bytes }: SentFile, options: ReadOptions): Promise<TextDocument[]> {
  const kind = kindOf(name) ?? 'text'
  if (/\.gz$/i.test(name)) {
    throw new SerotineError('INPUT_FORMAT', `${name} is compressed. Send it unpacked.`)
  }
  if (kind === 'jsonl') {
    const lines = splitLines(
      Readable.from([bytes], { objectMode: true }),
      options.signal ? { signal: options.signal } : {},
    )
    const documents: TextDocument[] = []
    for await (const document of recordsOf(lines, source, new Map(), options)) documents.push(document)
    return documents
  }
  const why = kind === 'pdf' || kind === 'docx' ? undefined : whyBinary(bytes)
  if (why !== undefined) throw new SerotineError('INPUT_FORMAT', `${name} is binary: ${why}. Send text, PDF or DOCX.`)
  try {
    return [...passagesOf(await readFormat(kind, bytes), source, options)]
  } catch (cause) {
    if (!SerotineError.isInstance(cause)) throw cause
    throw new SerotineError(cause.code, `${name} cannot be read: ${cause.message}`, { cause })
  }
}
