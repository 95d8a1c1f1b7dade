import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { SerotineError } from '@serotine/core'
import { checkOptions } from '@serotine/core/options'
import type { Json } from '@serotine/core'
import { textBlocks } from './blocks.js'
import type { Block, ReadableText } from './blocks.js'
import { whyBinary } from './decode.js'
import { readFormat } from './formats/read-format.js'
import { readRecords } from './jsonl.js'
import type { TextRecord } from './jsonl.js'
import { readLines, splitLines } from './lines.js'
import type { Line } from './lines.js'
import { PASSAGE_LIMITS, lineCounter, splitBlocks } from './passages.js'
import type { Passage, PassageLimits } from './passages.js'
import { sourceName, unreadable } from './skipped.js'
import type { SkipReason } from './skipped.js'
import { WALK_OPTIONS, findFiles, kindOf } from './walk.js'
import type { FoundFile, WalkOptions } from './walk.js'

/** A passage ready for `MultiVectorIndex.upsert`. */
export interface TextDocument {
  /** `path#n`, counting from 1; for JSONL records their own id (`id#n` when the record is longer than one passage). */
  readonly id: string
  readonly text: string
  readonly metadata: PassageMetadata
}

/** Where a passage stands. JSONL records add their own fields. */
export interface PassageMetadata {
  readonly [field: string]: Json
  /** Path of the file relative to `root`, with forward slashes. */
  readonly source: string
  /** 1-based lines in the file, both inclusive. */
  readonly line: number
  readonly lineEnd: number
  /**
   * UTF-16 offsets in the file, end exclusive; for JSONL in the record's title and text joined by a blank, for PDF and
   * DOCX in the whole text that was read from it, as are their lines.
   */
  readonly charStart: number
  readonly charEnd: number
}

export interface ReadOptions extends PassageLimits, WalkOptions {
  /** Split long texts into passages. Default true; false makes each file and record one document. */
  split?: boolean
  /** Continue after a bad JSONL line, telling `onSkip`. Default false: throw. */
  skipBadLines?: boolean
  /** Bytes of the current file read so far; `done` when the file is finished. */
  onBytes?: (file: FoundFile, bytes: number, done: boolean) => void
}

const READ_OPTIONS = [...PASSAGE_LIMITS, ...WALK_OPTIONS, 'split', 'skipBadLines', 'onBytes']

/**
 * Reads files and folders of text, Markdown, HTML, PDF, DOCX and JSON Lines as passages with their place in the file. PDF
 * and DOCX are read with the packages `unpdf` and `mammoth`, which have to be installed.
 *
 * A file that is given itself must be readable. Those in folders are skipped, telling `onSkip`, when they are binary, damaged
 * PDF or DOCX, or lack their package; what the system cannot read stops the reading, unless `skipUnreadable` is set.
 *
 * @example
 * await index.upsert(readTexts(['./docs']))
 * @throws INPUT_FORMAT for a path that does not exist, a file given itself that is binary or damaged, what cannot be read
 * unless `skipUnreadable` is set, or a bad JSONL line; DUPLICATE_ID for an id used twice; READER_MISSING for a PDF or DOCX
 * given itself whose package is not installed; UNKNOWN_OPTION
 */
export async function* readTexts(paths: readonly string[], options: ReadOptions = {}): AsyncGenerator<TextDocument> {
  checkOptions('readTexts', options, READ_OPTIONS)
  const { files } = await findFiles(paths, options)
  yield* readFiles(files, options)
}

/** The same for files that were already found. */
export async function* readFiles(files: readonly FoundFile[], options: ReadOptions = {}): AsyncGenerator<TextDocument> {
  const firstSeen = new Map<string, string>()
  for (const file of files) {
    options.signal?.throwIfAborted()
    const source = sourceName(file.path, options.root)
    const documents =
      file.kind === 'jsonl' ? readJsonlFile(file, source, firstSeen, options) : readWholeFile(file, source, options)
    try {
      for await (const document of documents) yield document
    } catch (error) {
      const skipped = unreadable(SerotineError.isInstance(error) ? error.cause : error, file.path, false, options.root)
      if (!skipped) throw error
      if (!options.skipUnreadable || file.named)
        throw new SerotineError('INPUT_FORMAT', `${skipped.message}. Check the file.`, { cause: error })
      options.onSkip?.(skipped)
    }
    options.onBytes?.(file, file.bytes, true)
  }
}

/** A file that is no file of this machine, as an upload: its name says what it is, and is never looked up. */
export interface SentFile {
  /** Its ending says which kind it is; any other is plain text. */
  readonly name: string
  /** Named in the passages, and in their ids. */
  readonly source: string
  readonly bytes: Uint8Array
}

/**
 * Passages of a file that was sent, as `readTexts` makes them of one on disk.
 *
 * @throws INPUT_FORMAT for what is binary, damaged, compressed, or has a bad JSONL line; DUPLICATE_ID, READER_MISSING,
 * UNKNOWN_OPTION
 */
export async function readSentFile(
  { name, source, bytes }: SentFile,
  options: ReadOptions = {},
): Promise<TextDocument[]> {
  checkOptions('readSentFile', options, READ_OPTIONS)
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

async function* readWholeFile(file: FoundFile, source: string, options: ReadOptions): AsyncGenerator<TextDocument> {
  const readable = await readReadable(file, source, options)
  if (readable) yield* passagesOf(readable, source, options)
}

/** A text as its passages. */
function* passagesOf(
  readable: ReadableText & { readonly replaced?: boolean },
  source: string,
  options: ReadOptions,
): Generator<TextDocument> {
  if (readable.replaced) reportReplaced(source, options)
  const { text, title, blocks, source: original } = readable
  const passages = split(text, blocks, options)
  if (passages.length === 0) options.onSkip?.({ reason: 'empty', place: source, message: `${source} has no text` })
  const lines = original && lineCounter(original.text)
  let n = 0
  for (const passage of passages) {
    const range = original?.place(passage.charStart, passage.charEnd)
    yield {
      id: `${source}#${++n}`,
      text: passage.text,
      metadata: {
        source,
        line: range && lines ? lines(range.start) : passage.lineStart,
        lineEnd: range && lines ? lines(Math.max(range.start, range.end - 1)) : passage.lineEnd,
        charStart: range?.start ?? passage.charStart,
        charEnd: range?.end ?? passage.charEnd,
        ...(title && { title }),
        ...(passage.heading && { heading: passage.heading }),
        ...(passage.page !== undefined && { page: passage.page }),
      },
    }
  }
}

/** @returns undefined when the file was skipped */
async function readReadable(
  file: FoundFile,
  source: string,
  options: ReadOptions,
): Promise<(ReadableText & { readonly replaced?: boolean }) | undefined> {
  const { kind, named } = file
  if (kind === 'jsonl') return undefined
  const bytes = await readFile(file.path)
  const skip = (reason: SkipReason, message: string): undefined => {
    options.onSkip?.({ reason, place: source, message })
    return undefined
  }
  const why = kind === 'pdf' || kind === 'docx' ? undefined : whyBinary(bytes)
  if (why !== undefined) {
    const message = `${source} is binary: ${why}`
    if (named)
      throw new SerotineError('INPUT_FORMAT', `${message}. Give files of text, or PDF and DOCX by their endings.`)
    return skip('binary', message)
  }
  try {
    return await readFormat(kind, bytes)
  } catch (cause) {
    if (!SerotineError.isInstance(cause)) throw cause
    const message = `${source} cannot be read: ${cause.message}`
    if (named) throw new SerotineError(cause.code, message, { cause })
    return skip(cause.code === 'READER_MISSING' ? 'no-reader' : 'unreadable', message)
  }
}

async function* readJsonlFile(
  file: FoundFile,
  source: string,
  firstSeen: Map<string, string>,
  options: ReadOptions,
): AsyncGenerator<TextDocument> {
  const lines = readLines(file.path, {
    ...(options.signal && { signal: options.signal }),
    onReplaced: () => reportReplaced(source, options),
  })
  const onRecord = ({ bytes }: TextRecord): void => options.onBytes?.(file, bytes, false)
  yield* recordsOf(lines, source, firstSeen, options, onRecord)
}

/** Lines of JSON as passages. @param firstSeen where each id was, to find those that come twice */
async function* recordsOf(
  lines: AsyncIterable<Line>,
  source: string,
  firstSeen: Map<string, string>,
  options: ReadOptions,
  onRecord?: (record: TextRecord) => void,
): AsyncGenerator<TextDocument> {
  const records = readRecords(lines, source, {
    ...(options.skipBadLines && {
      onBadLine: (error: SerotineError) =>
        options.onSkip?.({ reason: 'bad-line', place: source, message: error.message }),
    }),
  })
  for await (const record of records) {
    onRecord?.(record)
    const place = `${source}:${record.line}`
    if (record.id !== undefined) {
      const id = String(record.id)
      const before = firstSeen.get(id)
      if (before) {
        throw new SerotineError(
          'DUPLICATE_ID',
          `The id ${JSON.stringify(id)} is used twice: ${before} and ${place}. Ids must be unique.`,
        )
      }
      firstSeen.set(id, place)
    }
    yield* recordDocuments(record, source, place, options)
  }
}

function* recordDocuments(
  record: TextRecord,
  source: string,
  place: string,
  options: ReadOptions,
): Generator<TextDocument> {
  const text = record.title ? `${record.title} ${record.text}` : record.text
  const passages = split(text, textBlocks(text), options)
  if (passages.length === 0) options.onSkip?.({ reason: 'empty', place, message: `${place} has no text` })
  const id = record.id === undefined ? place : String(record.id)
  const fields: Record<string, Json> = {}
  // The record's own "source", "line" … must not be lost, nor hide where the passage stands.
  for (const [name, value] of Object.entries(record.fields)) fields[RESERVED.has(name) ? `_${name}` : name] = value
  for (const [i, passage] of passages.entries()) {
    yield {
      id: passages.length === 1 ? id : `${id}#${i + 1}`,
      text: passage.text,
      metadata: {
        ...fields,
        source,
        line: record.line,
        lineEnd: record.line,
        charStart: passage.charStart,
        charEnd: passage.charEnd,
        ...(record.title && { title: record.title }),
      },
    }
  }
}

const RESERVED = new Set(['source', 'line', 'lineEnd', 'charStart', 'charEnd'])

function split(text: string, blocks: readonly Block[], options: ReadOptions): Passage[] {
  if (options.split !== false) return splitBlocks(text, blocks, options)
  const charStart = text.length - text.trimStart().length
  const charEnd = text.trimEnd().length
  if (charEnd <= charStart) return []
  const lines = lineCounter(text)
  return [
    {
      text: text.slice(charStart, charEnd),
      charStart,
      charEnd,
      lineStart: lines(charStart),
      lineEnd: lines(charEnd - 1),
    },
  ]
}

function reportReplaced(source: string, options: ReadOptions): void {
  options.onSkip?.({
    reason: 'replaced-bytes',
    place: source,
    message: `${source} is not valid UTF-8; undecodable bytes became "\ufffd"`,
  })
}
