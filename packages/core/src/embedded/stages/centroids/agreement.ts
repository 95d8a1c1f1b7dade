import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../../embeddings.js'
import type { Warning } from '../../../errors.js'
import { topK } from '../../../math/top-k.js'
import { MaxSimScorer } from '../../../scoring/maxsim.js'
import { recordBytes, scaleOffset } from '../../../store/records.js'
import { Bitset } from '../../commit/bitset.js'
import type { Collection } from '../../commit/collection.js'
import type { IndexFiles } from '../../commit/index-files.js'
import type { DerivedManifest } from '../../format/manifest.js'
import type { CodedSearcher, Kept, Measured } from '../coded-kind.js'
import { spread } from '../sample.js'
import type { CentroidParts, CodebookFacts } from './centroid-parts.js'
import { AGREEMENT, openParts } from './compression.js'
import type { OpenPart } from './compression.js'

/** Pieces of documents that stand for queries, and tokens of each. */
const QUERIES = 24
const QUERY_TOKENS = 10
/** Likeliest documents for each, which are ranked both ways. */
const CANDIDATES = 100
const TOP = 10

/**
 * Measures the parts that may be compressed and have not been measured: how far their documents are ranked by what codes stand for as by the
 * vectors. It is the nDCG@10 of that ranking, where what a document is worth is by how much its exact MaxSim is above that of the last of 100
 * likely ones: to change places with one that is as good costs nothing. The document that a piece is of is left out: it is first in both.
 *
 * @returns the facts of the stage's codebooks, with what was measured; undefined when there is nothing new
 */
export async function measuredAgreement(
  files: IndexFiles,
  collection: Collection,
  kept: Kept,
  how: {
    readonly tokens: number
    readonly signal: AbortSignal | undefined
  },
): Promise<Measured | undefined> {
  const codebooks = kept.derived.facts.codebooks as unknown as readonly CodebookFacts[]
  const due = openParts(collection, kept).filter(({ index }) => {
    return index >= files.codebooks.length && codebooks[index]?.agreement === undefined
  })
  if (due.length === 0 || collection.tokensOf(0) < how.tokens) return undefined
  const found = new Map<number, Agreement>()
  for (const part of due) found.set(part.index, await agreementOf(files, collection, kept, part, how.signal))
  const worst = Math.min(...[...found.values()].map(({ agreement }) => agreement))
  const codebooksNow = codebooks.map((each, i) => ({ ...each, ...found.get(i) }))
  return {
    facts: { codebooks: codebooksNow } as unknown as DerivedManifest['facts'],
    warning: worst < AGREEMENT ? unsuitable(worst) : undefined,
  }
}

function unsuitable(agreement: number): Warning {
  const percent = (share: number): number => Math.round(share * 1000) / 10
  return {
    code: 'RESIDUALS_UNSUITABLE',
    message:
      `Residual codes rank documents of this index only to ${percent(agreement)} % as their vectors do (nDCG@${TOP} of pieces of ` +
      `${QUERIES} documents; ${percent(AGREEMENT)} % are wanted), so that these documents keep their int8 vectors.`,
  }
}

/** The two of `CodebookFacts`. */
interface Agreement {
  readonly agreement: number
  readonly overlap: number
}

async function agreementOf(
  files: IndexFiles,
  collection: Collection,
  { searcher, derived }: Kept,
  part: OpenPart,
  signal: AbortSignal | undefined,
): Promise<Agreement> {
  const dim = files.manifest.dim!
  const allowed = new Bitset(collection.total)
  for (const ordinal of collection.searchable()) if (ordinal >= part.from && ordinal < part.to) allowed.add(ordinal)
  const codec = (searcher as CentroidParts).codecOf(part.index)
  const codesOf = codesIn(files.readCodes('centroids'), collection, derived, searcher)
  let [sum, shared, count] = [0, 0, 0]
  for (const ordinal of spread([...allowed], QUERIES)) {
    if (!collection.isIntact(ordinal)) continue
    const query = middleOf(collection.readEmbeddings(ordinal, 'residual', dim))
    allowed.delete(ordinal)
    const found = searcher.search(query, CANDIDATES, allowed).ordinals
    const ordinals = found.filter((each) => collection.isIntact(each))
    allowed.add(ordinal)
    const scorer = new MaxSimScorer(query)
    const exact = Float32Array.from(ordinals, (each) => {
      return scored(scorer, collection.readRecord(each), collection.row(each).tokens, dim)
    })
    const coded = Float32Array.from(ordinals, (each) => {
      const { tokens } = collection.row(each)
      const record = new Uint8Array(recordBytes('residual', tokens, dim))
      codec.decompress(codesOf(each), tokens, record, scaleOffset(tokens, dim))
      return scored(scorer, record, tokens, dim)
    })
    const least = exact.reduce((a, b) => Math.min(a, b), Infinity)
    const gain = (ranked: Int32Array): number =>
      ranked.reduce((total, at, rank) => total + (exact[at]! - least) / Math.log2(rank + 2), 0)
    const [byVectors, byCodes] = [topK(exact, TOP), topK(coded, TOP)]
    const ideal = gain(byVectors)
    sum += ideal > 0 ? gain(byCodes) / ideal : 1
    shared += byVectors.length > 0 ? byVectors.filter((at) => byCodes.includes(at)).length / byVectors.length : 1
    count++
    await nextTurn()
    signal?.throwIfAborted()
  }
  return count === 0 ? { agreement: 1, overlap: 1 } : { agreement: sum / count, overlap: shared / count }
}

/** Codes of single documents, of those that are in the file of codes. */
function codesIn(
  codes: Uint8Array,
  collection: Collection,
  { codesFrom = 0, rows }: DerivedManifest,
  { codeBytes }: CodedSearcher,
) {
  const starts = new Float64Array(rows - codesFrom + 1)
  for (let ordinal = codesFrom; ordinal < rows; ordinal++) {
    starts[ordinal - codesFrom + 1] = starts[ordinal - codesFrom]! + codeBytes.perToken * collection.row(ordinal).tokens
  }
  return (ordinal: number): Uint8Array => codes.subarray(starts[ordinal - codesFrom], starts[ordinal - codesFrom + 1])
}

function scored(scorer: MaxSimScorer, record: Uint8Array, tokens: number, dim: number): number {
  scorer.arena(record.length).set(record)
  return scorer.scoreInt8At(0, scaleOffset(tokens, dim), tokens)
}

function middleOf({ data, length, dim }: TokenEmbeddings): TokenEmbeddings {
  const start = Math.max(0, (length - QUERY_TOKENS) >> 1)
  const count = Math.min(QUERY_TOKENS, length)
  return { data: data.slice(start * dim, (start + count) * dim), length: count, dim }
}
