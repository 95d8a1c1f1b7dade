import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EXACT_TOKENS } from '../../../../../packages/core/src/embedded/stages/plan.js'
import type { Warning } from '../../../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../../../packages/core/src/index/open.js'
import { FakeEncoder, random } from '../../../../support/fake-encoder.js'
import { embeddingsOf, numbers, StagedIndex, stageFiles, textOf } from '../../../../support/staged-index.js'

const model = new FakeEncoder()
const documents = numbers(0, 600).map((n) => ({ id: `d${n}`, text: textOf(n), metadata: { n } }))

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-centroids-'))
  warnings = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (options: OpenOptions = {}, where = folder) =>
  MultiVectorIndex.open(where, {
    model,
    firstStage: 'centroids',
    onWarning: (warning) => warnings.push(warning),
    ...options,
  })
/** Bytes of a token of 16 dimensions: its centroid, its signs, and how far along each. */
const PER_TOKEN = 2 + 2 + 2
async function filled(to = documents.length, options: OpenOptions = {}, where = folder) {
  const index = await open(options, where)
  await index.upsert(documents.slice(0, to))
  await index.prepare()
  return index
}
const search = (index: MultiVectorIndex, n: number) =>
  index.searchDetailed(documents[n]!.text, { k: 1, candidates: 50 })
const found = (n: number) => ({ firstStage: 'centroids', hits: [{ id: `d${n}`, rank: 1 }] })
const read = (role: string) => {
  const names = stageFiles(folder, 'centroids').filter((name) => name.endsWith(role))
  expect(names).toHaveLength(1)
  return { path: join(folder, names[0]!), bytes: readFileSync(join(folder, names[0]!)) }
}

describe('an index with firstStage: centroids', () => {
  test('finds what exact MaxSim finds, and says what it keeps', async () => {
    await using index = await filled()
    let kept = 0
    for (const n of numbers(0, 40).map((i) => i * 15)) {
      expect(await search(index, n)).toMatchObject(found(n))
      const exact = await index.search(documents[n]!.text, { firstStage: 'exact' })
      const ids = new Set((await index.search(documents[n]!.text, { candidates: 100 })).map(({ id }) => id))
      kept += exact.filter(({ id }) => ids.has(id)).length / exact.length / 40
    }
    expect(kept).toBeGreaterThan(0.95)
    const { tokens, bytes, firstStage, firstStages } = await index.stats()
    const { facts, ...stats } = firstStages.centroids!
    const [codes, learned] = [read('codes').bytes.length, read('learned').bytes.length]
    expect(codes).toBe(tokens * PER_TOKEN)
    expect([firstStage, stats]).toEqual(['centroids', { bytes: codes + learned, documents: 600, suitability: null }])
    expect([bytes.centroids, facts.trainedAt]).toEqual([codes + learned, tokens])
    // A float32 direction for each centroid and each cell: as many as the square root of twice as many says, less those nobody is in.
    const cells = learned / 64 - (facts.centroids as number)
    expect(cells).toBeGreaterThan(0)
    expect(cells).toBeLessThanOrEqual(Math.ceil(Math.sqrt(2 * (facts.centroids as number))) + 1)
  })

  test('without exact MaxSim the score is an estimate of it', async () => {
    await using index = await filled()
    const exact = await index.search(documents[33]!.text, { firstStage: 'exact', k: 1 })
    const estimate = await index.search(documents[33]!.text, { rerank: false, k: 1 })
    expect(estimate[0]!.id).toBe('d33')
    expect(Math.abs(estimate[0]!.score - exact[0]!.score)).toBeLessThan(0.2 * exact[0]!.score)
  })

  test('leaves out deleted documents and those a filter refuses', async () => {
    await using index = await filled()
    await index.delete('d7')
    expect((await index.search(documents[7]!.text, { k: 600 })).map(({ id }) => id)).not.toContain('d7')
    const where = ({ metadata }: { metadata: object }) => (metadata as { n: number }).n % 2 === 0
    const even = await index.search(documents[8]!.text, { k: 600, where })
    expect(even).toHaveLength(300)
    expect(even[0]!.id).toBe('d8')
  })

  test('adds codes to the file with the documents they are of', async () => {
    const index = await filled(400)
    const [codes, learned] = [read('codes'), read('learned')]
    await index.upsert(documents.slice(400, 500))
    const grown = read('codes')
    expect(grown.path).toBe(codes.path)
    expect(grown.bytes.subarray(0, codes.bytes.length).equals(codes.bytes)).toBe(true)
    expect(grown.bytes.length).toBe((await index.stats()).tokens * PER_TOKEN)
    expect(await search(index, 480)).toMatchObject(found(480))
    await index.close()
    await using reader = await open({ readonly: true })
    expect(await search(reader, 450)).toMatchObject(found(450))
    await using again = await open()
    await again.upsert([{ id: 'new', text: 'zyzzyva syzygy' }])
    expect(read('learned').bytes.equals(learned.bytes)).toBe(true)
    expect(await again.searchDetailed('zyzzyva syzygy', { k: 1 })).toMatchObject({
      firstStage: 'centroids',
      hits: [{ id: 'new' }],
    })
    expect(warnings).toEqual([])
  })

  test('a search says in which order the stage found what MaxSim then ordered', async () => {
    await using index = await filled()
    const { hits, candidates, firstStageIds } = await search(index, 99)
    expect(firstStageIds).toHaveLength(candidates)
    expect(new Set(firstStageIds).size).toBe(candidates)
    const alone = await index.search(documents[99]!.text, { k: 50, rerank: false })
    expect(firstStageIds).toEqual(alone.map(({ id }) => id))
    expect(firstStageIds).toContain(hits[0]!.id)
    expect(await index.searchDetailed('kiwi', { firstStage: 'exact' })).not.toHaveProperty('firstStageIds')
    // Not covered yet, so that the stage has no estimate of it.
    await index.upsert([{ id: 'new', text: 'zyzzyva syzygy' }])
    const after = await index.searchDetailed('zyzzyva syzygy', { k: 1, candidates: 50 })
    expect(after.hits[0]!.id).toBe('new')
    expect(after.firstStageIds!.length).toBeLessThanOrEqual(after.candidates)
  })

  test('what a killed process left behind the committed codes does no harm', async () => {
    await (await filled()).close()
    const { path, bytes } = read('codes')
    writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(100, 255)]))
    await using reader = await open({ readonly: true })
    expect(await search(reader, 99)).toMatchObject(found(99))
    await using again = await open()
    expect(await search(again, 99)).toMatchObject(found(99))
    expect(read('codes').bytes.equals(bytes)).toBe(true)
    expect(warnings).toEqual([])
  })

  test.each([1, -1])('codes that are not of its documents (%i more) are noticed and made again', async (more) => {
    const index = await StagedIndex.open({ folder, preferred: 'centroids' })
    await index.put(numbers(0, 300))
    await index.upkeep()
    const derived = index.derived('centroids')!
    await index.files.commitDerived('centroids', { ...derived, rows: derived.rows + more })
    index.files.close()
    await using reader = await open({ readonly: true })
    expect(await search(reader, 9)).toMatchObject({ firstStage: 'exact', hits: [{ id: 'd9' }] })
    const again = await StagedIndex.open({ folder, preferred: 'centroids' })
    expect(await again.search('centroids', embeddingsOf(9), 1)).toBeUndefined()
    expect(again.warnings).toMatchObject([
      { code: 'INDEX_REPAIRED', message: expect.stringContaining('do not belong') },
    ])
    await again.upkeep()
    expect(again.derived('centroids')!.rows).toBe(300)
    expect((await again.search('centroids', embeddingsOf(9), 1))!.ids).toEqual(['d9'])
    await again.close()
  })

  test('is learned again when it has twice the tokens, not before', async () => {
    await using index = await filled(120)
    const { facts } = (await index.stats()).firstStages.centroids!
    await index.upsert(documents.slice(0, 239))
    await index.prepare()
    expect((await index.stats()).firstStages.centroids!.facts).toEqual(facts)
    await index.upsert(documents.slice(0, 240))
    await index.prepare()
    const { tokens, firstStages } = await index.stats()
    expect(firstStages.centroids!.facts.trainedAt).toBe(tokens)
    expect(firstStages.centroids!.facts.centroids).toBeGreaterThan(facts.centroids as number)
    expect(await search(index, 230)).toMatchObject(found(230))
    expect(stageFiles(folder, 'centroids')).toHaveLength(2)
  })

  test('in memory, with f16 and f32 vectors, with nothing in it, and with one document', async () => {
    for (const codec of ['f16', 'f32', 'int8'] as const) {
      await using index = await open({ codec }, ':memory:')
      expect(await index.searchDetailed('kiwi')).toMatchObject({ hits: [], firstStage: 'none' })
      await index.prepare()
      await index.upsert([{ id: 'one', text: 'kiwi' }])
      await index.prepare()
      expect(await index.searchDetailed('kiwi', { k: 3 })).toMatchObject({
        firstStage: 'centroids',
        hits: [{ id: 'one' }],
      })
      await index.upsert(documents)
      await index.prepare()
      expect(await search(index, 3)).toMatchObject(found(3))
    }
  })

  test('documents without tokens are no hindrance', async () => {
    await using index = await open({ model: undefined, dim: 16 }, ':memory:')
    const empty = { data: new Float32Array(0), length: 0, dim: 16 }
    await index.upsert([{ id: 'empty', embeddings: empty }])
    await index.prepare()
    expect((await index.stats()).firstStages).toEqual({})
    const some = numbers(0, 50).map((n) => ({ id: `d${n}`, embeddings: n % 3 ? embeddingsOf(n) : empty }))
    await index.upsert(some)
    await index.prepare()
    const hits = await index.search(embeddingsOf(4), { firstStage: 'centroids', k: 60 })
    expect(hits).toHaveLength(33)
    expect(hits[0]!.id).toBe('d4')
  })

  test('a reader whose writer has not learned yet scores exactly, and makes nothing', async () => {
    const plain = await open({ firstStage: 'exact' })
    await plain.upsert(documents)
    await plain.close()
    await using reader = await open({ readonly: true })
    expect(await search(reader, 77)).toMatchObject({ firstStage: 'exact', hits: [{ id: 'd77' }] })
    expect(stageFiles(folder, 'centroids')).toEqual([])
  })
})

describe('auto', () => {
  /** More than 250,000 tokens of two components. */
  const large = numbers(0, 110).map((i) => {
    const turn = random(i + 1)
    const angles = numbers(0, 2400).map(() => (i + turn()) * 0.05)
    const data = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]))
    return { id: `${i}`, embeddings: { data, length: 2400, dim: 2 } }
  })
  const query = { data: Float32Array.of(Math.cos(2), Math.sin(2)), length: 1, dim: 2 }
  const auto = (options: OpenOptions = {}) => MultiVectorIndex.open(folder, { fde: false, ...options })

  test('scores small collections exactly and large ones by centroids; once made they are kept up', async () => {
    const index = await auto()
    await index.upsert(large.slice(0, 104))
    await index.prepare()
    const { tokens, firstStage, firstStages } = await index.stats()
    expect([firstStage, firstStages]).toEqual(['exact', {}])
    expect(tokens).toBeLessThan(EXACT_TOKENS)
    expect((await index.searchDetailed(query, { candidates: 20 })).firstStage).toBe('exact')
    await index.upsert(large)
    await index.prepare()
    expect(await index.stats()).toMatchObject({
      firstStage: 'centroids',
      firstStages: { centroids: { documents: 110, facts: { trainedAt: 264_000 } } },
    })
    expect((await index.searchDetailed(query, { candidates: 20 })).firstStage).toBe('centroids')
    const where = ({ id }: { id: string }) => Number(id) < 30
    expect((await index.searchDetailed(query, { candidates: 20, where })).firstStage).toBe('exact')
    const [hit] = await index.search(query, { candidates: 20, k: 1 })
    expect(hit!.score).toBeGreaterThan(0.9999)
    await index.close()
    const other = await auto({ firstStage: 'exact' })
    await other.upsert([{ id: 'more', embeddings: query }])
    await other.close()
    expect(read('codes').bytes).toHaveLength(264_001 * (2 + 1 + 2))
  })
})
