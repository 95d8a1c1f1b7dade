import { checkEmbeddings } from '../embeddings.js'
import type { TokenEmbeddings } from '../embeddings.js'
import type { EncodeOptions, Encoder, OnProgress } from '../encoder.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { checkInteger, checkOptions, describe } from '../options.js'
import { sameJson } from '../store/metadata.js'
import type { Json } from '../store/metadata.js'
import type { Store } from '../store/store.js'
import { untilAborted } from '../store/until-aborted.js'
import { batches, checkId, checkSource, contentHash, isStream } from './input.js'
import type { CheckedDocument, DocumentSource } from './input.js'
import { checkModelOutput } from './model-output.js'

/** How the texts of one call are encoded; as in `encodeDocuments`. */
export type DocumentEncoding = Pick<EncodeOptions, (typeof DOCUMENT_ENCODING)[number]>
export const DOCUMENT_ENCODING = ['prompt', 'promptName', 'poolFactor', 'protectedTokens'] as const

/** How documents are added. */
export interface UpsertOptions extends DocumentEncoding {
  /** Documents encoded and committed together. What is committed survives whatever happens next. Default 256. */
  batchSize?: number
  /**
   * Ids to delete in the commit of these documents, which then are one batch whatever their number: a text that was cut into pieces is replaced as a
   * whole. Ids of documents of the call are not deleted, unknown ones do not count. Not for async iterables.
   */
  delete?: readonly string[]
  signal?: AbortSignal
  /** `{ phase: 'index', done, total, tokensPerSecond }`; `total` is absent for streams. */
  onProgress?: OnProgress
  /** Warnings of this call (cut texts, unsuitable FDEs) instead of the index's own `onWarning`. */
  onWarning?: OnWarning
}

/** What became of the documents of one call. */
export interface UpsertResult {
  readonly added: number
  /** Replaced, because text, embeddings, model or metadata had changed. */
  readonly updated: number
  /** Already there in exactly this form: nothing was encoded or written. */
  readonly unchanged: number
  /** With `delete`: how many of those were there. */
  readonly deleted?: number
}

interface Step extends Pick<UpsertOptions, 'signal' | 'onProgress' | 'onWarning'> {
  readonly batchSize: number
  readonly encoding: DocumentEncoding
  /** A known id is an error. */
  readonly insertOnly: boolean
  /** Ids that go with the documents, which are one batch. */
  readonly gone?: readonly string[]
  /** Runs what is written of one batch after all changes before it. */
  readonly inTurn: <T>(change: () => Promise<T>) => Promise<T>
  /** Ends the wait for documents of a stream, beside `signal`. */
  readonly closing?: AbortSignal
}

/** What `upsert` was told, checked at once. @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
export function checkUpsert(
  call: string,
  source: unknown,
  options: UpsertOptions,
  warn: OnWarning | undefined,
): {
  readonly documents: DocumentSource
  readonly step: Omit<Step, 'insertOnly' | 'inTurn' | 'closing'>
} {
  checkOptions(call, options, [...DOCUMENT_ENCODING, 'batchSize', 'delete', 'signal', 'onProgress', 'onWarning'], {
    abortSignal: 'signal',
    pool_factor: 'poolFactor',
    prompt_name: 'promptName',
    batch_size: 'batchSize',
    remove: 'delete',
  })
  const documents = checkSource(source, call)
  const { signal, onProgress, onWarning = warn } = options
  const batchSize = checkInteger('batchSize', options.batchSize ?? 256, 1)
  const gone = options.delete === undefined ? {} : { gone: checkGone(call, documents, options.delete) }
  const given = {
    ...gone,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    ...(onWarning && { onWarning }),
  }
  return { documents, step: { batchSize, encoding: encodingOf(options), ...given } }
}

/** @throws INVALID_ARGUMENT */
function checkGone(call: string, documents: DocumentSource, ids: unknown): string[] {
  if (isStream(documents)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The delete of ${call} goes with documents that are one commit, which those of an async iterable are not. Give an array.`,
    )
  }
  if (!Array.isArray(ids)) {
    throw new SerotineError('INVALID_ARGUMENT', `The delete of ${call} must be an array of ids, got ${describe(ids)}.`)
  }
  return ids.map((id, i) => checkId(id, `delete[${i}]`))
}

/** The options that are for the model. */
export function encodingOf(options: DocumentEncoding): DocumentEncoding {
  return Object.fromEntries(
    DOCUMENT_ENCODING.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  )
}

/**
 * Encodes and commits documents batch by batch.
 *
 * @throws DUPLICATE_ID, DIM_MISMATCH, NOT_FINITE and what the model throws: the batch they are in is not written, those before
 * it are
 */
export async function putDocuments(
  store: Store,
  model: Encoder | undefined,
  source: DocumentSource,
  options: Step,
): Promise<UpsertResult> {
  const { signal, onProgress } = options
  const total = Array.isArray(source) ? { total: source.length } : {}
  const { gone } = options
  const result = { added: 0, updated: 0, unchanged: 0, ...(gone && { deleted: 0 }) }
  let [done, tokens] = [0, 0]
  const started = performance.now()
  const report = (more: number) => {
    const seconds = (performance.now() - started) / 1000
    const speed = tokens > 0 && seconds > 0 ? { tokensPerSecond: tokens / seconds } : {}
    try {
      onProgress?.({ phase: 'index', done: done + more, ...total, ...speed })
    } catch (cause) {
      throw callbackFailed(cause, done)
    }
  }
  // The model may go on for a moment with what nobody waits for.
  const reportUnlessAborted = (more: number) => {
    if (!signal?.aborted) report(more)
  }
  signal?.throwIfAborted()
  const stops = [signal, options.closing].filter((each) => each !== undefined)
  const stop = stops.length > 0 ? AbortSignal.any(stops) : undefined
  const write = async (batch: CheckedDocument[]): Promise<void> => {
    signal?.throwIfAborted()
    // Given up at once, whatever is under way: nothing of this batch has been written.
    const plan = await untilAborted(planBatch(store, model, batch, options), signal)
    const embeddings = await untilAborted(embed(store, model, plan.toEncode, options, reportUnlessAborted), signal)
    const encoded = new Map(plan.toEncode.map((document, i) => [document, embeddings[i]!]))
    const leaving = gone && (await leavingWith(store, batch, gone))
    if (plan.changed.length > 0) {
      signal?.throwIfAborted()
      const used = model && plan.toEncode.some((document) => !document.embeddings)
      const adopted = used ? { name: model.name, fingerprint: model.fingerprint } : null
      await store.upsert(
        plan.changed.map(({ document, hash }) => {
          const { id, text, metadata } = document
          // Without embeddings: only its metadata changed.
          return { id, text, metadata, hash, embeddings: encoded.get(document) }
        }),
        { dim: embeddings[0]?.dim ?? null, model: adopted },
        signal,
        ...(leaving ? [leaving] : []),
      )
    } else if (leaving && leaving.length > 0) {
      signal?.throwIfAborted()
      await store.delete({ ids: leaving }, signal)
    }
    if (leaving) result.deleted = leaving.length
    for (const { length } of embeddings) tokens += length
    result.updated += plan.changed.filter(({ isThere }) => isThere).length
    result.added += plan.changed.filter(({ isThere }) => !isThere).length
    result.unchanged += batch.length - plan.changed.length
    done += batch.length
  }
  let isWritten = false
  for await (const batch of batches(source, gone ? Infinity : options.batchSize, model !== undefined, stop)) {
    await options.inTurn(() => write(batch))
    isWritten = true
    report(0)
  }
  // Nothing comes, but something goes.
  if (gone && !isWritten) await options.inTurn(() => write([]))
  return result
}

/** Those of the ids that are there and do not come again. */
async function leavingWith(
  store: Store,
  coming: readonly CheckedDocument[],
  ids: readonly string[],
): Promise<string[]> {
  const stay = new Set(coming.map(({ id }) => id))
  const asked = [...new Set(ids)].filter((id) => !stay.has(id))
  const found = await store.get(asked, { text: false })
  return asked.filter((_, i) => found[i] !== undefined)
}

function callbackFailed(cause: unknown, done: number): SerotineError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SerotineError(
    'CALLBACK_FAILED',
    `onProgress threw when ${done} documents had been taken in, and the call ended there: ${why} What is committed stays; repeating the ` +
      'call goes on from there.',
    { cause },
  )
}

interface Plan {
  readonly changed: { document: CheckedDocument; hash: string; isThere: boolean }[]
  /** Those of the changed whose vectors are not there yet. */
  readonly toEncode: CheckedDocument[]
}

async function planBatch(
  store: Store,
  model: Encoder | undefined,
  batch: readonly CheckedDocument[],
  { insertOnly, encoding }: Step,
): Promise<Plan> {
  // The same text encoded otherwise is other content.
  const encodedBy =
    Object.keys(encoding).length === 0 ? model?.fingerprint : `${model?.fingerprint} ${JSON.stringify(encoding)}`
  const plan: Plan = { changed: [], toEncode: [] }
  const known = await store.get(
    batch.map(({ id }) => id),
    { text: false, checked: true },
  )
  for (const [i, document] of batch.entries()) {
    const before = known[i]
    if (before && insertOnly) {
      throw new SerotineError('DUPLICATE_ID', `Id ${describe(document.id)} already exists. Use upsert() to replace it.`)
    }
    const hash = contentHash(document, encodedBy)
    const sameContent = before?.hash === hash
    if (sameContent && sameJson(JSON.parse(document.metadata) as Json, before.metadata)) continue
    plan.changed.push({ document, hash, isThere: before !== undefined })
    if (!sameContent) plan.toEncode.push(document)
  }
  return plan
}

/** The vectors of the documents, in their order, checked: all have the index's dimension and hold numbers. */
export async function embed(
  store: Store,
  model: Encoder | undefined,
  documents: readonly CheckedDocument[],
  options: { readonly [K in 'signal' | 'onWarning' | 'encoding']?: Step[K] | undefined },
  report: (done: number) => void,
): Promise<TokenEmbeddings[]> {
  const { signal, onWarning, encoding } = options
  const texts = documents.filter(({ embeddings }) => !embeddings).map(({ text }) => text!)
  const encoded =
    texts.length === 0
      ? []
      : checkModelOutput(
          model!,
          'encodeDocuments',
          await model!.encodeDocuments(texts, {
            ...encoding,
            ...(signal && { signal }),
            ...(onWarning && { onWarning }),
            // The whole batch is reported when it is committed.
            onProgress: ({ phase, done }) => phase === 'encode' && done < documents.length && report(done),
          }),
          texts.length,
        )
  let next = 0
  let { dim } = store.spec
  return documents.map((document) => {
    const embeddings = document.embeddings ?? encoded[next++]!
    dim ??= embeddings.dim
    checkEmbeddings(embeddings, dim, `document ${describe(document.id)}`)
    return embeddings
  })
}
