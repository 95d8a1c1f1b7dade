// Indexes written before format version 2: test/fixtures/index-v1.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readManifest } from '../../../../packages/core/src/embedded/format/manifest-file.js'
import { loadHnswlib } from '../../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import type { Warning } from '../../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../../packages/core/src/index/open.js'
import { FakeEncoder } from '../../../support/fake-encoder.js'

interface Hit {
  readonly id: string
  readonly score: number
}
interface Expected {
  readonly ids: string[]
  readonly documents: { readonly id: string; readonly text?: string }[]
  /** First and last eight numbers. */
  readonly vectors: Record<string, number[]>
  readonly searches: { readonly query: string; readonly asked: string; readonly hits: Hit[] }[]
  /** Of the first query, where n ≥ 10. */
  readonly filtered: Hit[]
}

const fixtures = fileURLToPath(new URL('../../../fixtures/index-v1', import.meta.url))
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Record<string, Expected>
const names = ['centroids', 'unsaved', 'fde']
const model = new FakeEncoder()
const hnswlib = await loadHnswlib().catch(() => undefined)

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-version-1-'))
  warnings = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (name: string, options: OpenOptions = {}) => {
  if (readdirSync(folder).length === 0) cpSync(join(fixtures, name), folder, { recursive: true })
  return MultiVectorIndex.open(folder, { model, onWarning: (warning) => warnings.push(warning), ...options })
}
const hitsOf = (hits: readonly Hit[]) => hits.map(({ id, score }) => ({ id, score }))
const written = () => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Record<string, unknown>

/** @param asked first stages whose answers must be those of then */
async function expectSame(index: MultiVectorIndex, name: string, asked: readonly string[]): Promise<void> {
  const { ids, documents, vectors, searches, filtered } = expected[name]!
  expect(await index.ids()).toEqual(ids)
  expect(await index.get(ids)).toEqual(documents)
  for (const [id, numbers] of Object.entries(vectors)) {
    const { data } = (await index.embeddings(id))!
    expect([...data.slice(0, 8), ...data.slice(-8)]).toEqual(numbers)
  }
  let compared = 0
  for (const { query, asked: firstStage, hits } of searches) {
    if (!asked.includes(firstStage)) continue
    const found = await index.search(query, { k: 5, candidates: 8, firstStage })
    expect(hitsOf(found)).toEqual(hits)
    compared++
  }
  expect(compared).toBeGreaterThanOrEqual(2 * asked.length)
  const some = await index.search(searches[0]!.query, { where: { n: { gte: 10 } }, k: 3 })
  expect(hitsOf(some)).toEqual(filtered)
}

describe.each(names)('an index of version 1 (%s)', (name) => {
  test('answers a reader as it did, and stays as it is', async () => {
    const index = await open(name, { readonly: true })
    const before = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'hex')])
    await expectSame(index, name, name === 'centroids' ? ['auto', 'exact', 'centroids'] : ['auto', 'exact'])
    await index.close()
    expect(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'hex')])).toEqual(before)
    expect(warnings).toEqual([])
  })

  test('answers a writer as it did, whose first commit makes it version 2', async () => {
    const index = await open(name)
    await expectSame(index, name, ['auto', 'exact'])
    expect(written().version).toBe(1)
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(readdirSync(join(fixtures, name))))
    await index.upsert([{ id: 'new', text: 'zyzzyva syzygy' }])
    expect(written()).toMatchObject({ version: 2, generation: readManifest(folder).generation })
    expect(Object.keys(written())).not.toContain('hnsw')
    await index.delete(['new'])
    await index.prepare()
    // Centroid codes have residuals now, and find more than then.
    await expectSame(index, name, ['auto', 'exact', ...(name === 'fde' ? ['fde'] : [])])
    await index.close()
    await using again = await open(name)
    // What only the build that wrote version 1 reads goes when there is no version 1 any more.
    expect(readdirSync(folder).filter((file) => /\.(fde|hnsw)$/.test(file))).toEqual([])
    await expectSame(again, name, ['auto', 'exact'])
    await again.compact()
    expect(await again.ids()).toEqual(expected[name]!.ids)
    await again.prepare()
    await expectSame(again, name, ['auto', 'exact'])
    expect(warnings).toEqual([])
  })

  test('can be compacted before anything else', async () => {
    await using index = await open(name)
    await index.compact()
    await expectSame(index, name, ['auto', 'exact'])
    await index.upsert([{ id: 'new', text: 'zyzzyva syzygy' }])
    const [hit] = await index.search('zyzzyva syzygy', { k: 1 })
    expect(hit!.id).toBe('new')
  })
})

describe('what first stages had kept in version 1', () => {
  test('centroid codes are taken as they are, until upkeep makes codes with residuals', async () => {
    const { derived } = ((await open('centroids', { readonly: true })).close(), readManifest(folder))
    expect(Object.keys(derived)).toEqual(['centroids'])
    expect(derived.centroids!.codeBytes).toEqual({ perDocument: 0, perToken: 2 })
    const index = await open('centroids', { firstStage: 'centroids' })
    const query = (await index.get('d3'))!.text!
    const found3 = { firstStage: 'centroids', hits: [{ id: 'd3' }] }
    expect(await index.searchDetailed(query, { k: 1, candidates: 3 })).toMatchObject(found3)
    await index.upsert([{ id: 'new', text: 'zyzzyva syzygy' }])
    await index.close()
    const made = readManifest(folder).derived.centroids!
    expect(made).toMatchObject({ codeBytes: { perToken: 2 + 2 + 2 }, rows: 43 })
    await using again = await open('centroids', { readonly: true })
    const found = await again.searchDetailed('zyzzyva syzygy', { firstStage: 'centroids', k: 1, candidates: 3 })
    expect(found).toMatchObject({ firstStage: 'centroids', hits: [{ id: 'new' }] })
  })

  test('documents without codes are found by exact scores, until upkeep has coded them', async () => {
    const reader = await open('unsaved', { readonly: true, firstStage: 'centroids' })
    const late = (await reader.get('d35'))!.text!
    for (let i = 0; i < 2; i++) {
      const found = await reader.searchDetailed(late, { candidates: 8, k: 1 })
      expect(found).toMatchObject({ firstStage: 'exact', hits: [{ id: 'd35' }] })
    }
    expect((await reader.stats()).firstStage).toBe('exact')
    await reader.close()
    await using index = await open('unsaved', { firstStage: 'centroids' })
    await index.prepare()
    expect((await index.stats()).firstStages.centroids).toMatchObject({ documents: 40 })
    const found = await index.searchDetailed(late, { candidates: 8, k: 1 })
    expect(found).toMatchObject({ firstStage: 'centroids', hits: [{ id: 'd35' }] })
  })

  test('FDEs and the graph are made again, of the same form', async () => {
    const firstStage = hnswlib ? 'hnsw' : 'fde'
    const fde = { partitioning: 'hyperplanes', repetitions: 4, simHashBits: 2, finalDim: 64 } as const
    await expect(open('fde', { fde: { ...fde, finalDim: 128 } })).rejects.toMatchObject({ code: 'INDEX_MISMATCH' })
    await using index = await open('fde', { firstStage, fde })
    expect((await index.searchDetailed('kiwi', { candidates: 8 })).firstStage).toBe('exact')
    await index.prepare()
    expect((await index.searchDetailed('kiwi', { candidates: 8 })).firstStage).toBe(firstStage)
    expect((await index.stats()).firstStages.fde).toMatchObject({ documents: 40, facts: { length: 64 } })
  })

  test('codes that are of other documents are noticed, by compaction too', async () => {
    for (const change of ['prepare', 'compact'] as const) {
      for (const rows of [99, 20]) {
        rmSync(folder, { recursive: true })
        cpSync(join(fixtures, 'centroids'), folder, { recursive: true })
        const {
          format,
          version,
          checksum: _,
          ...manifest
        } = written() as { format: string; version: number; checksum: number; centroids: { codes: object } }
        manifest.centroids.codes = { ...manifest.centroids.codes, rows }
        const checksum = crc32(JSON.stringify([version, manifest]))
        writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ format, version, checksum, ...manifest }))
        await using index = await open('centroids', { firstStage: 'centroids' })
        await index[change]()
        await index.prepare()
        expect((await index.stats()).firstStages.centroids!.documents).toBe(change === 'compact' ? 39 : 42)
        await expectSame(index, 'centroids', ['auto', 'exact'])
      }
    }
  })
})

test('a manifest of a later version, and a damaged one, are refused', async () => {
  for (const [from, to, code] of [
    ['"version":1', '"version":4', 'INDEX_VERSION'],
    ['"dim":16', '"dim":17', 'INDEX_CORRUPT'],
    ['"version":1', '"version":2', 'INDEX_CORRUPT'],
  ] as const) {
    rmSync(folder, { recursive: true })
    cpSync(join(fixtures, 'fde'), folder, { recursive: true })
    const path = join(folder, 'manifest.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
    await expect(open('fde')).rejects.toMatchObject({ code })
  }
})
