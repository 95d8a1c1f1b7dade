import { expect, test } from 'vitest'
import { resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import type { FdeConfig } from '../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
import type { FdeMatrices } from '../../../packages/core/src/fde/matrices.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'
import { Workspace } from '../../../packages/core/src/math/workspace.js'
import { readJson, readTensors } from '../math/golden-tensors.js'

interface Case {
  name: string
  file: string
  dim: number
  repetitions: number
  num_simhash: number
  projection: 'identity' | 'sparse' | 'balanced' | 'dense'
  projection_dim: number
  scale: number
  agg: FdeConfig['aggregation']
  gamma: number
  prepare: FdeConfig['prepare']
  fill_empty: boolean
  tie: FdeConfig['tie']
  code: FdeConfig['code']
  final_dim: number
  seed: number
  source: 'numpy' | 'portable'
  fde_dim: number
  dot: number
}

const folder = new URL('../../golden/muvera/', import.meta.url)
const { cases } = readJson<{ cases: Case[] }>(new URL('manifest.json', folder))

function configOf(golden: Case): FdeConfig {
  return resolveFdeConfig({
    dim: golden.dim,
    repetitions: golden.repetitions,
    simHashBits: golden.num_simhash,
    projection: golden.projection === 'identity' ? 'none' : golden.projection,
    projectionDim: golden.projection_dim,
    projectionScale: golden.scale,
    aggregation: golden.agg,
    gamma: golden.gamma,
    prepare: golden.prepare,
    fillEmptyPartitions: golden.fill_empty,
    tie: golden.tie,
    code: golden.code,
    finalDim: golden.final_dim,
    seed: golden.seed,
  })
}

/** Error in units of the tolerance: at most 1. */
function error(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Infinity
  const largest = expected.reduce((max, x) => Math.max(max, Math.abs(x)), 1)
  return expected.reduce((worst, x, i) => Math.max(worst, Math.abs(x - actual[i]!)), 0) / (1e-4 * largest)
}

test('every published case is here', () => expect(cases.length).toBeGreaterThan(35))

// Every case with the recorded matrices; those made by the portable generator also from their seed alone.
const runs = [true, false].flatMap((simd) =>
  cases.flatMap((golden) =>
    (golden.source === 'portable' ? ['recorded', 'seeded'] : ['recorded']).map((matrices) => ({
      simd,
      golden,
      matrices,
      name: golden.name,
    })),
  ),
)
const workspaces = new Map([true, false].map((simd) => [simd, new Workspace(createKernels({ simd }))]))

test.each(runs)('$name, $matrices matrices, SIMD $simd', ({ simd, golden, matrices }) => {
  const tensors = readTensors(new URL(golden.file, folder))
  const f32 = (name: string) => tensors.get(name)?.f32
  const i32 = (name: string) => tensors.get(name)?.i32 ?? new Int32Array(0)
  const embeddings = (name: string) => {
    const data = f32(name) ?? new Float32Array(0)
    return { data, length: data.length / golden.dim, dim: golden.dim }
  }
  const query = embeddings('query_tokens')
  const document = embeddings('doc_tokens')
  const recorded: FdeMatrices = {
    ...(tensors.has('simhash') && { simhash: f32('simhash')! }),
    ...(tensors.has('projection') && { projection: f32('projection')! }),
    ...(tensors.has('sketch_index') && { sketchIndex: i32('sketch_index'), sketchSign: i32('sketch_sign') }),
  }
  const means = { document: f32('doc_mean'), query: f32('query_mean') }
  const encoder = new FdeEncoder(configOf(golden), matrices === 'recorded' ? recorded : {}, means, workspaces.get(simd))

  expect(encoder.outputDim).toBe(golden.fde_dim)
  const [queryFde, documentFde] = [encoder.encodeQuery(query), encoder.encodeDocument(document)]
  expect(error(queryFde, f32('query_fde')!)).toBeLessThanOrEqual(1)
  expect(error(documentFde, f32('doc_fde')!)).toBeLessThanOrEqual(1)
  expect(encoder.partitions(query, 'query').partitions).toEqual(i32('query_partition'))
  const inDocument = encoder.partitions(document, 'document')
  expect(inDocument.partitions).toEqual(i32('doc_partition'))
  expect(inDocument.fillSources).toEqual(document.length > 0 ? i32('fill_source') : inDocument.fillSources.fill(-1))
  const product = queryFde.reduce((sum, x, i) => sum + x * documentFde[i]!, 0)
  expect(Math.abs(product - golden.dot)).toBeLessThanOrEqual(1e-3 * Math.max(1, Math.abs(golden.dot)))
})
