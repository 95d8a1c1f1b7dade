import { Codebook } from '../../../centroids/codebook.js'
import { ResidualCodec } from '../../../centroids/residual-codec.js'
import type { ResidualSteps } from '../../../centroids/residuals.js'
import { SerotineError } from '../../../errors.js'
import { LANES } from '../../../math/pack.js'
import { topK } from '../../../math/top-k.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import type { Bitset } from '../../commit/bitset.js'
import type { DerivedManifest } from '../../format/manifest.js'
import type { CodedSearcher } from '../coded-kind.js'
import type { Found } from '../stage.js'
import { CentroidScan } from './centroid-scan.js'

/** What is known of one part's codebook. */
export interface CodebookFacts {
  /** As `CodebookData.cellBlocks`. */
  readonly cellBlocks: readonly number[]
  /** Tokens the part had when it was trained. */
  readonly tokens: number
  /** Mean similarity of a token that was not trained on with its centroid; null: not known. */
  readonly similarity: number | null
  /** Null: tokens have no residuals, as in indexes of format 1. */
  readonly residuals: ResidualSteps | null
  /** How far documents are ranked by what the codes stand for as by their vectors, 0 … 1; absent until it is measured. */
  readonly agreement?: number
  /** Share of the exact top 10 by the vectors that is in the top 10 by what codes stand for, 0 … 1; measured together with `agreement`. */
  readonly overlap?: number
}

/** At most so many candidates of the centroids, or as many as are wanted, are scored again with their residuals … */
const RESCORED = 1000
/** … so many at a time, for as long as the next may still be better than the 10th of those scored: than so many of the best are at all likely to be wanted. */
const RESCORED_STEP = 100
const BEST = 10
/**
 * Standard deviations by which residuals may add more than they do on average. 56,000 passages grown topic by topic, exact top 10 of 350
 * queries among 100 candidates: 3 keep .986, 3.5 .989, 4 .992 for a quarter more documents scored.
 */
const DEVIATIONS = 3.5

/**
 * Where documents are in lists, so many centroids of the largest codebook are looked at for each query token. Exact top 10 among 100 of
 * 56,000 passages, 16,384 centroids: 32 keep .944, 64 .975, 128 .975, all .975.
 */
const CENTROIDS = 128

interface Part {
  readonly scan: CentroidScan
  readonly facts: CodebookFacts
  /** First ordinal. */
  readonly from: number
  /** Documents of the scan that belong to it; undefined: all, and those to come. */
  readonly rows: number | undefined
}

/**
 * Codes of a collection in parts, each by a codebook of its own: what was added later is coded by what it is like, and nothing older is
 * coded again. A query pays a table of similarities for each codebook.
 */
export class CentroidParts implements CodedSearcher {
  readonly codeBytes: { readonly perDocument: number; readonly perToken: number }
  readonly #parts: readonly Part[]

  private constructor(parts: readonly Part[]) {
    this.#parts = parts
    this.codeBytes = { perDocument: 0, perToken: parts.at(-1)?.scan.bytesPerToken ?? 2 }
  }

  /**
   * Those of `before` up to an ordinal, then a part by this codebook that has no documents yet.
   *
   * @param least so many of the parts before stay, though they may have no documents
   */
  static extended(
    before: CentroidParts | undefined,
    from: number,
    codebook: Codebook,
    facts: CodebookFacts,
    least: number,
  ): CentroidParts {
    const kept = (before ? before.#parts : [])
      .filter((part, i) => i < least || part.from < from)
      .map((part) => ({ ...part, rows: Math.min(part.rows ?? Infinity, from - part.from) }))
    return new CentroidParts([
      ...kept,
      { scan: new CentroidScan(codebook, facts.residuals), facts, from, rows: undefined },
    ])
  }

  /** Empty parts as they were saved; `append` fills them in their order. @throws INDEX_CORRUPT */
  static restored(
    learned: Uint8Array,
    { facts, parts }: Pick<DerivedManifest, 'facts' | 'parts'>,
    dim: number,
  ): CentroidParts {
    const numbers = new Float32Array(learned.buffer, learned.byteOffset, learned.byteLength >> 2)
    const codebooks = facts.codebooks as unknown as readonly CodebookFacts[]
    let at = 0
    const restored = codebooks.map((each, i): Part => {
      const cellBlocks = Int32Array.from(each.cellBlocks)
      const cells = (cellBlocks.length - 1) * dim
      const centroids = (cellBlocks.at(-1) ?? 0) * 16 * dim
      if (cells <= 0 || at + cells + centroids > numbers.length || parts[i] === undefined) {
        throw new SerotineError(
          'INDEX_CORRUPT',
          `A file of ${numbers.length} numbers does not hold ${codebooks.length} codebooks.`,
        )
      }
      const data = {
        dim,
        cells: numbers.slice(at, at + cells),
        centroids: numbers.slice(at + cells, at + cells + centroids),
        cellBlocks,
      }
      at += cells + centroids
      const next = parts[i + 1]?.from
      const { from } = parts[i]
      return {
        scan: new CentroidScan(new Codebook(data), each.residuals),
        facts: each,
        from,
        rows: next === undefined ? undefined : next - from,
      }
    })
    return new CentroidParts(restored)
  }

  get rows(): number {
    const last = this.#parts.at(-1)
    if (!last) return 0
    return this.#parts.reduce((sum, { scan, rows }) => sum + Math.min(scan.rows, rows ?? Infinity), 0)
  }

  /** Of the codebook that new documents are coded by. */
  get last(): { readonly facts: CodebookFacts; readonly from: number; readonly codebook: Codebook } {
    const { facts, from, scan } = this.#parts.at(-1)!
    return { facts, from, codebook: scan.codebook }
  }

  /** First ordinal of each part, and the tokens its codebook was trained for. */
  get sizes(): readonly { readonly from: number; readonly tokens: number }[] {
    return this.#parts.map(({ from, facts }) => ({ from, tokens: facts.tokens }))
  }

  get partCount(): number {
    return this.#parts.length
  }

  /** Float32 directions of the cells, then of the centroids, of each part but the first so many. */
  learnedAfter(first: number): Uint8Array {
    return Buffer.concat(this.learned.slice(first))
  }

  /** Makes vectors of a part's codes. It must have residuals. */
  codecOf(index: number): ResidualCodec {
    const { codebook, steps } = this.#parts[index]!.scan
    return new ResidualCodec(codebook.dim, codebook.data.centroids, steps!)
  }

  /** Of each part. */
  get learned(): Uint8Array[] {
    return this.#parts.map(({ scan }) => {
      const { cells, centroids } = scan.codebook.data
      return Buffer.concat(
        [cells, centroids].map((rows) => new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)),
      )
    })
  }

  get memory(): number {
    return this.#parts.reduce((sum, { scan }) => sum + scan.memory, 0)
  }

  get facts(): DerivedManifest['facts'] {
    return {
      codebooks: this.#parts.map(({ facts: { residuals, ...facts } }) => ({
        ...facts,
        cellBlocks: [...facts.cellBlocks],
        residuals: residuals && { ...residuals },
      })),
    }
  }

  encode(documents: readonly TokenEmbeddings[]): Uint8Array {
    return this.#parts.at(-1)!.scan.encode(documents)
  }

  reserve(lengths: readonly number[]): void {
    for (const { scan, taken } of this.#shares(lengths)) scan.reserve(taken)
  }

  append(codes: Uint8Array, lengths: readonly number[]): void {
    let at = 0
    for (const { scan, taken } of this.#shares(lengths)) {
      const bytes = taken.reduce((sum, length) => sum + length, 0) * this.codeBytes.perToken
      scan.append(codes.subarray(at, at + bytes), taken)
      at += bytes
    }
  }

  /** Which of the documents that come next go to which part. */
  *#shares(lengths: readonly number[]): Generator<{ readonly scan: CentroidScan; readonly taken: readonly number[] }> {
    let done = 0
    for (const { scan, rows } of this.#parts) {
      const room = rows === undefined ? Infinity : rows - scan.rows
      if (room <= 0 || done === lengths.length) continue
      const taken = lengths.slice(done, done + room)
      done += taken.length
      yield { scan, taken }
    }
  }

  search(query: TokenEmbeddings, count: number, allowed: Bitset): Found {
    const scores = new Float32Array(this.rows)
    if (query.length > 0) this.#score(query, scores)
    // A call for each score takes longer than the scan.
    const isAllowed = allowed.hasAllBelow(scores.length) ? undefined : (ordinal: number) => allowed.has(ordinal)
    const hasResiduals = this.#parts.every(({ facts }) => facts.residuals)
    if (query.length === 0 || !hasResiduals) return found(topK(scores, count, isAllowed), scores)
    const most = Math.max(RESCORED, count)
    const likely = isAllowed ? topK(scores, most, isAllowed) : this.#parts.at(-1)!.scan.largest(scores, most)
    const better = new Float32Array(likely.length)
    let end = 0
    do {
      const next = Math.min(likely.length, Math.max(end + RESCORED_STEP, count))
      better.set(this.#rescored(likely.subarray(end, next)), end)
      end = next
    } while (end < likely.length && scores[likely[end]!]! >= leastPromising(likely.subarray(0, end), scores, better))
    const rescored = likely.slice(0, end)
    rescored.forEach((ordinal, i) => (scores[ordinal] = better[i]!))
    // Ties by ordinal.
    rescored.sort()
    const best = topK(
      Float32Array.from(rescored, (ordinal) => scores[ordinal]!),
      count,
    )
    return found(
      best.map((at) => rescored[at]!),
      scores,
    )
  }

  #score(query: TokenEmbeddings, scores: Float32Array): void {
    const largest = this.#parts.reduce((most, { scan }) => Math.max(most, scan.codebook.size), 0)
    const hasLists = this.#parts.some(({ scan }) => scan.hasLists)
    for (const part of this.#parts) {
      const { scan } = part
      // The same share of each codebook, so that what a document counts at least is about the same in all parts.
      const wanted = hasLists ? Math.max(LANES, Math.round((CENTROIDS * scan.codebook.size) / largest)) : undefined
      scan.score(query, scores.subarray(part.from, endOf(part, scores.length)), wanted)
    }
  }

  /** Estimates with residuals for the query that was just scored. */
  #rescored(ordinals: Int32Array): Float32Array {
    const out = new Float32Array(ordinals.length)
    const { rows } = this
    for (const part of this.#parts) {
      const end = endOf(part, rows)
      const places = new Int32Array(ordinals.length)
      let count = 0
      for (let i = 0; i < ordinals.length; i++) if (ordinals[i]! >= part.from && ordinals[i]! < end) places[count++] = i
      if (count === 0) continue
      const estimates = part.scan.rescore(
        Int32Array.from({ length: count }, (_, i) => ordinals[places[i]!]! - part.from),
      )!
      for (let i = 0; i < count; i++) out[places[i]!] = estimates[i]!
    }
    return out
  }
}

/**
 * The estimate by centroids below which no document is likely to be among the best: residuals would have to add more than they add
 * to these documents by so many standard deviations.
 */
function leastPromising(ordinals: Int32Array, scores: Float32Array, better: Float32Array): number {
  let [sum, squares] = [0, 0]
  ordinals.forEach((ordinal, i) => {
    const gain = better[i]! - scores[ordinal]!
    sum += gain
    squares += gain * gain
  })
  const mean = sum / ordinals.length
  const deviation = Math.sqrt(Math.max(0, squares / ordinals.length - mean * mean))
  const gained = better.subarray(0, ordinals.length)
  return gained[topK(gained, BEST).at(-1)!]! - mean - DEVIATIONS * deviation
}

function endOf({ from, rows }: Part, total: number): number {
  return Math.min(total, from + (rows ?? Infinity))
}

function found(ordinals: Int32Array, scores: Float32Array): Found {
  return { ordinals, scores: Float32Array.from(ordinals, (ordinal) => scores[ordinal]!) }
}
