import type { Codebook } from '../../../centroids/codebook.js'
import { residualBytes, residualSteps } from '../../../centroids/residuals.js'
import { centroidsFor, trainCodebook, trainingTokens } from '../../../centroids/train.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { FIT_SAMPLE, stillFits } from '../../../fde/partition-fit.js'
import { LANES } from '../../../math/pack.js'
import type { Collection } from '../../commit/collection.js'
import { compressedParts, readCompressed } from '../../commit/compressed.js'
import { COMPRESSING_STAGE } from '../../format/manifest.js'
import { CodedStage } from '../coded-stage.js'
import type { CodedKind, Due, Kept } from '../coded-kind.js'
import { EXACT_TOKENS } from '../plan.js'
import { UNSEEN_TOKENS } from '../fit.js'
import { sampleTokens, searchableIn, spread } from '../sample.js'
import type { Stage, StageContext } from '../stage.js'
import { CentroidParts } from './centroid-parts.js'
import type { CodebookFacts } from './centroid-parts.js'
import { measuredAgreement } from './agreement.js'
import { compressionOf } from './compression.js'
import { CHUNK_BYTES } from './centroid-scan.js'

/** Trained again when a part has this many times the tokens it was trained for. */
const GROWTH = 2
/** A part takes in the one before it when that has no more than this many times its tokens: so a token is coded again log₂ times, and parts are few. */
const MERGE = 1

/** Codes of all tokens: kept where everything is not scored exactly, or where they were asked for. */
export function centroidStage(context: StageContext): Stage {
  const { files, preferred, compressTokens } = context
  let isWanted = preferred === 'centroids'

  /** The parts that vectors were compressed by, with the codes of their documents: all that is left when the rest is damaged. */
  function compressedOnly(collection: Collection): CentroidParts {
    const { codebooks } = files
    const facts = codebooks.map(({ manifest: { cellBlocks, tokens, similarity, residuals } }) => {
      return { cellBlocks: [...cellBlocks], tokens, similarity, residuals: { ...residuals } }
    })
    const parts = compressedParts(collection, codebooks)
    const learned = Buffer.concat(codebooks.map((codebook) => codebook.read()))
    const restored = CentroidParts.restored(learned, { facts: { codebooks: facts }, parts }, files.manifest.dim!)
    const lengths = Array.from({ length: collection.compressed }, (_, ordinal) => collection.row(ordinal).tokens)
    restored.append(readCompressed(collection), lengths)
    return restored
  }

  /** Tokens of some of the documents from one ordinal up to another, and their codes. */
  async function coded(
    codebook: Codebook,
    collection: Collection,
    range: { readonly from: number; readonly to: number; readonly documents: number },
    signal: AbortSignal | undefined,
  ): Promise<{ tokens: TokenEmbeddings; codes: Uint16Array }> {
    const { codec, dim } = files.manifest
    const data = await sampleTokens(collection, codec, dim!, { ...range, tokens: FIT_SAMPLE.tokens }, signal)
    const tokens = { data, length: data.length / dim!, dim: dim! }
    return { tokens, codes: codebook.encode(tokens) }
  }

  async function due(collection: Collection, kept: Kept | undefined, signal: AbortSignal | undefined): Promise<Due> {
    // What is compressed stays as it is: it is part of no other part, and its codebooks are all there is when the rest is damaged.
    const { compressed } = collection
    if (!kept) return { learn: compressedParts(collection, files.codebooks).at(-1)?.from ?? 0 }
    const { last, sizes } = kept.searcher as CentroidParts
    if (!last.facts.residuals) return { learn: 0 }
    const part = kept.derived.parts.at(-1)!
    const from = Math.max(part.from, compressed)
    const now = collection.tokensOf(from)
    const enough = last.facts.tokens * (from > part.from ? GROWTH - 1 : GROWTH)
    const open = sizes.filter((each) => each.from >= compressed)
    if (now >= enough) return { learn: merged(from, now, open) }
    const unseen = collection.tokensOf(part.trusted)
    if (unseen < UNSEEN_TOKENS) return undefined
    const known = last.facts.similarity
    const range = { from: part.trusted, to: collection.total, documents: FIT_SAMPLE.documents }
    const recent = await coded(last.codebook, collection, range, signal)
    const found = meanSimilarity(last.codebook, recent.tokens, recent.codes)
    // Indexes of version 1 do not say how well their codebook fits.
    if (known !== null && stillFits(found, known)) return { trust: collection.total }
    return { learn: merged(part.trusted, unseen, open) }
  }

  const kind: CodedKind = {
    name: COMPRESSING_STAGE,
    version: 1,
    compresses: true,
    isKept: ({ tokens }) =>
      tokens > 0 &&
      (isWanted ||
        (preferred === 'auto' && tokens > EXACT_TOKENS) ||
        (files.manifest.codec === 'residual' && tokens >= compressTokens)),
    keep: () => {
      isWanted = true
    },
    expected({ tokens, dim }) {
      if (tokens === 0 || (!isWanted && !(preferred === 'auto' && tokens > EXACT_TOKENS))) return undefined
      const centroids = centroidsFor(tokens) * dim
      const codes = tokens * (2 + residualBytes(dim))
      // In memory also as whole numbers, twice, with lists of documents (at most 2 bytes a token), and with room for what is scored again.
      return { bytes: centroids * 4 + codes, memory: centroids * 8 + codes + tokens * 2 + CHUNK_BYTES }
    },
    due,
    async learn(collection, from, kept, signal) {
      const { codec, dim } = files.manifest
      if (!kept && files.codebooks.length > 0) return compressedOnly(collection)
      const to = collection.total
      const tokens = collection.tokensOf(from)
      const centroids = centroidsFor(tokens)
      // What it was trained on it fits better than what is like that: up to half as much again, in small parts.
      const range = { from, to }
      const documents = searchableIn(collection, range)
      const unseen = spread(documents, Math.min(FIT_SAMPLE.documents, documents.length >> 4))
      const most = { ...range, documents: centroids, tokens: trainingTokens(centroids), without: new Set(unseen) }
      const rows = await sampleTokens(collection, codec, dim!, most, signal)
      const codebook = await trainCodebook(rows, dim!, { centroids, signal })
      const sample = await coded(codebook, collection, { ...range, documents: Math.max(1, unseen.length) }, signal)
      const facts: CodebookFacts = {
        cellBlocks: [...codebook.data.cellBlocks],
        tokens,
        similarity: meanSimilarity(codebook, sample.tokens, sample.codes),
        residuals: residualSteps(codebook, sample.tokens, sample.codes),
      }
      const before = kept?.searcher as CentroidParts | undefined
      return CentroidParts.extended(before, from, codebook, facts, files.codebooks.length)
    },
    learned: (searcher) => (searcher as CentroidParts).learnedAfter(files.codebooks.length),
    restore(learned, derived, codebooks) {
      const kept = codebooks.map((codebook) => codebook.read())
      return CentroidParts.restored(Buffer.concat([...kept, learned]), derived, files.manifest.dim!)
    },
    compression(collection, kept, share) {
      return compressionOf(collection, kept, files.codebooks.length, { share, tokens: compressTokens })
    },
    async measure(collection, kept, signal) {
      return measuredAgreement(files, collection, kept, { tokens: compressTokens, signal })
    },
    keeps(collection, { facts, parts }) {
      if (collection.compressed === 0) return 1
      const codebooks = facts.codebooks as unknown as readonly CodebookFacts[]
      let lost = 0
      for (const [i, { from }] of parts.entries()) {
        const to = Math.min(collection.compressed, parts[i + 1]?.from ?? Infinity)
        if (to > from) lost += collection.tokensOf(from, to) * (1 - (codebooks[i]?.overlap ?? 1))
      }
      return 1 - lost / collection.tokensOf(0)
    },
    facts(derived) {
      const codebooks = (derived?.facts.codebooks ?? []) as unknown as CodebookFacts[]
      const count = codebooks.reduce((sum, { cellBlocks }) => sum + cellBlocks.at(-1)! * LANES, 0)
      return {
        codebooks: codebooks.length,
        centroids: count,
        trainedAt: (derived?.facts.tokens as number | undefined) ?? null,
        ...(files.manifest.codec === 'residual' && {
          compressed: files.collection.compressed,
          agreement: worstOf(codebooks.map((each) => each.agreement)),
        }),
      }
    },
  }
  return new CodedStage(kind, context)
}

/** Where a new part begins: with the parts before it that are not much larger than it. */
function merged(from: number, tokens: number, sizes: CentroidParts['sizes']): number {
  let [start, sum] = [from, tokens]
  for (const part of sizes.filter((each) => each.from < from).reverse()) {
    if (part.tokens > sum * MERGE) break
    start = part.from
    sum += part.tokens
  }
  return start
}

/** Mean similarity of tokens with their centroids; 1 for none. */
function meanSimilarity(codebook: Codebook, { data, length, dim }: TokenEmbeddings, codes: Uint16Array): number {
  const { centroids } = codebook.data
  let total = 0
  let counted = 0
  for (let i = 0; i < length; i++) {
    let [product, square] = [0, 0]
    for (let k = 0; k < dim; k++) {
      const value = data[i * dim + k]!
      product += value * centroids[codes[i]! * dim + k]!
      square += value * value
    }
    if (square === 0) continue
    total += product / Math.sqrt(square)
    counted++
  }
  return counted === 0 ? 1 : total / counted
}

/** The lowest that was measured; null: none was. */
function worstOf(agreements: readonly (number | undefined)[]): number | null {
  const measured = agreements.filter((each) => each !== undefined)
  return measured.length > 0 ? Math.min(...measured) : null
}
