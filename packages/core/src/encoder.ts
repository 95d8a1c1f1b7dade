import type { TokenEmbeddings } from './embeddings.js'
import type { OnWarning } from './errors.js'

/** How far something has come. */
export interface Progress {
  /** What is being counted, e.g. `encode`, `download`, `index`. */
  readonly phase: 'download' | 'encode' | 'index' | 'build' | 'copy' | 'evaluate'
  readonly done: number
  /** Undefined while the total is not known (streams). */
  readonly total?: number
  /** `download`: the file; otherwise absent. */
  readonly file?: string
  /** Tokens encoded per second so far, where known. */
  readonly tokensPerSecond?: number
}
/** Called now and then while something takes long; what it throws ends that. */
export type OnProgress = (progress: Progress) => void

/** Options of one encoding call. Names follow PyLate's `encode`, in camelCase. */
export interface EncodeOptions {
  /** Prepended verbatim to every text. Wins over `promptName`. `''` switches the default prompt off. */
  prompt?: string
  /** Key of the model's `prompts`. */
  promptName?: string
  /** L2-normalise each token vector. Default true. */
  normalize?: boolean
  /** Documents only: keep about 1/poolFactor of the vectors (hierarchical pooling). Default 1 = off. */
  poolFactor?: number
  /** Documents only: this many leading vectors are never pooled. Default 1 ([CLS]). */
  protectedTokens?: number
  /** Most texts per ONNX Runtime call; a token budget cuts batches further. Default 32. */
  batchSize?: number
  signal?: AbortSignal
  onProgress?: OnProgress
  /** Called once per call when texts were cut to the model's length. */
  onWarning?: OnWarning
}

/** What the index and the adapters need from a model. `ColBERT` is one; embeddings made elsewhere can be another. */
export interface Encoder {
  /** Components per token. */
  readonly dim: number
  /** Changes whenever the same text could give other vectors: weights, lengths, prefixes, dtype. */
  readonly fingerprint: string
  /** For messages: a name people recognise. */
  readonly name: string
  /** One matrix `[tokens × dim]` per text, in their order. */
  encodeQueries(texts: readonly string[], options?: EncodeOptions): Promise<TokenEmbeddings[]>
  /** One matrix `[tokens × dim]` per text, in their order. */
  encodeDocuments(texts: readonly string[], options?: EncodeOptions): Promise<TokenEmbeddings[]>
}

/** What a reranker needs from a model. `ColBERT` is one. */
export interface Scorer {
  /** For messages and telemetry: a name people recognise. */
  readonly name?: string
  /** MaxSim of the query against each text, and the number of query tokens it sums over. */
  score(
    query: string,
    documents: readonly string[],
    options?: { signal?: AbortSignal },
  ): Promise<{ scores: ArrayLike<number>; queryTokens: number }>
}

/** How a list is ranked. */
export interface RerankOptions extends Pick<
  EncodeOptions,
  'prompt' | 'promptName' | 'signal' | 'onProgress' | 'onWarning'
> {
  /** How many to return, best first. Default: all. */
  topN?: number
}

/** A document of the list given, and its place. */
export interface RankedDocument<D> {
  /** Position in the list given. */
  readonly index: number
  readonly document: D
  /** MaxSim: the sum over query tokens of the best dot product. Higher is better. */
  readonly score: number
  /** `score` ÷ query tokens: −1 … 1 for normalised embeddings. */
  readonly meanSimilarity: number
  /** 1 for the best. */
  readonly rank: number
}
