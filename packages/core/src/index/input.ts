import { createHash } from 'node:crypto'
import { checkOptions, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import { checkEmbeddings } from '../embeddings.js'
import type { Metadata } from '../store/metadata.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { metadataJson } from '../store/metadata.js'
import { untilAborted } from '../store/until-aborted.js'

/** A document to put into an index. */
export interface IndexedDocument {
  /** Your own, not empty; the only name of the document. */
  readonly id: string
  /** Encoded by the index's model unless `embeddings` are given; kept either way. */
  readonly text?: string
  /** JSON values, for `where` and for you. */
  readonly metadata?: Metadata
  /** Token vectors made elsewhere. */
  readonly embeddings?: TokenEmbeddings
}

/** A document whose form has been checked. */
export interface CheckedDocument {
  readonly id: string
  readonly text: string | undefined
  /** As JSON. */
  readonly metadata: string
  readonly embeddings: TokenEmbeddings | undefined
  /** Position in the call, for messages. */
  readonly position: number
}

/** One document or many, all there or still to come. */
export type DocumentSource = Iterable<IndexedDocument> | AsyncIterable<IndexedDocument>

/** A batch is closed when its texts reach this many characters … */
const BATCH_CHARACTERS = 8_000_000
/** … or its given embeddings this many numbers. */
const BATCH_NUMBERS = 16_000_000

/** @throws INVALID_ARGUMENT, UNKNOWN_OPTION, EMBEDDINGS_SHAPE, NOT_FINITE */
export function checkDocument(document: IndexedDocument, position: number, hasModel: boolean): CheckedDocument {
  if (typeof document !== 'object' || document === null) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `Document ${position} must be an object like { id, text }, got ${describe(document)}.`,
    )
  }
  const { id, text, metadata, embeddings } = document
  checkId(id, `The id of document ${position}`)
  const what = `document ${describe(id)}`
  checkOptions(what, document, ['id', 'text', 'metadata', 'embeddings'], {
    content: 'text',
    pageContent: 'text',
    document: 'text',
    body: 'text',
    meta: 'metadata',
    payload: 'metadata',
    vector: 'embeddings',
    embedding: 'embeddings',
    _id: 'id',
  })
  if (text !== undefined && typeof text !== 'string') {
    throw new SerotineError('INVALID_ARGUMENT', `The text of ${what} must be a string, got ${describe(text)}.`)
  }
  if (text === undefined && embeddings === undefined) {
    throw new SerotineError('INVALID_ARGUMENT', `${what} has neither text nor embeddings.`)
  }
  if (embeddings === undefined && !hasModel) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${what} comes without embeddings but the index was opened without a model. Pass embeddings, or open it with { model }.`,
    )
  }
  if (embeddings !== undefined) checkMatrix(embeddings, what)
  return { id, text, metadata: metadataJson(metadata, what), embeddings, position }
}

/** @throws INVALID_ARGUMENT */
export function checkId(id: unknown, name: string): string {
  if (typeof id === 'string' && id !== '') return id
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be a string that is not empty, got ${describe(id)}.`)
}

function checkMatrix(embeddings: TokenEmbeddings, what: string): void {
  const { data, length, dim } = embeddings ?? {}
  if (!(data instanceof Float32Array) || !Number.isInteger(length) || !Number.isInteger(dim) || length < 0 || dim < 1) {
    throw new SerotineError(
      'EMBEDDINGS_SHAPE',
      `The embeddings of ${what} must be { data: Float32Array, length, dim }, got ${describe(embeddings)}.`,
    )
  }
  checkEmbeddings(embeddings, dim, what)
}

/** Whether documents come in their own time. */
export function isStream(source: DocumentSource): source is AsyncIterable<IndexedDocument> {
  return Symbol.asyncIterator in source
}

/** What a stream gives, until the signal: a stream that stalls is left alone. @throws the signal's reason */
async function* untilStopped<T>(stream: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  const iterator = stream[Symbol.asyncIterator]()
  let isDone = false
  try {
    while (!isDone) {
      const next = await untilAborted(iterator.next(), signal)
      isDone = next.done === true
      if (!isDone) yield next.value as T
    }
  } catch (error) {
    // Its own failure has ended it.
    isDone = !signal?.aborted
    throw error
  } finally {
    // Not waited for: while it stalls, it cannot end either.
    if (!isDone) void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

/**
 * Cuts documents into batches, checking each. An array is checked as a whole before its first batch is given out.
 *
 * @param size Infinity: one batch, however much that is
 * @param signal ends the wait for a stream
 * @throws DUPLICATE_ID and what `checkDocument` throws; the signal's reason
 */
export async function* batches(
  source: DocumentSource,
  size: number,
  hasModel: boolean,
  signal?: AbortSignal,
): AsyncGenerator<CheckedDocument[]> {
  const positions = new Map<string, number>()
  const check = (document: IndexedDocument, position: number): CheckedDocument => {
    const checked = checkDocument(document, position, hasModel)
    const earlier = positions.get(checked.id)
    if (earlier !== undefined) {
      throw new SerotineError(
        'DUPLICATE_ID',
        `Id ${describe(checked.id)} appears twice in one call: documents ${earlier} and ${position}. Keep one of them.`,
      )
    }
    positions.set(checked.id, position)
    return checked
  }
  const documents = Array.isArray(source) ? (source as IndexedDocument[]).map(check) : undefined
  let batch: CheckedDocument[] = []
  let [characters, numbers, position] = [0, 0, 0]
  for await (const document of documents ?? (isStream(source) ? untilStopped(source, signal) : source)) {
    const checked = documents ? (document as CheckedDocument) : check(document as IndexedDocument, position)
    position++
    batch.push(checked)
    characters += checked.text?.length ?? 0
    numbers += checked.embeddings?.data.length ?? 0
    if (size === Infinity || (batch.length < size && characters < BATCH_CHARACTERS && numbers < BATCH_NUMBERS)) continue
    yield batch
    ;[batch, characters, numbers] = [[], 0, 0]
  }
  if (batch.length > 0) yield batch
}

/** @throws INVALID_ARGUMENT when it cannot be iterated */
export function checkSource(source: unknown, call: string): DocumentSource {
  const iterable =
    typeof source === 'object' && source !== null && (Symbol.iterator in source || Symbol.asyncIterator in source)
  if (iterable) return source as DocumentSource
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `${call} takes an array or an (async) iterable of documents, got ${describe(source)}. One document: [document].`,
  )
}

/** Of everything its vectors and its text come from: equal hash, nothing to do. 128 bits. */
export function contentHash({ text, embeddings }: CheckedDocument, encodedBy: string | undefined): string {
  const hash = createHash('sha256')
  hash.update(embeddings ? `embeddings ${embeddings.length} ${embeddings.dim}` : `model ${encodedBy}`)
  if (text === undefined) {
    hash.update('|no text|')
  } else {
    // UTF-8 cannot hold lone surrogates: two texts that differ in them would be one.
    const isUtf16 = /\p{Surrogate}/u.test(text)
    const bytes = Buffer.from(text, isUtf16 ? 'utf16le' : 'utf8')
    hash
      .update(isUtf16 ? '|utf16|' : '|utf8|')
      .update(`${bytes.length}|`)
      .update(bytes)
  }
  if (embeddings)
    hash.update(new Uint8Array(embeddings.data.buffer, embeddings.data.byteOffset, embeddings.data.byteLength))
  return hash.digest('hex').slice(0, 32)
}
