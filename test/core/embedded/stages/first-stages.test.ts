import { describe } from 'vitest'
import type { CentroidParts } from '../../../../packages/core/src/embedded/stages/centroids/centroid-parts.js'
import type { FdeScan } from '../../../../packages/core/src/embedded/stages/fde/fde-scan.js'
import { loadHnswlib } from '../../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import type { TokenEmbeddings } from '../../../../packages/core/src/embeddings.js'
import { describeFirstStage } from '../../../contract/first-stage.js'
import type { StagedIndex } from '../../../support/staged-index.js'

/** Absent where there was no compiler when it was installed. */
const hnswlib = await loadHnswlib().catch(() => undefined)

describe('centroid codes', () => {
  describeFirstStage({
    name: 'centroids',
    preferred: 'centroids',
    minRecall: 0.97,
    estimate: byResiduals,
    // Similarities are rounded to 8 bits, so documents that are almost equal may change places.
    minFound: 0.95,
    // And similarities of centroids that are far from a query token are those of their cells.
    tolerance: 0.1,
    isCoded: true,
    roles: ['learned', 'codes'],
  })
})

describe('FDE scan', () => {
  describeFirstStage({
    name: 'fde',
    preferred: 'fde',
    minRecall: 0.6,
    estimate: byFdes,
    // The query is rounded to 14 bits.
    minFound: 0.98,
    tolerance: 0.001,
    isCoded: true,
    roles: ['learned', 'codes'],
  })
})

describe.skipIf(!hnswlib)('HNSW graph', () => {
  describeFirstStage({
    name: 'hnsw',
    preferred: 'hnsw',
    minRecall: 0.6,
    estimate: byFdes,
    minFound: 0.95,
    tolerance: 0.001,
    isCoded: false,
    roles: ['graph', 'learned'],
  })
})

/** MaxSim with tokens as their centroids, signs and numbers give them back. */
async function byResiduals({ files, stages }: StagedIndex, query: TokenEmbeddings) {
  const { codebook, facts } = ((await stages.get('centroids')!.searcher(files.collection)) as CentroidParts).last
  const codes = files.readDerived('centroids', 'codes')
  const { dim } = query
  const [bytes, { along, across }] = [dim >> 3, facts.residuals!]
  const starts = [0]
  for (let i = 0; i < files.collection.total; i++) starts.push(starts[i]! + files.collection.row(i).tokens)
  return (ordinal: number) => {
    const tokens = starts[ordinal + 1]! - starts[ordinal]!
    const own = codes.subarray(starts[ordinal]! * (bytes + 4))
    const rows = Float32Array.from({ length: tokens * dim }, (_, i) => {
      const [token, k] = [Math.floor(i / dim), i % dim]
      const code = own[token * 2]! + own[token * 2 + 1]! * 256
      const residual = own.subarray(tokens * 2 + token * (bytes + 2))
      const sign = (residual[k >> 3]! >> (k & 7)) & 1 ? 1 : -1
      return residual[bytes]! * along * codebook.data.centroids[code * dim + k]! + sign * residual[bytes + 1]! * across
    })
    let sum = 0
    for (let token = 0; token < query.length; token++) {
      const similarities = Array.from({ length: tokens }, (_, i) => dot(query.data, token, rows, i, dim))
      sum += Math.max(...similarities)
    }
    return sum
  }
}

/** Inner product of the FDEs, of one repetition. */
async function byFdes({ files, stages }: StagedIndex, query: TokenEmbeddings) {
  const { encoder, fdes } = (await stages.get('fde')!.searcher(files.collection)) as FdeScan
  const fde = encoder.encodeQuery(query)
  return (ordinal: number) => dot(fde, 0, fdes.row(ordinal), 0, fde.length) / encoder.config.repetitions
}

function dot(a: Float32Array, i: number, b: Float32Array, j: number, dim: number): number {
  let sum = 0
  for (let k = 0; k < dim; k++) sum += a[i * dim + k]! * b[j * dim + k]!
  return sum
}
