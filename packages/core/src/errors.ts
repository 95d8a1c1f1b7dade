/**
 * Every error Serotine throws on purpose. `code` is stable across releases; the message may change.
 */
export type ErrorCode =
  /** A value is of the wrong type or out of range. */
  | 'INVALID_ARGUMENT'
  /** An option name is not known (often a misspelling). */
  | 'UNKNOWN_OPTION'
  /** The model folder or cache lacks files that are needed. */
  | 'MODEL_FILES_MISSING'
  /** The checkpoint uses something Serotine does not implement. */
  | 'MODEL_UNSUPPORTED'
  /** A model file is damaged: truncated, wrong checksum, tensors that do not fit. */
  | 'MODEL_CORRUPT'
  /** The Hub is needed but `offline` is set. */
  | 'OFFLINE'
  /** A download failed after its retries. */
  | 'DOWNLOAD_FAILED'
  /** ONNX Runtime cannot be loaded. */
  | 'RUNTIME_MISSING'
  /** An encoding worker ended unexpectedly. */
  | 'WORKER_FAILED'
  /** A model or index was used after `close()`. */
  | 'CLOSED'
  /** A matrix's length is not tokens × dim. */
  | 'EMBEDDINGS_SHAPE'
  /** Two things that must share a dimension do not. */
  | 'DIM_MISMATCH'
  /** A vector holds NaN or an infinity. */
  | 'NOT_FINITE'
  /** A callback of yours threw: what had been done stays done, and the message says what that is. */
  | 'CALLBACK_FAILED'
  /** The same id twice where ids must be unique. */
  | 'DUPLICATE_ID'
  /** An index was built by another model or with other settings than the ones asked for. */
  | 'INDEX_MISMATCH'
  /** The folder is not a Serotine index. */
  | 'INDEX_FORMAT'
  /** The index was written by a newer Serotine. */
  | 'INDEX_VERSION'
  /** A checksum or length in the index does not match. */
  | 'INDEX_CORRUPT'
  /** Another process is writing to the index. */
  | 'INDEX_LOCKED'
  /** A change was made and can be seen, but a power cut may undo it: the folder could not be synced. */
  | 'INDEX_NOT_DURABLE'
  /** A change failed, and what is on disk is not known or could not be put right: the index takes no more until it is opened again. */
  | 'INDEX_POISONED'
  /** The lock, the folder or the manifest is another process's by now: nothing was changed, and this process may write no more. */
  | 'INDEX_FENCED'
  /** The index was opened read-only. */
  | 'INDEX_READONLY'
  /** The package that opens stores at addresses of a kind (postgres://, weaviate://) cannot be found. */
  | 'STORE_MISSING'
  /** What was copied to another store is not what is there now, or the source changes too fast. */
  | 'COPY_FAILED'
  /** `firstStage: 'hnsw'` was asked for and hnswlib-node cannot be loaded. */
  | 'HNSWLIB_MISSING'
  /** The optional package that reads files of a kind (PDF, DOCX) cannot be loaded. */
  | 'READER_MISSING'
  /** A file given as input (JSONL, BEIR folder …) cannot be understood. */
  | 'INPUT_FORMAT'
  /** The package that talks to an engine (`pg` …) cannot be loaded. */
  | 'DRIVER_MISSING'
  /** An engine does not answer, or the connection to it was lost. */
  | 'STORE_UNREACHABLE'
  /** An engine does not let this user in, or do this. */
  | 'STORE_REFUSED'
  /** An engine is too old, or lacks an extension. */
  | 'STORE_UNSUPPORTED'
  /** An engine took longer than it was allowed to. */
  | 'STORE_TIMEOUT'
  /** The disk of an engine is full. */
  | 'STORE_FULL'
  /** An engine reported an error of another kind. */
  | 'STORE_FAILED'
  /** Part of an engine's servers is gone, and an answer without their documents would pass for a whole one. */
  | 'PARTIAL_RESULTS'

const BRAND = Symbol.for('serotine.error')

/** What went wrong, the values involved, and what to do about it. */
export class SerotineError extends Error {
  override readonly name = 'SerotineError'
  readonly code: ErrorCode
  // Two copies of @serotine/core may live in one app; `instanceof` fails across them, the brand does not.
  readonly [BRAND] = true

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** True for a SerotineError of any installed copy of this package. */
  static isInstance(value: unknown): value is SerotineError {
    return typeof value === 'object' && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true
  }
}

/** Something the caller should know about, which did not stop the work. Delivered through `onWarning`, never printed. */
export interface Warning {
  readonly code:
    | 'WRONG_RESIDUAL'
    | 'TRUNCATED'
    | 'CACHE_READONLY'
    | 'HUB_UNREACHABLE'
    | 'HNSWLIB_MISSING'
    | 'FDE_UNSUITABLE'
    | 'CENTROIDS_UNSUITABLE'
    | 'RESIDUALS_UNSUITABLE'
    | 'INDEX_REPAIRED'
    | 'DOCUMENT_DAMAGED'
    | 'UPKEEP_FAILED'
    | 'INT8_SATURATES'
    | 'RUNTIME_WASM'
    | 'JUDGED_MISSING'
  readonly message: string
  /** With `TRUNCATED`: what the message says in numbers, so that those of many calls can be added up. */
  readonly truncated?: Truncation
}

/** Texts of one call that were longer than the model reads. */
export interface Truncation {
  readonly kind: 'query' | 'document'
  /** Texts that were cut. */
  readonly cut: number
  /** Texts of the call. */
  readonly texts: number
  /** Tokens of a text at most. */
  readonly length: number
  /** Tokens left out of the longest. */
  readonly longest: number
}

/** Called with each warning; nothing is printed without it. What it throws ends the call it was given to; work in the background goes on. */
export type OnWarning = (warning: Warning) => void
