import * as fc from '../../support/fast-check.js'
import { place } from '../../support/kernel-memory.js'
import { describe, expect, test } from 'vitest'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import { packInt16 } from '../../../packages/core/src/math/pack.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'

// Both implementations, bit for bit, and against plain arithmetic.

const both = [new ScalarKernels(), createKernels()]

const unit = fc.float({ min: -1, max: 1, noNaN: true })
const rows = (count: number, dim: number) =>
  fc.array(unit, { minLength: count * dim, maxLength: count * dim }).map((values) => Float32Array.from(values))
const codes = (count: number) =>
  fc
    .array(fc.integer({ min: -127, max: 127 }), { minLength: count, maxLength: count })
    .map((values) => Int8Array.from(values))
const dims = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(48, 128))

describe('similaritiesInt8', () => {
  test('is the scaled dot product of every token with every centroid', () => {
    const shape = fc.record({
      tokens: fc.integer({ min: 1, max: 5 }),
      blocks: fc.integer({ min: 1, max: 3 }),
      dim: dims,
    })
    const cases = shape.chain((s) =>
      fc.record({ s: fc.constant(s), t: codes(s.tokens * s.dim), c: rows(s.blocks * 16, s.dim) }),
    )
    fc.assert(
      fc.property(cases, ({ s: { tokens, blocks, dim }, t, c }) => {
        const scales = Float32Array.from({ length: tokens }, (_, i) => 0.01 * (i + 1))
        const packed = packInt16(c, blocks * 16, dim)
        const results = both.map((kernels) => {
          const [at, scaleAt, packedAt, laneAt, free] = place(kernels, [t, scales, packed.codes, packed.scales], 8192)
          kernels.similaritiesInt8(at!, scaleAt!, tokens, dim, packedAt!, laneAt!, blocks, free!, free! + 2048)
          return new Float32Array(kernels.buffer, free! + 2048, tokens * blocks * 16).slice()
        })
        expect(results[1]).toEqual(results[0])
        for (let i = 0; i < tokens; i++) {
          for (let lane = 0; lane < blocks * 16; lane++) {
            let wanted = 0
            for (let k = 0; k < dim; k++) wanted += t[i * dim + k]! * scales[i]! * c[lane * dim + k]!
            expect(Math.abs(results[0]![i * blocks * 16 + lane]! - wanted)).toBeLessThan(2e-4 * dim)
          }
        }
      }),
    )
  })
})

describe('nearestInt8', () => {
  test('finds the nearest centroid of the nearest cells', () => {
    const shape = fc.record({
      cells: fc.integer({ min: 1, max: 20 }),
      probes: fc.integer({ min: 1, max: 4 }),
      dim: dims,
    })
    const cases = shape.chain((s) =>
      fc.record({
        s: fc.constant(s),
        sizes: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: s.cells, maxLength: s.cells }),
        t: codes(3 * s.dim),
        coarse: rows(s.cells, s.dim),
        fine: rows(s.cells * 32, s.dim),
      }),
    )
    fc.assert(
      fc.property(cases, ({ s: { cells, probes: asked, dim }, sizes, t, coarse, fine }) => {
        const probes = Math.min(asked, cells)
        const cellBlocks = Int32Array.from([0, ...sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b))])
        const count = cellBlocks.at(-1)! * 16
        const [cell, centroid] = [packInt16(coarse, cells, dim), packInt16(fine.subarray(0, count * dim), count, dim)]
        const results = both.map((kernels) => {
          const arrays = [t, cell.codes, cell.scales, centroid.codes, centroid.scales, cellBlocks]
          const [at, a, b, c, d, e, free] = place(kernels, arrays, 8192)
          kernels.nearestInt8(at!, 3, dim, a!, b!, cells, c!, d!, e!, probes, free!, free! + 4096)
          return [...new Uint16Array(kernels.buffer, free! + 4096, 3)]
        })
        expect(results[1]).toEqual(results[0])
        const dot = (token: number, from: Float32Array, row: number) => {
          let sum = 0
          for (let k = 0; k < dim; k++) sum += t[token * dim + k]! * from[row * dim + k]!
          return sum
        }
        results[0]!.forEach((code, token) => {
          // Rounding decides between equals: only what is clearly nearer counts.
          const order =
            coarse.length === 0
              ? []
              : Array.from({ length: cells }, (_, i) => dot(token, coarse, i)).sort((x, y) => y - x)
          const tolerance = 0.05 * dim
          const cellOfCode = sizes.findIndex((_, i) => code < cellBlocks[i + 1]! * 16)
          expect(dot(token, coarse, cellOfCode)).toBeGreaterThanOrEqual(order[probes - 1]! - tolerance)
          for (let other = cellBlocks[cellOfCode]! * 16; other < cellBlocks[cellOfCode + 1]! * 16; other++) {
            expect(dot(token, fine, code)).toBeGreaterThanOrEqual(dot(token, fine, other) - tolerance)
          }
        })
      }),
    )
  })
})

/** A query's similarities with cells and with the centroids in them. */
const tables = fc
  .record({
    tokens: fc.integer({ min: 1, max: 40 }),
    sizes: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 20 }),
  })
  .filter(({ sizes }) => sizes.some((size) => size > 0))
  .chain(({ tokens, sizes }) => {
    const cellBlocks = Int32Array.from([0, ...sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b))])
    const centroids = cellBlocks.at(-1)! * 16
    return fc.record({
      tokens: fc.constant(tokens),
      cellBlocks: fc.constant(cellBlocks),
      centroids: fc.constant(centroids),
      ofCells: rows(tokens, Math.ceil(sizes.length / 16) * 16),
      similarities: rows(tokens, centroids),
      near: fc
        .array(fc.boolean(), { minLength: tokens * sizes.length, maxLength: tokens * sizes.length })
        .map((marks) => Uint8Array.from(marks, Number)),
    })
  })

function levelsOf(kernels: (typeof both)[number], table: Parameters<Parameters<typeof tables.map>[0]>[0]) {
  const { tokens, cellBlocks, centroids, ofCells, similarities, near } = table
  const lanes = Math.ceil(tokens / 16) * 16
  const cells = cellBlocks.length - 1
  const places = place(kernels, [ofCells, similarities, near, cellBlocks], 1 << 18)
  const [ofCellsAt, at, nearAt, blocksAt, free] = places as [number, number, number, number, number]
  const out = free + 1024
  const step = kernels.levelTable(ofCellsAt, at, nearAt, blocksAt, cells, tokens, lanes, free, out)
  return { step, lanes, cells, nearAt, blocksAt, lows: free, levels: out, free: out + centroids * lanes }
}

test('sumByCode adds rows in their order', () => {
  const shape = fc.record({ count: fc.integer({ min: 0, max: 9 }), dim: dims, size: fc.integer({ min: 1, max: 4 }) })
  const cases = shape.chain((s) =>
    fc.record({
      s: fc.constant(s),
      x: rows(s.count, s.dim),
      numbers: fc.array(fc.nat(s.size - 1), { minLength: s.count, maxLength: s.count }),
      before: rows(s.size, s.dim),
    }),
  )
  fc.assert(
    fc.property(cases, ({ s: { count, dim, size }, x, numbers, before }) => {
      const wanted = Float32Array.from(before)
      numbers.forEach((code, i) => {
        for (let k = 0; k < dim; k++) wanted[code * dim + k]! += x[i * dim + k]!
      })
      for (const kernels of both) {
        const [row, number, sum] = place(kernels, [x, Uint16Array.from(numbers), before], 64)
        kernels.sumByCode(row!, count, dim, number!, sum!)
        expect([...new Float32Array(kernels.buffer, sum!, size * dim)]).toEqual([...wanted])
      }
    }),
  )
})

describe('similaritiesNear', () => {
  test('compares tokens with the centroids of the cells that are near, and leaves the others as they are', () => {
    const shape = fc.record({
      tokens: fc.integer({ min: 1, max: 5 }),
      cells: fc.integer({ min: 1, max: 4 }),
      dim: dims,
    })
    const cases = shape.chain((s) =>
      fc.record({
        s: fc.constant(s),
        t: codes(s.tokens * s.dim),
        c: rows(s.cells * 16, s.dim),
        near: fc.array(fc.boolean(), { minLength: s.tokens * s.cells, maxLength: s.tokens * s.cells }),
      }),
    )
    fc.assert(
      fc.property(cases, ({ s: { tokens, cells, dim }, t, c, near }) => {
        const scales = Float32Array.from({ length: tokens }, (_, i) => 0.01 * (i + 1))
        const packed = packInt16(c, cells * 16, dim)
        const cellBlocks = Int32Array.from({ length: cells + 1 }, (_, i) => i)
        const marks = Uint8Array.from(near, Number)
        const results = both.map((kernels) => {
          const arrays = [t, scales, packed.codes, packed.scales, cellBlocks, marks]
          const [at, b, d, e, f, g, free] = place(kernels, arrays, 16384) as [
            number,
            number,
            number,
            number,
            number,
            number,
            number,
          ]
          const all = free + 4096
          kernels.similaritiesInt8(at, b, tokens, dim, d, e, cells, free, all)
          const full = new Float32Array(kernels.buffer, all, tokens * cells * 16).slice()
          new Float32Array(kernels.buffer, all, tokens * cells * 16).fill(7)
          kernels.similaritiesNear(at, b, tokens, dim, d, e, f, cells, g, free, all)
          return { full, found: new Float32Array(kernels.buffer, all, tokens * cells * 16).slice() }
        })
        expect(results[1]).toEqual(results[0])
        const { full, found } = results[0]!
        found.forEach((value, i) => {
          const [token, cell] = [Math.floor(i / (cells * 16)), Math.floor((i % (cells * 16)) / 16)]
          expect(value).toBe(near[cell * tokens + token] ? full[i] : 7)
        })
      }),
    )
  })
})

describe('levelTable', () => {
  test('levels give similarities back within half a step: of near cells those of centroids, else those of the cell', () => {
    fc.assert(
      fc.property(tables, (table) => {
        const { tokens, cellBlocks, centroids, ofCells, similarities, near } = table
        const results = both.map((kernels) => {
          const { step, lanes, lows, levels } = levelsOf(kernels, table)
          return {
            step,
            lanes,
            lows: [...new Float32Array(kernels.buffer, lows, tokens)],
            levels: [...new Uint8Array(kernels.buffer, levels, centroids * lanes)],
          }
        })
        expect(results[1]).toEqual(results[0])
        const { step, lanes, lows, levels } = results[0]!
        const padded = ofCells.length / tokens
        let [worst, others] = [0, 0]
        for (let cell = 0; cell < cellBlocks.length - 1; cell++) {
          for (let centroid = cellBlocks[cell]! * 16; centroid < cellBlocks[cell + 1]! * 16; centroid++) {
            for (let lane = 0; lane < lanes; lane++) {
              const level = levels[centroid * lanes + lane]!
              if (lane >= tokens) others = Math.max(others, level)
              else {
                const isNear = near[cell * tokens + lane]
                const wanted = isNear ? similarities[lane * centroids + centroid]! : ofCells[lane * padded + cell]!
                worst = Math.max(worst, Math.abs(lows[lane]! + level * step - wanted))
              }
            }
          }
        }
        expect(worst).toBeLessThanOrEqual(step / 2 + 1e-6)
        expect(others).toBe(0)
      }),
    )
  })
})

describe('scanCodes and scanLists', () => {
  test('sum the highest level of each query token, at least the lowest of the most similar centroids', () => {
    const cases = tables.chain((table) =>
      fc.record({
        table: fc.constant(table),
        wanted: fc.integer({ min: 1, max: 40 }),
        documents: fc.array(fc.array(fc.nat(table.centroids - 1), { maxLength: 5 }), { minLength: 33, maxLength: 40 }),
      }),
    )
    fc.assert(
      fc.property(cases, ({ table, wanted, documents }) => {
        const { tokens, cellBlocks, centroids, near } = table
        // Two groups of 16 documents by lists, the rest by their codes.
        const rowsOfGroups = Int32Array.of(0, 16, 32)
        const starts = Int32Array.from([0, ...documents.map((_, i) => documents.slice(0, i + 1).flat().length)])
        const results = both.map((kernels) => {
          const made = levelsOf(kernels, table)
          const { lanes, cells, nearAt, blocksAt, levels } = made
          let at = Math.ceil(made.free / 16) * 16
          const put = (array: Int32Array | Uint16Array | Uint8Array): number => {
            const here = at
            new Uint8Array(kernels.buffer).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at)
            at = Math.ceil((at + array.byteLength) / 16) * 16
            return here
          }
          const rowsAt = put(rowsOfGroups)
          const lists = [0, 16].map((first) => {
            const entries = Array.from({ length: centroids }, (_, centroid) =>
              documents.slice(first, first + 16).flatMap((own, i) => (own.includes(centroid) ? [i] : [])),
            )
            const here = put(Int32Array.from([0, ...entries.map((_, i) => entries.slice(0, i + 1).flat().length)]))
            at = here + (centroids + 1) * 4
            put(Uint16Array.from(entries.flat()))
            return here
          })
          const listsAt = put(Int32Array.from(lists))
          const floors = put(new Uint8Array(lanes))
          const [codesAt, startsAt] = [put(Uint16Array.from(documents.flat())), put(starts)]
          const scratch = put(new Uint8Array(1024 + centroids * 4 + 64))
          const out = put(new Int32Array(48))
          kernels.scanLists(
            levels,
            lanes,
            tokens,
            nearAt,
            blocksAt,
            cells,
            wanted,
            2,
            rowsAt,
            listsAt,
            scratch,
            floors,
            out,
          )
          kernels.scanCodes(levels, lanes, floors, codesAt, startsAt + 32 * 4, documents.length - 32, out + 32 * 4)
          return {
            lanes,
            levels: [...new Uint8Array(kernels.buffer, levels, centroids * lanes)],
            floors: [...new Uint8Array(kernels.buffer, floors, tokens)],
            sums: [...new Int32Array(kernels.buffer, out, documents.length)],
          }
        })
        expect(results[1]).toEqual(results[0])
        const { lanes, levels, floors, sums } = results[0]!
        const isNear = (centroid: number, token: number): boolean => {
          const cell = cellBlocks.findLastIndex((block) => block * 16 <= centroid)
          return near[cell * tokens + token] === 1
        }
        for (let token = 0; token < tokens; token++) {
          const own = Array.from({ length: centroids }, (_, i) => i).filter((centroid) => isNear(centroid, token))
          const reached = own.filter((centroid) => levels[centroid * lanes + token]! >= floors[token]!).length
          const above = own.filter((centroid) => levels[centroid * lanes + token]! > floors[token]!).length
          expect(reached >= wanted || floors[token] === 0).toBe(true)
          expect(above < wanted).toBe(true)
        }
        documents.forEach((own, document) => {
          let sum = 0
          for (let token = 0; token < tokens; token++) {
            // Codes of a document that is in no list are all looked at.
            const seen = document < 32 ? own.filter((centroid) => isNear(centroid, token)) : own
            sum += Math.max(floors[token]!, ...seen.map((centroid) => levels[centroid * lanes + token]!))
          }
          expect(sums[document]).toBe(sum)
        })
      }),
    )
  })
})
