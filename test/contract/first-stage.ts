import { expect, test } from 'vitest'
import { resolveFdeConfig } from '../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../packages/core/src/fde/encode.js'
import { Bitset } from '../../packages/core/src/embedded/commit/bitset.js'
import { encodeFdeRow, FdeRows } from '../../packages/core/src/embedded/stages/fde/fde-rows.js'
import type { FirstStage } from '../../packages/core/src/embedded/stages/stage.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { FakeEncoder, random, randomText } from '../support/fake-encoder.js'

/**
 * What every first stage must do, whatever it does to find candidates.
 *
 * @param create a stage that knows all rows
 * @param minRecall share of the exact top `count` by inner product that it must find
 */
export function describeFirstStage(
  create: (encoder: FdeEncoder, rows: FdeRows) => Promise<FirstStage>,
  minRecall: number,
): void {
  const model = new FakeEncoder()
  const encoder = new FdeEncoder(resolveFdeConfig({ dim: model.dim, repetitions: 8, simHashBits: 3, finalDim: 256 }))
  const next = random(3)
  const documents = Array.from({ length: 1500 }, () => model.embed(randomText(next, 10)))
  const queries = Array.from({ length: 20 }, () => model.embed(randomText(next, 5)))

  async function filled(count: number): Promise<{ stage: FirstStage; rows: FdeRows; all: Bitset }> {
    const rows = new FdeRows(encoder.outputDim)
    const all = new Bitset()
    for (let i = 0; i < count; i++) {
      rows.append(encodeFdeRow(encoder.encodeDocument(documents[i]!)))
      all.add(i)
    }
    return { stage: await create(encoder, rows), rows, all }
  }

  /** The best rows, by the plainest means. */
  function best(rows: FdeRows, query: TokenEmbeddings, count: number, allowed: Bitset): number[] {
    const fde = encoder.encodeQuery(query)
    const product = (row: Float32Array) => row.reduce((sum, x, i) => sum + x * fde[i]!, 0)
    const scored = [...allowed].map((ordinal) => ({ ordinal, score: product(rows.row(ordinal)) }))
    return scored
      .sort((a, b) => b.score - a.score)
      .slice(0, count)
      .map(({ ordinal }) => ordinal)
  }

  function recall(found: Iterable<number>, expected: readonly number[]): number {
    const set = new Set(found)
    return expected.filter((ordinal) => set.has(ordinal)).length / expected.length
  }

  test('finds the best rows by inner product, best first', async () => {
    const { stage, rows, all } = await filled(1500)
    let sum = 0
    for (const query of queries) {
      const { ordinals, scores } = stage.search(query, 100, all)
      expect(ordinals).toHaveLength(100)
      expect(scores).toEqual(scores.toSorted((a, b) => b - a))
      expect(new Set(ordinals).size).toBe(100)
      const fde = encoder.encodeQuery(query)
      ordinals.forEach((ordinal, i) => {
        const product = rows.row(ordinal).reduce((total, x, j) => total + x * fde[j]!, 0) / encoder.config.repetitions
        expect(Math.abs(scores[i]! - product)).toBeLessThan(1e-3 * Math.max(1, Math.abs(product)))
      })
      sum += recall(ordinals, best(rows, query, 100, all))
    }
    expect(sum / queries.length).toBeGreaterThanOrEqual(minRecall)
  })

  test('keeps to the allowed documents, however few', async () => {
    const { stage, rows } = await filled(1500)
    for (const step of [2, 3, 10, 500]) {
      const allowed = new Bitset()
      for (let i = 0; i < 1500; i += step) allowed.add(i)
      for (const query of queries.slice(0, 5)) {
        const { ordinals } = stage.search(query, 20, allowed)
        expect([...ordinals].every((ordinal) => allowed.has(ordinal))).toBe(true)
        const expected = best(rows, query, 20, allowed)
        expect(ordinals.length).toBeLessThanOrEqual(expected.length)
        expect(recall(ordinals, expected)).toBeGreaterThanOrEqual(minRecall)
      }
    }
    expect(stage.search(queries[0]!, 20, new Bitset())).toEqual({
      ordinals: new Int32Array(0),
      scores: new Float32Array(0),
    })
  })

  test('more than there are gives all', async () => {
    const { stage, all } = await filled(7)
    expect([...stage.search(queries[0]!, 100, all).ordinals].sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  test('nothing in it finds nothing', async () => {
    const { stage, all } = await filled(0)
    expect(stage.search(queries[0]!, 10, all).ordinals).toHaveLength(0)
  })

  test('the same query twice gives the same answer', async () => {
    const { stage, all } = await filled(500)
    for (const query of queries) expect(stage.search(query, 50, all)).toEqual(stage.search(query, 50, all))
  })

  test('a query without tokens is no error', async () => {
    const { stage, all } = await filled(20)
    expect(
      stage.search({ data: new Float32Array(0), length: 0, dim: model.dim }, 5, all).ordinals.length,
    ).toBeLessThanOrEqual(5)
  })
}
