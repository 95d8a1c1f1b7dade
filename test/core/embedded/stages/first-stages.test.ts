import { describe } from 'vitest'
import type { CentroidScan } from '../../../../packages/core/src/embedded/stages/centroids/centroid-scan.js'
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
    minRecall: 0.95,
    estimate: byCentroids,
    // Similarities are rounded to 8 bits, so documents that are almost equal may change places.
    minFound: 0.95,
    tolerance: 0.02,
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
    roles: ['graph'],
  })
})

/** MaxSim with the centroids that the documents' tokens are coded as. */
async function byCentroids({ files, stages }: StagedIndex, query: TokenEmbeddings) {
  const { codebook } = (await stages.get('centroids')!.searcher(files.collection)) as CentroidScan
  const codes = new Uint16Array(files.readDerived('centroids', 'codes').buffer)
  const similarity = (token: number, code: number) => dot(query.data, token, codebook.data.centroids, code, query.dim)
  const starts = [0]
  for (let i = 0; i < files.collection.total; i++) starts.push(starts[i]! + files.collection.row(i).tokens)
  return (ordinal: number) => {
    const own = codes.subarray(starts[ordinal], starts[ordinal + 1])
    let sum = 0
    for (let token = 0; token < query.length; token++)
      sum += own.reduce((best, code) => Math.max(best, similarity(token, code)), -Infinity)
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
