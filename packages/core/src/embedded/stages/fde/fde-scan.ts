import type { TokenEmbeddings } from '../../../embeddings.js'
import type { FdeEncoder } from '../../../fde/encode.js'
import { topK } from '../../../math/top-k.js'
import type { Bitset } from '../../commit/bitset.js'
import type { CodeBytes, DerivedManifest } from '../../format/manifest.js'
import type { CodedSearcher } from '../coded-kind.js'
import type { Found } from '../stage.js'
import { encodeFdeRow, fdeRowBytes, FdeRows } from './fde-rows.js'

/** Exact scan: the inner product of the query's FDE with every document's. Nothing to build, nothing to tune. */
export class FdeScan implements CodedSearcher {
  readonly encoder: FdeEncoder
  /** For the graph, which walks over the same rows. */
  readonly fdes: FdeRows
  readonly learned: Uint8Array
  readonly partCount = 1
  readonly facts: DerivedManifest['facts']
  readonly codeBytes: CodeBytes

  constructor(encoder: FdeEncoder, learned: Uint8Array, facts: DerivedManifest['facts']) {
    this.encoder = encoder
    this.learned = learned
    this.facts = facts
    this.fdes = new FdeRows(encoder.outputDim)
    this.codeBytes = { perDocument: fdeRowBytes(encoder.outputDim), perToken: 0 }
  }

  get rows(): number {
    return this.fdes.length
  }

  get memory(): number {
    return this.fdes.memory
  }

  encode(documents: readonly TokenEmbeddings[]): Uint8Array {
    // First all FDEs, then all rows: the two share kernel memory and each sets it up again.
    const fdes = documents.map((document) => this.encoder.encodeDocument(document))
    return Buffer.concat(fdes.map(encodeFdeRow))
  }

  append(codes: Uint8Array): void {
    this.fdes.append(codes)
  }

  search(query: TokenEmbeddings, count: number, allowed: Bitset): Found {
    const products = this.fdes.innerProducts(this.encoder.encodeQuery(query))
    const ordinals = topK(products, count, (ordinal) => allowed.has(ordinal))
    const { repetitions } = this.encoder.config
    return { ordinals, scores: Float32Array.from(ordinals, (ordinal) => products[ordinal]! / repetitions) }
  }
}
