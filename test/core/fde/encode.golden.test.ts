import { describe, expect, test } from 'vitest'
import { resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import type { FdeConfig } from '../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
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

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length)
  const largest = expected.reduce((max, x) => Math.max(max, Math.abs(x)), 1)
  const error = expected.reduce((worst, x, i) => Math.max(worst, Math.abs(x - actual[i]!)), 0)
  expect(error).toBeLessThanOrEqual(1e-4 * largest)
}

test('every published case is here', () => expect(cases.length).toBeGreaterThan(35))

describe.each([true, false])('SIMD %s', (simd) => {
  const workspace = new Workspace(createKernels({ simd }))

  describe.each(cases.map((golden) => [golden.name, golden] as const))('%s', (_, golden) => {
    const tensors = readTensors(new URL(golden.file, folder))
    const config = configOf(golden)
    const embeddings = (name: string) => {
      const data = tensors.get(name)?.f32 ?? new Float32Array(0)
      return { data, length: data.length / golden.dim, dim: golden.dim }
    }
    const query = embeddings('query_tokens')
    const document = embeddings('doc_tokens')
    const means = { document: tensors.get('doc_mean')?.f32, query: tensors.get('query_mean')?.f32 }
    const matrices = {
      ...(tensors.has('simhash') && { simhash: tensors.get('simhash')!.f32 }),
      ...(tensors.has('projection') && { projection: tensors.get('projection')!.f32 }),
      ...(tensors.has('sketch_index') && {
        sketchIndex: tensors.get('sketch_index')!.i32,
        sketchSign: tensors.get('sketch_sign')!.i32,
      }),
    }

    const check = (encoder: FdeEncoder): void => {
      expect(encoder.outputDim).toBe(golden.fde_dim)
      expectClose(encoder.encodeQuery(query), tensors.get('query_fde')!.f32)
      expectClose(encoder.encodeDocument(document), tensors.get('doc_fde')!.f32)
      expect(encoder.partitions(query, 'query').partitions).toEqual(tensors.get('query_partition')?.i32 ?? new Int32Array(0))
      const inDocument = encoder.partitions(document, 'document')
      expect(inDocument.partitions).toEqual(tensors.get('doc_partition')?.i32 ?? new Int32Array(0))
      if (document.length > 0) expect(inDocument.fillSources).toEqual(tensors.get('fill_source')!.i32)
    }

    test('with the recorded matrices', () => check(new FdeEncoder(config, matrices, means, workspace)))

    if (golden.source === 'portable') {
      test('with the matrices of its seed', () => check(new FdeEncoder(config, {}, means, workspace)))
    }
  })
})
