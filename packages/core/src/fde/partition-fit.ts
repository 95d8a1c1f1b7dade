import type { TokenEmbeddings } from '../embeddings.js'
import type { FdeEncoder, FdeMeans } from './encode.js'
import { prepareRows } from './learn.js'

/** Documents and tokens that a fit is measured on. */
export const FIT_SAMPLE = { documents: 256, tokens: 4096 } as const
/** New tokens fit when their mean distance (1 − similarity) from their centroids is at most this many times that of the old. */
const FITS = 1.1

/** Whether new tokens fit what was learned from others, by the mean similarity of each kind with its centroids. */
export function stillFits(ofNew: number, ofOld: number): boolean {
  return 1 - ofNew <= (1 - ofOld) * FITS
}

/**
 * How well learned partitions fit some document tokens: the mean similarity of each with its centroid in each repetition, as both are
 * compared, so without what `prepare` takes out. 1 for no tokens.
 *
 * @param means of the encoder, with centroids
 */
export function partitionFit(encoder: FdeEncoder, means: FdeMeans, tokens: TokenEmbeddings): number {
  const { config } = encoder
  const { repetitions, simHashBits, dim } = config
  const { partitions } = encoder.partitions(tokens, 'document')
  const centroids = means.centroids!
  const rows = tokens.data.slice(0, tokens.length * dim)
  prepareRows(rows, config, means)
  let [total, counted] = [0, 0]
  for (let token = 0; token < tokens.length; token++) {
    const row = rows.subarray(token * dim, (token + 1) * dim)
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
    if (length < 1e-6) continue
    for (let r = 0; r < repetitions; r++) {
      const at = ((r << simHashBits) + partitions[r * tokens.length + token]!) * dim
      let [product, square] = [0, 0]
      for (let k = 0; k < dim; k++) {
        product += row[k]! * centroids[at + k]!
        square += centroids[at + k]! * centroids[at + k]!
      }
      total += square > 0 ? product / (length * Math.sqrt(square)) : 0
      counted++
    }
  }
  return counted === 0 ? 1 : total / counted
}

/** `partitionFit` of the first documents, some 4,000 tokens of them. */
export function documentsFit(encoder: FdeEncoder, means: FdeMeans, documents: readonly TokenEmbeddings[]): number {
  const { dim } = encoder.config
  const some: TokenEmbeddings[] = []
  let length = 0
  for (const document of documents) {
    if (length >= FIT_SAMPLE.tokens) break
    some.push(document)
    length += document.length
  }
  const data = new Float32Array(length * dim)
  let at = 0
  for (const document of some) {
    data.set(document.data.subarray(0, document.length * dim), at)
    at += document.length * dim
  }
  return partitionFit(encoder, means, { data, length, dim })
}
