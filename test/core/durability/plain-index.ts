// What an index has to hold and to answer, in the plainest way there is: a map, and MaxSim of everything.
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import type { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { SearchHit } from '../../../packages/core/src/index/search/hits.js'
import type { Metadata } from '../../../packages/core/src/store/metadata.js'
import { decodeRecord, encodeRecord } from '../../../packages/core/src/store/records.js'
import type { TokenCodec } from '../../../packages/core/src/store/records.js'
import type { FakeEncoder } from '../../support/fake-encoder.js'

export interface PlainDocument {
  readonly id: string
  readonly text: string
  readonly metadata: Metadata
}

/** Documents by their ids. */
export type State = ReadonlyMap<string, PlainDocument>

export function withDocuments(state: State, documents: readonly PlainDocument[]): State {
  return new Map([...state, ...documents.map((document) => [document.id, document] as const)])
}

export function without(state: State, ids: readonly string[]): State {
  const left = new Map(state)
  for (const id of ids) left.delete(id)
  return left
}

/** What can differ by rounding: the kernels add in another order, and int8 queries are rounded, too. */
const ROUNDING = 2e-3
/** Codes in the place of vectors. */
const CODED = { share: 0.2, more: 0.5 }

/** Compares an index with a state, and says what is wrong. */
export class Comparison {
  readonly #model: FakeEncoder
  readonly #codec: TokenCodec
  readonly #vectors = new Map<string, TokenEmbeddings>()

  constructor(model: FakeEncoder, codec: TokenCodec) {
    this.#model = model
    this.#codec = codec
  }

  /** Undefined: the index holds these documents and no others, with these texts and metadata. */
  async contents(index: MultiVectorIndex, state: State): Promise<string | undefined> {
    const seen = new Set<string>()
    for await (const { id, text, metadata } of index.scan()) {
      const wanted = state.get(id)
      if (!wanted) return `${id} is there and should not be`
      if (seen.has(id)) return `${id} comes twice`
      seen.add(id)
      if (text !== wanted.text) return `${id} has the text ${text}, not ${wanted.text}`
      if (JSON.stringify(metadata) !== JSON.stringify(wanted.metadata)) {
        return `${id} has the metadata ${JSON.stringify(metadata)}, not ${JSON.stringify(wanted.metadata)}`
      }
    }
    const missing = [...state.keys()].find((id) => !seen.has(id))
    return missing && `${missing} is missing of ${state.size} documents`
  }

  /** Undefined: the vectors of these documents are those that the codec makes of their texts. */
  async vectors(index: MultiVectorIndex, ids: readonly string[], state: State): Promise<string | undefined> {
    for (const id of ids) {
      const [found, wanted] = [await index.embeddings(id), this.#embed(state.get(id)!.text)]
      if (found?.length !== wanted.length) return `${id} has ${found?.length} vectors, not ${wanted.length}`
      const most = this.#codec === 'residual' ? 0.9 : 1e-6
      const at = found.data.findIndex((value, i) => !(Math.abs(value - wanted.data[i]!) <= most))
      if (at >= 0) return `${id} has ${found.data[at]} as component ${at}, not ${wanted.data[at]}`
    }
    return undefined
  }

  /**
   * Undefined: these are hits that exact MaxSim gives, the best `k` of those that pass where `isExhaustive`.
   *
   * @param score of a hit that is MaxSim
   */
  hits(
    hits: readonly SearchHit[],
    query: string,
    state: State,
    { k, passes = () => true, isExhaustive = true, isHybrid = false }: HitsExpected,
  ): string | undefined {
    const allowed = [...state.values()].filter(passes)
    const wanted = Math.min(k, allowed.length)
    if (hits.length !== wanted) return `${hits.length} hits, not ${wanted}`
    const embedded = this.#model.embed(query)
    const scoreOf = new Map<string, number>()
    const exact = (document: PlainDocument): number => {
      const known = scoreOf.get(document.id)
      if (known !== undefined) return known
      const score = plainMaxSim(embedded, this.#embed(document.text))
      scoreOf.set(document.id, score)
      return score
    }
    const best = isExhaustive && !isHybrid ? allowed.map(exact).sort((a, b) => b - a) : undefined
    const near = (a: number, b: number): boolean =>
      Math.abs(a - b) <=
      (this.#codec === 'residual' ? CODED.share * Math.abs(b) + CODED.more : ROUNDING * (1 + Math.abs(b)))
    const ids = new Set<string>()
    for (const [i, hit] of hits.entries()) {
      const document = state.get(hit.id)
      if (!document) return `hit ${i} is ${hit.id}, which is not there`
      if (!passes(document)) return `hit ${i} is ${hit.id}, which does not pass`
      if (ids.has(hit.id)) return `${hit.id} is found twice`
      ids.add(hit.id)
      if (hit.text !== document.text) return `hit ${hit.id} has the text ${hit.text}, not ${document.text}`
      const found = isHybrid ? hit.maxSim! : hit.score
      if (!near(found, exact(document))) return `hit ${hit.id} has the score ${found}, not ${exact(document)}`
      if (best && !near(found, best[i]!)) return `hit ${i} has the score ${found}, the best there is ${best[i]}`
      if (i > 0 && hit.score > hits[i - 1]!.score + 1e-6) return `hit ${i} is better than the one before it`
    }
    return undefined
  }

  /** As the index decodes them. */
  #embed(text: string): TokenEmbeddings {
    const known = this.#vectors.get(text)
    if (known) return known
    const { length, dim, ...rest } = this.#model.embed(text)
    const record = encodeRecord(this.#codec, { length, dim, ...rest })
    const decoded = decodeRecord(this.#codec, record, length, dim)
    this.#vectors.set(text, decoded)
    return decoded
  }
}

export interface HitsExpected {
  readonly k: number
  readonly passes?: (document: PlainDocument) => boolean
  /** Every document was a candidate. */
  readonly isExhaustive?: boolean
  readonly isHybrid?: boolean
}

/** The sum over query tokens of the best dot product. */
function plainMaxSim(query: TokenEmbeddings, document: TokenEmbeddings): number {
  const { dim } = query
  let sum = 0
  for (let q = 0; q < query.length; q++) {
    let best = -Infinity
    for (let d = 0; d < document.length; d++) {
      let product = 0
      for (let i = 0; i < dim; i++) product += query.data[q * dim + i]! * document.data[d * dim + i]!
      if (product > best) best = product
    }
    sum += best
  }
  return sum
}
