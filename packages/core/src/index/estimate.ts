import type { TokenEmbeddings } from '../embeddings.js'
import type { Encoder } from '../encoder.js'
import { fmix32 } from '../math/random.js'
import { checkInteger, checkOptions } from '../options.js'
import { recordBytes } from '../store/records.js'
import type { EstimatedSize, NewDocument, Store, StoreStats } from '../store/store.js'
import { untilAborted } from '../store/until-aborted.js'
import { batches, checkSource, contentHash } from './input.js'
import type { CheckedDocument, DocumentSource } from './input.js'
import { DOCUMENT_ENCODING, embed, encodingOf } from './upsert.js'
import type { DocumentEncoding } from './upsert.js'

/** How an estimate is made. */
export interface EstimateOptions extends DocumentEncoding {
  /** Documents that are encoded, chosen at random but the same each time; all where there are fewer. Default 200. */
  sample?: number
  signal?: AbortSignal
}

/** What adding documents would take. */
export interface Estimate {
  readonly documents: number
  /** How many were looked at more closely: encoded, unless they came as embeddings. Everything below is what follows from them. */
  readonly sampled: number
  /** Token vectors. */
  readonly tokens: number
  /** Standard error of `tokens` as a share of it: .02 is 2 %. 0 when all were sampled; null when one was. */
  readonly standardError: number | null
  /** Bytes on disk by what they hold, as in `stats()`. Of an engine, records and texts alone. */
  readonly bytes: StoreStats['bytes']
  /**
   * Bytes of memory by what they hold while the index is open and everything was searched once, as in `stats()`. Without the model and what an
   * `upsert` takes while it runs. Absent: the store keeps nothing in this process that counts.
   */
  readonly memory?: NonNullable<StoreStats['memory']>
  /**
   * Minutes to encode the texts on this machine, at the speed of the sample. Without what is learned in the background, above 250,000 tokens or where FDEs
   * are made.
   */
  readonly minutes: number
}

const SAMPLE = 200
/** Documents checked at a time. */
const BATCH = 256

/** Counts the documents, encodes some, and asks the store. @throws what `upsert` throws for documents like these */
export async function estimateDocuments(
  store: Store,
  model: Encoder | undefined,
  source: DocumentSource,
  options: EstimateOptions,
): Promise<Estimate> {
  checkOptions('estimate()', options, [...DOCUMENT_ENCODING, 'sample', 'signal'], {
    samples: 'sample',
    sampleSize: 'sample',
    abortSignal: 'signal',
  })
  const size = checkInteger('sample', options.sample ?? SAMPLE, 1)
  const { signal } = options
  const documents = checkSource(source, 'estimate()')
  const [texts, given] = [new Sample(size), new Sample(size)]
  let [textBytes, givenTokens] = [0, 0]
  signal?.throwIfAborted()
  for await (const batch of batches(documents, BATCH, model !== undefined, signal)) {
    signal?.throwIfAborted()
    for (const document of batch) {
      textBytes += document.text === undefined ? 0 : Buffer.byteLength(document.text)
      givenTokens += document.embeddings?.length ?? 0
      if (document.embeddings) given.add(document)
      else texts.add(document)
    }
  }
  const encoding = { encoding: encodingOf(options), signal, onWarning: () => {} }
  const encode = (some: readonly CheckedDocument[]) =>
    untilAborted(
      embed(store, model, some, encoding, () => {}),
      signal,
    )
  // What a first call sets up is not to count.
  await encode(texts.documents.slice(0, 1))
  const started = performance.now()
  const encoded = await encode(texts.documents)
  const minutes = (performance.now() - started) / 60_000
  const lengths = encoded.map(({ length }) => length)
  const encodedTokens = Math.round(mean(lengths) * texts.count)
  const total = { documents: texts.count + given.count, tokens: givenTokens + encodedTokens, textBytes }
  const all = [...texts.documents, ...given.documents]
  const embeddings = [...encoded, ...given.documents.map((document) => document.embeddings!)]
  const error = texts.count === 0 ? 0 : errorOfMean(lengths, texts.count)
  return {
    documents: total.documents,
    sampled: all.length,
    tokens: total.tokens,
    standardError: error === null || total.tokens === 0 ? error : (error * texts.count) / total.tokens,
    ...(await sizeOf(store, model, { documents: all, embeddings }, total)),
    minutes: texts.documents.length === 0 ? 0 : (minutes * texts.count) / texts.documents.length,
  }
}

/** So many of the documents it is shown, each as likely as any other (Vitter, algorithm R), the same every time. */
class Sample {
  readonly documents: CheckedDocument[] = []
  readonly #size: number
  /** Documents it was shown. */
  count = 0

  constructor(size: number) {
    this.#size = size
  }

  add(document: CheckedDocument): void {
    this.count++
    if (this.documents.length < this.#size) {
      this.documents.push(document)
      return
    }
    const place = Math.floor((fmix32(this.count) / 2 ** 32) * this.count)
    if (place < this.#size) this.documents[place] = document
  }
}

async function sizeOf(
  store: Store,
  model: Encoder | undefined,
  { documents, embeddings }: { readonly documents: CheckedDocument[]; readonly embeddings: TokenEmbeddings[] },
  total: EstimatedSize,
): Promise<Pick<Estimate, 'bytes' | 'memory'>> {
  const dim = embeddings[0]?.dim ?? store.spec.dim
  if (!store.estimate || documents.length === 0 || dim === null) {
    const { codec } = store.spec
    const recorded = embeddings.reduce((sum, { length }) => sum + recordBytes(codec, length, dim ?? 0), 0)
    const tokens = documents.length === 0 ? 0 : Math.round((recorded / documents.length) * total.documents)
    return { bytes: { tokens, texts: total.textBytes, total: tokens + total.textBytes } }
  }
  const sample = documents.map((document, i): NewDocument => {
    const { id, text, metadata } = document
    return { id, text, metadata, hash: contentHash(document, model?.fingerprint), embeddings: embeddings[i] }
  })
  return store.estimate(sample, total, { dim, model: null })
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Standard error of a mean, of so many that the values were drawn from; null when one value says nothing of it. */
function errorOfMean(values: readonly number[], from: number): number | null {
  const count = values.length
  if (count === from) return 0
  if (count < 2) return null
  const middle = mean(values)
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (count - 1)
  return Math.sqrt((variance / count) * (1 - count / from))
}
