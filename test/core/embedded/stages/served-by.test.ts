// What stats() says serves a search, and what searchDetailed() then says served it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadHnswlib } from '../../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { MultiVectorIndex } from '../../../../packages/core/src/index/multi-vector-index.js'
import type { EmbeddedOptions } from '../../../../packages/core/src/embedded/options.js'
import type { OpenOptions as IndexOptions } from '../../../../packages/core/src/index/open.js'
import { FakeEncoder, random } from '../../../support/fake-encoder.js'
import { numbers, textOf } from '../../../support/staged-index.js'

/** With what only `@serotine/core/store` offers. */
type OpenOptions = Omit<EmbeddedOptions, 'model'> & Pick<IndexOptions, 'model'>

const hnswlib = await loadHnswlib().catch(() => undefined)
const model = new FakeEncoder()
const fde = { partitioning: 'hyperplanes', repetitions: 4, simHashBits: 2, finalDim: 64 } as const
const documents = numbers(0, 300).map((n) => ({ id: `d${n}`, text: textOf(n) }))

/** More tokens than are scored at once, in a circle. */
const large = numbers(0, 110).map((n) => {
  const next = random(n + 1)
  const angles = numbers(0, 2400).map(() => (n + next()) * 0.05)
  const data = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]))
  return { id: `${n}`, embeddings: { data, length: 2400, dim: 2 } }
})
const onCircle = { data: Float32Array.of(Math.cos(2), Math.sin(2)), length: 1, dim: 2 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-served-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function servedBy(index: MultiVectorIndex, query: string | typeof onCircle = 'kiwi river'): Promise<string> {
  for (;;) {
    const before = await index.stats()
    const { firstStage } = await index.searchDetailed(query)
    const after = await index.stats()
    // What is made in the background was there for one of them and not for the other.
    if (before.firstStage !== after.firstStage) continue
    expect(firstStage).toBe(after.firstStage)
    return firstStage
  }
}

function damage(kind: string): void {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(kind))) {
    const bytes = readFileSync(join(folder, name))
    bytes[bytes.length >> 1]! ^= 0xff
    writeFileSync(join(folder, name), bytes)
  }
}

describe.each<[options: OpenOptions, served: string]>([
  [{}, 'exact'],
  [{ fde }, 'exact'],
  [{ firstStage: 'exact' }, 'exact'],
  [{ firstStage: 'centroids' }, 'centroids'],
  [{ firstStage: 'centroids', fde }, 'centroids'],
  [{ firstStage: 'fde', fde }, 'fde'],
  [{ firstStage: 'muvera', fde }, 'fde'],
  [{ firstStage: 'muvera', fde, graphNumbers: 1000 }, hnswlib ? 'hnsw' : 'fde'],
  ...(hnswlib ? [[{ firstStage: 'hnsw', fde }, 'hnsw'] as [OpenOptions, string]] : []),
])('an index with %o', (options, served) => {
  const open = (more: OpenOptions = {}) => MultiVectorIndex.open(folder, { model, ...options, ...more })
  const isDerived = served !== 'exact'

  test('from its first document to its compaction', async () => {
    const index = await open()
    expect((await index.stats()).firstStage).toBe('exact')
    expect((await index.searchDetailed('kiwi')).firstStage).toBe('none')
    await index.upsert(documents.slice(0, 250))
    await servedBy(index)
    await index.prepare()
    expect(await servedBy(index)).toBe(served)
    await index.upsert(documents)
    expect(await servedBy(index)).toBe(served)
    await index.delete(['d3', 'd7'])
    expect(await servedBy(index)).toBe(served)
    await index.compact()
    await servedBy(index)
    await index.prepare()
    expect(await servedBy(index)).toBe(served)
    await index.close()
    await using again = await open({ readonly: true })
    expect(await servedBy(again)).toBe(served)
  })

  test('opened otherwise, and by a reader', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    const otherwise: Record<string, string> = {
      auto: 'exact',
      exact: 'exact',
      centroids: served === 'centroids' ? 'centroids' : 'exact',
      ...(options.fde && { fde: 'fde', muvera: options.graphNumbers ? served : 'fde' }),
    }
    for (const [firstStage, expected] of Object.entries(otherwise)) {
      await using reader = await open({ firstStage, readonly: true })
      expect(await servedBy(reader)).toBe(expected)
    }
  })

  test.runIf(isDerived).each(['learned', 'codes', 'graph'])('with damaged files: %s', async (kind) => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    damage(kind)
    const rest = kind !== 'graph' ? 'exact' : served === 'hnsw' ? 'fde' : served
    for (const readonly of [true, false]) {
      await using again = await open({ readonly })
      for (let i = 0; i < 2; i++) expect(await servedBy(again)).toBe(rest)
      if (readonly) continue
      await again.prepare()
      expect(await servedBy(again)).toBe(served)
    }
  })
})

describe('auto in a large collection', () => {
  const options = { fde: { ...fde, finalDim: 0 }, dim: 2 } as const
  const open = (more: OpenOptions = {}) => MultiVectorIndex.open(folder, { ...options, ...more })

  test('is served by codes, by FDEs until they are there, exactly until those are', async () => {
    const filler = await open({ firstStage: 'exact', fde: options.fde })
    await filler.upsert(large)
    expect(await servedBy(filler, onCircle)).toBe('exact')
    await filler.close()
    const reader = await open({ readonly: true })
    expect(await servedBy(reader, onCircle)).toBe('fde')
    await reader.close()
    const index = await open()
    expect(await servedBy(index, onCircle)).toBe('fde')
    await index.prepare()
    expect(await servedBy(index, onCircle)).toBe('centroids')
    await index.close()
    for (const [kind, served] of [
      ['centroids-codes', 'fde'],
      ['fde-codes', 'exact'],
    ] as const) {
      damage(kind)
      await using again = await open({ readonly: true })
      for (let i = 0; i < 2; i++) expect(await servedBy(again, onCircle)).toBe(served)
    }
    await using mended = await open()
    expect(await servedBy(mended, onCircle)).toBe('exact')
    await mended.prepare()
    expect(await servedBy(mended, onCircle)).toBe('centroids')
    await mended.delete(numbers(0, 12).map(String))
    // So few tokens are left that all are scored.
    expect(await servedBy(mended, onCircle)).toBe('exact')
  })
})
