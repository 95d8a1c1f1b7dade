import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions } from '../options.js'
import { checkEmbeddings } from '../embeddings.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { topK } from '../math/top-k.js'
import { MaxSimScorer } from '../scoring/maxsim.js'
import type { FdeConfig } from './config.js'
import type { FdeEncoder } from './encode.js'

/** Mean tokens of a sample, and how much of a token is that mean. */
export interface CollectionMeans {
  /** Mean document token, `[dim]`. */
  document: Float32Array
  /** Mean query token, `[dim]`; present when queries were given. */
  query?: Float32Array
  /**
   * |mean document token| ÷ mean length of a document token: 0 = tokens point everywhere, 1 = all the same way. The number that
   * decides whether FDEs need a preparation.
   */
  meanNorm: number
  /** Document tokens looked at. */
  tokens: number
}

/** Fewer tokens than this say little about a collection. */
export const MIN_SAMPLE_TOKENS = 2000

/** At or above this `meanNorm` the common direction is taken out before hashing. */
export const DEFLATE_ABOVE = 0.55

/** The same with centroids as partitions. */
export const DEFLATE_CENTROIDS_ABOVE = 0.1

/**
 * Means over a sample of the collection; pass at least 2,000 tokens, from all over it. Queries are needed for
 * `prepare: 'center'` only (100 or more).
 *
 * @throws INVALID_ARGUMENT when the sample has no document token; DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function estimateMeans(
  documents: Iterable<TokenEmbeddings>,
  queries: Iterable<TokenEmbeddings> = [],
): CollectionMeans {
  const ofDocuments = meanToken(documents, 'document', undefined)
  if (!ofDocuments)
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The sample has no document tokens. Pass estimateMeans() some encoded documents.',
    )
  const ofQueries = meanToken(queries, 'query', ofDocuments.mean.length)
  return {
    document: ofDocuments.mean,
    ...(ofQueries && { query: ofQueries.mean }),
    meanNorm: ofDocuments.meanNorm,
    tokens: ofDocuments.tokens,
  }
}

/**
 * What `prepare: 'auto'` stands for: `deflate` when tokens share a direction, else `none`.
 *
 * Measured on SciFact with the first embedded model (5,183 documents, 300 queries, 128-dimensional tokens, meanNorm .72); share of the
 * exact MaxSim top 10 among the 100 best FDEs, with 20 repetitions:
 *
 * | preparation | k = 2 → 1280 | k = 3 → 2560 | k = 4 → 10240 | `paper` |
 * |---|---|---|---|---|
 * | none | .453 | .467 | .665 | .448 |
 * | deflate | .580 | .650 | .757 | .699 |
 * | center, document mean taken from queries too | .578 | .657 | .761 | .686 |
 * | center, each side its own mean | .580 | .649 | .752 | .690 |
 *
 * The three preparations are equal within a standard error (about .01), so the one that needs no sample of queries is taken.
 *
 * Where to start, from the same tokens with part of the common direction taken out beforehand (2,000 documents, 100 queries,
 * 40 candidates, k = 3 → 2560): none / deflate .429 / .553 at meanNorm .65, .493 / .539 at .56, .514 / .537 at .46, .556 / .564
 * at .34. Another small model with meanNorm .58 kept .791 / .898 of the exact top 10 on SciFact (`quality`, nDCG@10 .654 / .674).
 * ColBERTv2 (.50) was better off without it (Spearman correlation with MaxSim .814 against .751).
 *
 * Without a preparation centroids do far worse, since what is common to all tokens is in every partition a document occupies, and
 * with it they do better at every `meanNorm` measured; near 0 there is nothing to remove. MiniLM's tokens, none / deflate,
 * `quality`: .882 / .932 on Cranfield (.31), .833 / .856 on a quarter of SciFact (.20), .868 / .890 on CoSQA (.19), with 30, 25
 * and 20 candidates.
 *
 * @param partitioning default `hyperplanes`
 */
export function choosePreparation(
  means: Pick<CollectionMeans, 'meanNorm'>,
  partitioning: FdeConfig['partitioning'] = 'hyperplanes',
): Extract<FdeConfig['prepare'], 'none' | 'deflate'> {
  const above = partitioning === 'centroids' ? DEFLATE_CENTROIDS_ABOVE : DEFLATE_ABOVE
  return means.meanNorm >= above ? 'deflate' : 'none'
}

/** How evenly an encoder's hyperplanes and partitions divide the tokens of a sample. */
export interface PartitionStatistics {
  /**
   * Share of tokens on the emptier side of a hyperplane, mean over hyperplanes: .5 at best, near 0 when hashing is blind. Always
   * .5 where there are no hyperplanes.
   */
  minorityShare: number
  /** Occupied partitions per document and repetition, on average. */
  occupied: number
  /** Partitions per repetition: what `occupied` could be at most. */
  partitions: number
}

/**
 * Looks at where the tokens of a sample fall. A few hundred documents are enough.
 *
 * @throws INVALID_ARGUMENT when no document has a token; DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function measurePartitions(documents: readonly TokenEmbeddings[], encoder: FdeEncoder): PartitionStatistics {
  const { repetitions, simHashBits, code, partitioning } = encoder.config
  const partitions = 2 ** simHashBits
  const positives = new Float64Array(repetitions * simHashBits)
  let [tokens, texts, occupied] = [0, 0, 0]
  for (const document of documents) {
    if (document.length === 0) continue
    const ids = encoder.partitions(document, 'document').partitions
    texts++
    tokens += document.length
    for (let r = 0; r < repetitions; r++) {
      const own = ids.subarray(r * document.length, (r + 1) * document.length)
      occupied += new Set(own).size
      // In a Gray code bit j of id XOR (id >> 1) is a hyperplane's side; in a plain code bit j of the id.
      for (const id of own) {
        const pattern = code === 'gray' ? id ^ (id >> 1) : id
        for (let j = 0; j < simHashBits; j++) positives[r * simHashBits + j]! += (pattern >> j) & 1
      }
    }
  }
  if (tokens === 0)
    throw new SerotineError('INVALID_ARGUMENT', 'The sample has no document tokens. Pass some encoded documents.')
  const shares = (partitioning === 'centroids' ? new Float64Array() : positives).map(
    (count) => Math.min(count, tokens - count) / tokens,
  )
  return {
    minorityShare: shares.length > 0 ? shares.reduce((sum, share) => sum + share, 0) / shares.length : 0.5,
    occupied: occupied / (texts * repetitions),
    partitions,
  }
}

/** How well FDEs find what MaxSim would have found. */
export interface FdeRecall {
  /** Share of each query's exact MaxSim top `k` that is among its `candidates` best FDEs, averaged over queries. */
  recall: number
  /** What a random choice of candidates would reach. */
  chance: number
  /** What it was measured with. */
  queries: number
  documents: number
  k: number
  candidates: number
}

/**
 * Measures an encoder on a sample: exact MaxSim of every query with every document, against the ranking of their FDEs. Use many
 * more documents than candidates (`chance` says how telling the result is), and real queries if there are any; otherwise parts
 * of documents.
 *
 * @param options.candidates default 100
 * @param options.k default 10
 * @throws INVALID_ARGUMENT when there are no documents or queries; UNKNOWN_OPTION, DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function measureRecall(
  documents: readonly TokenEmbeddings[],
  queries: readonly TokenEmbeddings[],
  encoder: FdeEncoder,
  options: { candidates?: number; k?: number } = {},
): FdeRecall {
  checkOptions('measureRecall', options, ['candidates', 'k'], { topK: 'k', numCandidates: 'candidates' })
  const candidates = checkInteger('candidates', options.candidates ?? 100, 1)
  const k = checkInteger('k', options.k ?? 10, 1)
  if (documents.length === 0 || queries.length === 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `Recall needs documents and queries, got ${documents.length} and ${queries.length}.`,
    )
  }
  const fdes = documents.map((document) => encoder.encodeDocument(document))
  let total = 0
  for (const query of queries) {
    const scorer = new MaxSimScorer(query)
    const exact = Float64Array.from(documents, (document) => scorer.score(document))
    const queryFde = encoder.encodeQuery(query)
    const approximate = Float64Array.from(fdes, (fde) => innerProduct(queryFde, fde))
    const wanted = topK(exact, k)
    const found = new Set(topK(approximate, candidates))
    total += wanted.filter((document) => found.has(document)).length / wanted.length
  }
  return {
    recall: total / queries.length,
    chance: Math.min(1, candidates / documents.length),
    queries: queries.length,
    documents: documents.length,
    k,
    candidates,
  }
}

function innerProduct(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function meanToken(
  texts: Iterable<TokenEmbeddings>,
  kind: string,
  expectedDim: number | undefined,
): { mean: Float32Array; meanNorm: number; tokens: number } | undefined {
  let sum: Float64Array | undefined
  let [tokens, lengths, number] = [0, 0, 0]
  for (const text of texts) {
    const { data, dim, length } = text
    checkEmbeddings(text, sum?.length ?? expectedDim ?? dim, `${kind} ${number++}`)
    sum ??= new Float64Array(dim)
    tokens += length
    for (let i = 0; i < length; i++) {
      let square = 0
      for (let k = 0; k < dim; k++) {
        const x = data[i * dim + k]!
        sum[k]! += x
        square += x * x
      }
      lengths += Math.sqrt(square)
    }
  }
  if (!sum || tokens === 0) return undefined
  const mean = Float32Array.from(sum, (x) => x / tokens)
  const norm = Math.sqrt(mean.reduce((total, x) => total + x * x, 0))
  return { mean, meanNorm: lengths > 0 ? norm / (lengths / tokens) : 0, tokens }
}
