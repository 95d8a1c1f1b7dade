import { readdirSync } from 'node:fs'
import * as fc from '../support/fast-check.js'
import { describe, expect, test } from 'vitest'
import { poolEmbeddings } from '../../packages/core/src/pooling.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { readJson, readTensors } from './math/golden-tensors.js'

const folder = new URL('../golden/pylate/', import.meta.url)

const matrix = (data: Float32Array, dim: number): TokenEmbeddings => ({ data, length: data.length / dim, dim })

/** The largest difference, Infinity when the shapes differ. */
function distance(actual: TokenEmbeddings, expected: TokenEmbeddings): number {
  if (actual.length !== expected.length || actual.dim !== expected.dim) return Infinity
  return expected.data.reduce((max, x, i) => Math.max(max, Math.abs(x - actual.data[i]!)), 0)
}

/** Exact ties leave the order of clusters free: compare the rows as a set. */
function sortedRows({ data, length, dim }: TokenEmbeddings): TokenEmbeddings {
  const rows = Array.from({ length }, (_, i) => [...data.subarray(i * dim, (i + 1) * dim)])
  rows.sort(
    (a, b) =>
      a.map((x, k) => Math.round(x * 1e4) - Math.round(b[k]! * 1e4)).find((difference) => difference !== 0) ?? 0,
  )
  return { data: Float32Array.from(rows.flat()), length, dim }
}

describe("PyLate's pooling function", () => {
  const golden = readJson<{
    pooling: { input: string; output: string; pool_factor: number; protected_tokens: number; stable: boolean }[]
  }>(new URL('functions/golden.json', folder))
  const tensors = readTensors(new URL('functions/golden.safetensors', folder))
  const rowsOf = (name: string) => matrix(tensors.get(name)!.f32, tensors.get(name)!.shape[1]!)

  test.each(golden.pooling.map((record) => [record.output, record] as const))('%s', (_, record) => {
    const pooled = poolEmbeddings(rowsOf(record.input), record.pool_factor, record.protected_tokens)
    const expected = rowsOf(record.output)
    const order = record.stable ? (rows: TokenEmbeddings) => rows : sortedRows
    expect(distance(order(pooled), order(expected))).toBeLessThanOrEqual(1e-5)
  })
})

interface PooledCase {
  id: string
  base_case: string
  encode: { pool_factor?: number; protected_tokens?: number }
  text_indices: number[]
  n_vectors: number[]
  pool_stable: boolean[]
}
const models = readdirSync(folder).filter((name) => name !== 'functions' && !name.includes('.'))

describe.each(models)("pooled documents of %s, from PyLate's own unpooled vectors", (name) => {
  const { cases } = readJson<{ cases: PooledCase[] }>(new URL(`${name}/golden.json`, folder))
  const tensors = readTensors(new URL(`${name}/golden.safetensors`, folder))
  const split = (golden: PooledCase): TokenEmbeddings[] => {
    const { f32, shape } = tensors.get(golden.id)!
    let at = 0
    return golden.n_vectors.map((length) => matrix(f32.subarray(at * shape[1]!, (at += length) * shape[1]!), shape[1]!))
  }
  const pooled = cases.filter((golden) => (golden.encode.pool_factor ?? 1) > 1)

  test('all cases', () => {
    let stable = 0
    for (const golden of pooled) {
      const base = cases.find((other) => other.id === golden.base_case)!
      const unpooled = split(base)
      split(golden).forEach((expected, i) => {
        if (!golden.pool_stable[i]) return
        stable++
        const source = unpooled[base.text_indices.indexOf(golden.text_indices[i]!)]!
        const actual = poolEmbeddings(source, golden.encode.pool_factor!, golden.encode.protected_tokens)
        expect(distance(actual, expected)).toBeLessThanOrEqual(1e-4)
      })
    }
    expect(stable > 0 || pooled.length === 0).toBe(true)
  })
})

test('the recordings have pooled cases', () => {
  const count = models.reduce((sum, name) => {
    const { cases } = readJson<{ cases: PooledCase[] }>(new URL(`${name}/golden.json`, folder))
    return sum + cases.filter((golden) => (golden.encode.pool_factor ?? 1) > 1).length
  }, 0)
  expect(count).toBeGreaterThan(5)
})

describe('poolEmbeddings', () => {
  const sample = fc
    .record({ length: fc.integer({ min: 0, max: 24 }), dim: fc.integer({ min: 1, max: 5 }) })
    .chain(({ length, dim }) =>
      fc
        .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: length * dim, maxLength: length * dim })
        .map((values) => matrix(Float32Array.from(values), dim)),
    )

  test('keeps protected rows, never exceeds the budget, and every cluster is a mean of rows', () => {
    fc.assert(
      fc.property(
        sample,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 3 }),
        (embeddings, factor, protectedTokens) => {
          const pooled = poolEmbeddings(embeddings, factor, protectedTokens)
          const head = Math.min(protectedTokens, embeddings.length)
          const rest = embeddings.length - head
          expect(pooled.length).toBeLessThanOrEqual(head + Math.max(Math.floor(rest / factor), Math.min(rest, 1)))
          expect(pooled.data.slice(0, head * pooled.dim)).toEqual(embeddings.data.slice(0, head * embeddings.dim))
          for (let k = 0; k < embeddings.dim; k++) {
            const column = Array.from({ length: rest }, (_, i) => embeddings.data[(head + i) * embeddings.dim + k]!)
            for (let i = head; i < pooled.length; i++) {
              expect(pooled.data[i * pooled.dim + k]!).toBeGreaterThanOrEqual(Math.min(...column) - 1e-6)
              expect(pooled.data[i * pooled.dim + k]!).toBeLessThanOrEqual(Math.max(...column) + 1e-6)
            }
          }
        },
      ),
    )
  })

  test('equal rows become one', () => {
    const pooled = poolEmbeddings(matrix(Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0), 2), 2, 0)
    expect(pooled).toEqual({ data: Float32Array.of(1, 0), length: 1, dim: 2 })
  })

  test('refuses wrong arguments', () => {
    const rows = matrix(new Float32Array(4), 2)
    expect(() => poolEmbeddings(rows, 0)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => poolEmbeddings(rows, 1.5)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => poolEmbeddings(rows, 2, -1)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => poolEmbeddings(matrix(Float32Array.of(1, NaN), 1), 2)).toThrowError(
      expect.objectContaining({ code: 'NOT_FINITE' }),
    )
  })
})
