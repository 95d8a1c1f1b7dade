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
  /** The index was opened read-only. */
  | 'INDEX_READONLY'
  /** `firstStage: 'hnsw'` was asked for and hnswlib-node cannot be loaded. */
  | 'HNSWLIB_MISSING'
  /** The optional package that reads files of a kind (PDF, DOCX) cannot be loaded. */
  | 'READER_MISSING'
  /** A file given as input (JSONL, BEIR folder …) cannot be understood. */
  | 'INPUT_FORMAT'

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
    | 'INDEX_REPAIRED'
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

export type OnWarning = (warning: Warning) => void

/**
 * Rejects unknown option names, with a suggestion.
 *
 * @param aliases names other libraries use → ours, e.g. `{ topK: 'k', filter: 'where' }`
 */
export function checkOptions(
  where: string,
  options: unknown,
  allowed: readonly string[],
  aliases: Readonly<Record<string, string>> = {},
): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new SerotineError('INVALID_ARGUMENT', `${where} takes an options object, got ${describe(options)}.`)
  }
  for (const key of Object.keys(options)) {
    if (allowed.includes(key)) continue
    const guess = aliases[key] ?? nearestName(key, allowed)
    const hint = guess ? `Did you mean "${guess}"?` : `Options: ${allowed.join(', ')}.`
    throw new SerotineError('UNKNOWN_OPTION', `${where} has no option "${key}". ${hint}`)
  }
}

/** Requires an integer within [min, max]; the message names the option and the value. */
export function checkInteger(name: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be an integer ${range}, got ${describe(value)}.`)
}

/** Requires a string; the message names the argument. */
export function checkString(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be a string, got ${describe(value)}.`)
}

/** A short, safe rendering of any value for an error message. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (ArrayBuffer.isView(value)) return value.constructor.name
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** The allowed name closest to a misspelt one, or undefined when none is close (edit distance above a third). */
export function nearestName(name: string, allowed: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of allowed) {
    const distance = editDistance(name.toLowerCase().replaceAll('_', ''), candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}
