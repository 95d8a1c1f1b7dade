// Codec `residual`: vectors that gave way to centroids and residuals, and everything that is done to an index afterwards.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { replaceIndex } from '../../../../packages/core/src/embedded/commit/replace.js'
import { readManifest } from '../../../../packages/core/src/embedded/format/manifest-file.js'
import { maxSim } from '../../../../packages/core/src/scoring/maxsim.js'
import { embeddingsOf, faultsOf, numbers, queryOf, StagedIndex } from '../../../support/staged-index.js'
import type { StagedOptions } from '../../../support/staged-index.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-compressed-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (options: StagedOptions = {}) =>
  StagedIndex.open({ folder, codec: 'residual', compressTokens: 1000, fde: null, ...options })
/** Bytes of a token of 16 dimensions: its centroid, its signs, and how far along each. */
const PER_TOKEN = 2 + 2 + 2

async function compressed(to = 300): Promise<StagedIndex> {
  const index = await open()
  await index.put(numbers(0, to))
  await index.upkeep()
  return index
}
const work = (index: StagedIndex) => ({
  signal: undefined,
  onDocument: () => {},
  inTurn: <T>(change: () => Promise<T>) => index.inTurn(change),
})
const tokensIn = ({ files: { collection } }: StagedIndex) =>
  [...collection.ordinals()].reduce((sum, ordinal) => sum + collection.row(ordinal).tokens, 0)
const vectorsOf = ({ files: { collection } }: StagedIndex, n: number) =>
  collection.readEmbeddings(collection.ordinalOf(`d${n}`)!, 'residual', 16)
const states = ({ files: { collection, manifest } }: StagedIndex) => ({
  compressed: collection.compressed,
  codebooks: manifest.codebooks?.length,
  segments: manifest.segments.map(({ documents, codebook }) => [
    documents,
    codebook && manifest.codebooks!.findIndex(({ file }) => file === codebook),
  ]),
})

/** Exact MaxSim over what is stored ranks the document that a piece is of first, and scores are near those of the vectors. */
function expectNear(index: StagedIndex, which: readonly number[]): void {
  for (const n of which) {
    const wanted = maxSim(queryOf(n), embeddingsOf(n))
    expect(Math.abs(maxSim(queryOf(n), vectorsOf(index, n)) - wanted)).toBeLessThan(0.12 * wanted)
  }
}

test('vectors become codes once they are known to rank alike, a twentieth of the bytes or so', async () => {
  const index = await compressed()
  expect(index.warnings).toEqual([])
  expect(states(index)).toEqual({ compressed: 300, codebooks: 1, segments: [[300, 0]] })
  const { segments, derived } = index.files.manifest
  expect(segments[0]!.tokenBytes).toBe(tokensIn(index) * PER_TOKEN)
  expect(derived.centroids!.files.codes!.bytes).toBe(0)
  expect(derived.centroids!.files.learned!.bytes).toBe(0)
  expectNear(index, [0, 7, 299])
  expect(faultsOf(index)).toEqual([])
  for (const n of [3, 250]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
  await index.close()
  const again = await open()
  expect(states(again).compressed).toBe(300)
  expectNear(again, [0, 7, 299])
  expect((await again.search('centroids', embeddingsOf(3), 1))!.ids).toEqual(['d3'])
  expect(again.warnings).toEqual([])
  await again.close()
})

test('it is written as format 3, which builds from before refuse; int8 stays format 2', async () => {
  await (await compressed()).close()
  const versionIn = (path: string) =>
    (JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as { version: number }).version
  expect(versionIn(folder)).toBe(3)
  const other = join(folder, 'other')
  await (await StagedIndex.open({ folder: other, codec: 'int8' })).close()
  expect(versionIn(other)).toBe(2)
})

describe('afterwards', () => {
  test('what is added keeps its vectors until there is enough of it, by the same codebook where that fits', async () => {
    const index = await compressed(200)
    await index.put(numbers(200, 240))
    await index.upkeep()
    expect(states(index)).toMatchObject({
      compressed: 200,
      segments: [
        [200, 0],
        [40, undefined],
      ],
    })
    for (const n of [220, 239]) {
      const [stored, own] = [vectorsOf(index, n).data, embeddingsOf(n).data]
      own.forEach((value, i) => expect(stored[i]).toBeCloseTo(value, 2))
    }
    // As much as there was: learned from for itself, and compressed by a codebook of its own.
    await index.put(numbers(240, 430))
    await index.upkeep()
    const now = states(index)
    expect(now).toMatchObject({
      compressed: 430,
      codebooks: 2,
      segments: [
        [200, 0],
        [230, 1],
      ],
    })
    expect(index.derived('centroids')!.parts.map(({ from }) => from)).toEqual([0, 200])
    expectNear(index, [1, 199, 200, 429])
    for (const n of [5, 300, 429]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    await index.put(numbers(430, 450))
    await index.close()
    const again = await open()
    expect(states(again)).toEqual({ ...now, segments: [...now.segments, [20, undefined]] })
    for (const n of [5, 300, 440]) expect((await again.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    expect([faultsOf(again), again.warnings]).toEqual([[], []])
    await again.close()
  })

  test('compaction drops the codes of deleted documents and leaves the others as they are', async () => {
    const index = await compressed()
    await index.put(numbers(300, 320))
    const before = new Map(numbers(0, 300).map((n) => [n, vectorsOf(index, n).data]))
    const dead = [0, 1, 150, 299, 310]
    await index.delete(dead)
    await index.compact()
    expect(states(index)).toMatchObject({
      compressed: 296,
      segments: [
        [296, 0],
        [19, undefined],
      ],
    })
    for (const n of numbers(0, 300).filter((each) => !dead.includes(each))) {
      expect(vectorsOf(index, n).data).toEqual(before.get(n))
    }
    expect(index.files.manifest.segments[0]!.tokenBytes).toBeLessThan(tokensIn(index) * PER_TOKEN)
    for (const n of [2, 298, 319]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    await index.upkeep()
    expect([faultsOf(index), index.warnings]).toEqual([[], []])
    await index.close()
  })

  test('a compaction that ends before its last step leaves codes that are those of the documents', async () => {
    let index = await compressed()
    await index.put(numbers(300, 320))
    const dead = [0, 1, 150, 310]
    await index.delete(dead)
    let turns = 0
    const interrupted = index.files.compact({
      inTurn: async (step) => {
        if (++turns === 4) throw new Error('enough')
        return step()
      },
    })
    await expect(interrupted).rejects.toThrow('enough')
    const expectFound = async () => {
      for (const n of [2, 149, 151, 298, 319])
        expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
      expectNear(index, [2, 149, 151, 299])
      expect([faultsOf(index), index.warnings, index.files.collection.size]).toEqual([[], [], 316])
    }
    expect(index.files.collection.goneCount).toBe(4)
    await expectFound()
    await index.close()
    index = await open()
    expect(states(index)).toMatchObject({ compressed: 300, codebooks: 1 })
    await expectFound()
    await index.upkeep()
    await expectFound()
    await index.compact()
    expect(states(index)).toMatchObject({ compressed: 297 })
    await expectFound()
    await index.close()
  })

  test('all of them may be deleted, and others take their place', async () => {
    const index = await compressed()
    await index.delete(numbers(0, 300))
    await index.compact()
    expect(states(index)).toEqual({ compressed: 0, codebooks: 1, segments: [[0, undefined]] })
    await index.upkeep()
    await index.put(numbers(500, 900))
    await index.upkeep()
    expectNear(index, [500, 899])
    for (const n of [500, 899]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    await index.close()
    const again = await open()
    expectNear(again, [500, 899])
    expect([faultsOf(again), again.warnings]).toEqual([[], []])
    await again.close()
  })

  test('who began to read before it goes on with the vectors that were there', async () => {
    const index = await open()
    await index.put(numbers(0, 300))
    const snapshot = index.files.begin()
    const reader = await open({ readonly: true })
    const exact = snapshot.collection.readRecord(7)
    await index.upkeep()
    expect(states(index).compressed).toBe(300)
    expect(snapshot.collection.readRecord(7)).toEqual(exact)
    index.files.end(snapshot)
    expect(reader.files.collection.readRecord(7)).toEqual(exact)
    expect(index.files.collection.readRecord(7)).not.toEqual(exact)
    await reader.close()
    await index.close()
  })

  test('learned codes that are damaged are made again of what is kept, and of the vectors that are there', async () => {
    let index = await compressed()
    await index.put(numbers(300, 330))
    await index.upkeep()
    const { file } = index.derived('centroids')!.files.codes!
    await index.close()
    const path = join(folder, file)
    writeFileSync(path, Buffer.alloc(statSync(path).size, 7))
    index = await open()
    expect(await index.search('centroids', embeddingsOf(5), 1)).toBeUndefined()
    expect(index.warnings).toMatchObject([{ code: 'INDEX_REPAIRED' }])
    // Compaction does not bring them back.
    await index.delete([4])
    await index.compact()
    expectNear(index, [5, 310])
    await index.upkeep()
    for (const n of [5, 299, 329]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    expect([states(index).compressed, faultsOf(index)]).toEqual([299, []])
    await index.close()
  })
})

describe('what was compressed cannot be made again:', () => {
  const flip = (name: string, at: number) => {
    const path = join(folder, name)
    const bytes = readFileSync(path)
    bytes[at]! ^= 255
    writeFileSync(path, bytes)
  }
  /** Changes what the index holds of a document's vectors. */
  const damage = ({ files: { collection, manifest } }: StagedIndex, n: number) => {
    const ordinal = collection.ordinalOf(`d${n}`)!
    let first = 0
    const { id } = manifest.segments.find(({ documents }) => (first += documents) > ordinal)!
    flip(`${String(id).padStart(6, '0')}.tokens`, collection.row(ordinal).tokenOffset + 3)
  }
  const recordOf = ({ files: { collection } }: StagedIndex, n: number) =>
    collection.readRecord(collection.ordinalOf(`d${n}`)!)
  const damageOf = (n: number) =>
    expect.objectContaining({
      code: 'INDEX_CORRUPT',
      message: expect.stringMatching(new RegExp(`\\.tokens.*"d${n}"`)) as string,
    }) as Error

  test('a damaged document costs no other, stays damaged when it is compacted, and is gone once it is deleted', async () => {
    let index = await compressed()
    damage(index, 7)
    await index.close()
    index = await open()
    expect(() => recordOf(index, 7)).toThrow(damageOf(7))
    for (const n of [5, 8, 299]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    await index.upkeep()
    await index.delete([6])
    await index.compact()
    expect(() => recordOf(index, 7)).toThrow(damageOf(7))
    expectNear(index, [5, 8, 299])
    await index.close()
    index = await open()
    expect(() => recordOf(index, 7)).toThrow(damageOf(7))
    await index.delete([7])
    await index.compact()
    await index.upkeep()
    for (const n of [5, 8]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    for (const ordinal of index.files.collection.ordinals()) index.files.collection.readRecord(ordinal)
    expect([faultsOf(index), index.warnings]).toEqual([[], []])
    await index.close()
  })

  test.each([
    ['before its codes were made', false],
    ['after its codes were made', true],
  ])('vectors that were damaged %s do not become codes that are taken for whole', async (_, isCoded) => {
    let index = await open()
    await index.put(numbers(0, 300))
    if (isCoded) await index.stage('centroids').upkeep(work(index))
    damage(index, 7)
    await index.close()
    index = await open()
    await index.upkeep()
    expect(states(index)).toMatchObject({ compressed: 300, codebooks: 1 })
    expect(() => recordOf(index, 7)).toThrow(damageOf(7))
    expectNear(index, [6, 8, 299])
    await index.close()
    index = await open()
    expect(() => recordOf(index, 7)).toThrow(damageOf(7))
    for (const n of [6, 8]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    expect([faultsOf(index), index.warnings]).toEqual([[], []])
    await index.close()
  })

  test.each([
    ['damaged', (path: string) => writeFileSync(path, Buffer.alloc(statSync(path).size, 7))],
    ['short', (path: string) => truncateSync(path, 100)],
    ['missing', (path: string) => rmSync(path)],
  ])('a %s codebook is named, and costs the documents that were compressed by it', async (_, damaged) => {
    let index = await compressed(200)
    await index.put(numbers(200, 430))
    await index.upkeep()
    await index.put(numbers(430, 450))
    expect(states(index)).toMatchObject({ compressed: 430, codebooks: 2 })
    const { file } = index.files.manifest.codebooks![0]!
    await index.close()
    damaged(join(folder, file))
    index = await open()
    const lost = expect.objectContaining({
      code: 'INDEX_CORRUPT',
      message: expect.stringContaining(file) as string,
    }) as Error
    for (const n of [0, 199]) expect(() => recordOf(index, n)).toThrow(lost)
    expectNear(index, [200, 429, 449])
    // Without its centroids, the stage cannot search at all.
    expect(await index.search('centroids', embeddingsOf(5), 1)).toBeUndefined()
    await expect(index.upkeep()).rejects.toEqual(lost)
    // It stays for as long as somebody needs it …
    await index.delete(numbers(0, 100))
    await index.compact()
    expect(states(index)).toMatchObject({ compressed: 330, codebooks: 2 })
    expectNear(index, [200, 429, 449])
    // … and then goes, though a reader has it open.
    const reader = await open({ readonly: true })
    const snapshot = index.files.begin()
    await index.delete(numbers(100, 200))
    await index.compact()
    expect(states(index)).toMatchObject({
      compressed: 230,
      codebooks: 1,
      segments: [
        [230, 0],
        [20, undefined],
      ],
    })
    expect(snapshot.collection.readRecord(snapshot.collection.ordinalOf('d300')!)).toEqual(recordOf(index, 300))
    index.files.end(snapshot)
    await reader.close()
    await index.upkeep()
    for (const n of [200, 429, 449])
      expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    await index.close()
    index = await open()
    expectNear(index, [200, 429, 449])
    for (const n of [200, 429, 449])
      expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    expect([faultsOf(index), index.warnings]).toEqual([[], []])
    await index.close()
  })
})

test('who has lost the lock writes no codebook and compresses nothing', async () => {
  const index = await open()
  await index.put(numbers(0, 300))
  await index.stage('centroids').upkeep(work(index))
  await index.stage('centroids').measure!(work(index))
  const [compressing, before] = [await index.stage('centroids').compression!(0), readdirSync(folder)]
  expect(compressing).toBeDefined()
  rmSync(join(folder, 'lock'))
  const fenced = { code: 'INDEX_FENCED' }
  await expect(index.files.compact({ compression: async () => compressing })).rejects.toMatchObject(fenced)
  expect(readdirSync(folder)).toEqual(before.filter((name) => name !== 'lock'))
  expect(states(index)).toMatchObject({ compressed: 0 })
  expectNear(index, [0, 299])
  await index.close()
})

test('where codes do not rank as vectors do, the vectors stay, and a warning says by how much', async () => {
  // One direction for everything but the length of a token.
  const index = await open({ compressTokens: 100 })
  const { random } = await import('../../../support/fake-encoder.js')
  const { encodeRecord } = await import('../../../../packages/core/src/store/records.js')
  const next = random(5)
  const documents = numbers(0, 120).map((n) => {
    const data = Float32Array.from({ length: 4 * 16 }, (_, i) => (i % 16 === 0 ? 1 : 0) + 0.001 * (next() - 0.5))
    const record = encodeRecord('residual', { data, length: 4, dim: 16 })
    return { id: `r${n}`, text: undefined, metadata: '{}', hash: '0'.repeat(32), tokens: 4, record }
  })
  await index.files.commit({ documents, deleted: [], dim: 16, model: null })
  await index.upkeep()
  expect(states(index).compressed).toBe(0)
  expect(index.warnings).toMatchObject([
    { code: 'RESIDUALS_UNSUITABLE', message: expect.stringMatching(/only to \d+(\.\d)? %.*97 %/) as string },
  ])
  // Once.
  await index.upkeep()
  await index.compact()
  expect([index.warnings.length, states(index).compressed]).toEqual([1, 0])
  await index.close()
})

test('an index that takes the place of another brings its codebooks', async () => {
  const by = join(folder, 'rebuild')
  await (await StagedIndex.open({ folder, codec: 'int8' })).close()
  const index = await open({ folder: by })
  await index.put(numbers(0, 300))
  await index.upkeep()
  await index.put(numbers(300, 310))
  await index.close()
  await replaceIndex(folder, by)
  const there = await open()
  expect(states(there)).toMatchObject({ compressed: 300, codebooks: 1 })
  expectNear(there, [0, 299, 305])
  expect((await there.search('centroids', embeddingsOf(5), 1))!.ids).toEqual(['d5'])
  expect([faultsOf(there), there.warnings]).toEqual([[], []])
  await there.close()
})

test('an index in memory is compressed as well, and one whose manifest is read says so', async () => {
  const index = await StagedIndex.open({ codec: 'residual', compressTokens: 1000, fde: null })
  await index.put(numbers(0, 300))
  await index.upkeep()
  expect(states(index).compressed).toBe(300)
  expectNear(index, [0, 299])
  await index.close()
  const onDisk = await compressed()
  expect(readManifest(folder).codebooks).toHaveLength(1)
  await onDisk.close()
})
