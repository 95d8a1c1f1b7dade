// One document of many is damaged on disk: the others are found as before, it is named, and writing it once more mends it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readManifest } from '../../../packages/core/src/embedded/format/manifest-file.js'
import { decodeRows } from '../../../packages/core/src/embedded/format/document-table.js'
import { fileName } from '../../../packages/core/src/embedded/format/file-names.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import { breakFiles, repair } from '../../support/file-faults.js'

vi.mock('node:fs', async (original) =>
  (await import('../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

const model = new FakeEncoder()
const next = random(9)
const documents = Array.from({ length: 60 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 12),
  metadata: { n: i },
}))

let folder: string
let warnings: Warning[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-damage-'))
  warnings = []
  const index = await MultiVectorIndex.open(folder, { model })
  await index.upsert(documents)
  await index.close()
})
afterEach(() => {
  repair()
  rmSync(folder, { recursive: true, force: true })
})

const open = (options: OpenOptions = {}) =>
  MultiVectorIndex.open(folder, { model, onWarning: (warning) => warnings.push(warning), ...options })

/** Changes a byte of a document's vectors or text. */
function damage(id: string, kind: 'tokens' | 'texts'): void {
  const { segments } = readManifest(folder)
  for (const segment of segments) {
    const rows = decodeRows(readFileSync(join(folder, fileName(segment.id, 'table'))), 'table')
    const row = rows.findLast((each) => each.id === id)
    if (!row) continue
    const path = join(folder, fileName(segment.id, kind))
    const bytes = readFileSync(path)
    bytes[(kind === 'tokens' ? row.tokenOffset : row.textOffset) + 2]! ^= 0x20
    writeFileSync(path, bytes)
  }
}
const allIds = async (index: MultiVectorIndex, firstStage = 'exact') =>
  (await index.search('kiwi river', { k: 100, candidates: 100, firstStage })).map(({ id }) => id).sort()
const without = (...ids: string[]) =>
  documents
    .map(({ id }) => id)
    .filter((id) => !ids.includes(id))
    .sort()

describe('a document whose vectors are damaged', () => {
  test('is left out of searches and named once; the others score as before', async () => {
    const whole = await open()
    const before = await whole.search('kiwi river', { k: 100 })
    await whole.close()
    damage('d7', 'tokens')
    damage('d8', 'tokens')
    damage('d59', 'tokens')
    await using index = await open()
    const hits = await index.search('kiwi river', { k: 100 })
    const left = before.filter(({ id }) => !['d7', 'd8', 'd59'].includes(id))
    expect(hits).toEqual(left.map((hit, i) => ({ ...hit, rank: i + 1 })))
    await index.search('kiwi river')
    expect(warnings.map(({ code }) => code)).toEqual(Array(3).fill('DOCUMENT_DAMAGED'))
    expect(warnings[0]!.message).toMatch(
      /document "d7": .*000002\.tokens: .*vectors of document "d7" is wrong.* Upsert/,
    )
    await expect(index.embeddings('d7')).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    expect(await index.get('d7')).toMatchObject({ text: documents[7]!.text })
    expect(await index.count()).toBe(60)
  })

  test.each([
    ['when it was noticed before', true],
    ['by a process that has not noticed', false],
  ])('is mended by upserting it again, %s', async (_, isNoticed) => {
    damage('d7', 'tokens')
    await using index = await open()
    if (isNoticed) await index.search('kiwi')
    expect(await index.upsert(documents)).toEqual({ added: 0, updated: 1, unchanged: 59 })
    expect(await allIds(index)).toEqual(without())
    expect(await index.upsert(documents)).toEqual({ added: 0, updated: 0, unchanged: 60 })
    expect((await index.search(documents[7]!.text))[0]!.id).toBe('d7')
  })

  test('is mended though only its metadata were to change, and can be deleted', async () => {
    damage('d7', 'tokens')
    damage('d8', 'tokens')
    await using index = await open()
    await index.upsert([{ ...documents[7]!, metadata: { n: 700 } }])
    expect(await index.delete('d8')).toBe(1)
    expect(await allIds(index)).toEqual(without('d8'))
    expect(warnings).toEqual([])
  })

  test('is no obstacle to compaction, which neither mends nor hides it', async () => {
    damage('d7', 'tokens')
    damage('d9', 'texts')
    const index = await open()
    await index.delete(['d0', 'd30'])
    await index.compact()
    expect(await allIds(index)).toEqual(without('d0', 'd7', 'd30'))
    await index.close()
    await using again = await open()
    expect(await allIds(again)).toEqual(without('d0', 'd7', 'd30'))
    await expect(again.get('d9')).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    expect(await again.upsert([documents[7]!, documents[9]!])).toMatchObject({ updated: 2 })
    expect(await again.get('d9')).toMatchObject({ text: documents[9]!.text })
    expect(await allIds(again)).toEqual(without('d0', 'd30'))
  })

  test('is no obstacle to making what first stages need', async () => {
    damage('d7', 'tokens')
    damage('d8', 'texts')
    await using index = await open()
    await index.prepare({ firstStage: 'centroids' })
    expect(await allIds(index, 'centroids')).toEqual(without('d7'))
    expect(warnings.map(({ code }) => code)).toEqual(['DOCUMENT_DAMAGED', 'DOCUMENT_DAMAGED'])
  })

  test('is a bad sector, too', async () => {
    await using index = await open()
    const { segments } = readManifest(folder)
    breakFiles({ call: 'readSync', path: new RegExp(fileName(segments[0]!.id, 'tokens')), code: 'EIO', times: 2 })
    expect(await allIds(index)).toEqual(without('d0'))
    expect(warnings).toMatchObject([
      { code: 'DOCUMENT_DAMAGED', message: expect.stringMatching(/"d0".*EIO/) as string },
    ])
  })
})

test('a read that fails once gives up no document: what needed it is not done, and is the next time', async () => {
  await using index = await open()
  await index.delete(['d0', 'd30'])
  const { segments } = readManifest(folder)
  const once = {
    path: new RegExp(fileName(segments[0]!.id, 'tokens')),
    call: 'readSync',
    code: 'EIO',
    times: 1,
  } as const
  breakFiles({ ...once })
  await expect(index.compact()).rejects.toMatchObject({ code: 'EIO' })
  await index.compact()
  breakFiles({ ...once, path: /\.tokens$/ })
  await expect(index.prepare({ firstStage: 'centroids' })).rejects.toMatchObject({ code: 'EIO' })
  await index.prepare({ firstStage: 'centroids' })
  expect(await index.verify()).toEqual([])
  for (const firstStage of ['exact', 'centroids']) expect(await allIds(index, firstStage)).toEqual(without('d0', 'd30'))
  expect(warnings).toEqual([])
})

describe('with codec residual, once vectors are compressed,', () => {
  let many: { id: string; text: string }[]
  beforeEach(async () => {
    folder = join(folder, 'residual')
    many = Array.from({ length: 200 }, (_, i) => ({ id: `d${i}`, text: randomText(random(i + 1), 12) }))
    const index = await openResidual()
    await index.upsert(many)
    await index.prepare()
    const { compressed } = (await index.stats()).firstStages.centroids!.facts
    if (compressed !== 200) throw new Error(`${compressed} documents were compressed`)
    await index.close()
  })
  const openResidual = (options: OpenOptions = {}) =>
    open({ codec: 'residual', compressTokens: 300, ...options } as OpenOptions)
  const others = (lost: string) =>
    many
      .map(({ id }) => id)
      .filter((id) => id !== lost)
      .sort()
  const found = async (index: MultiVectorIndex, firstStage: string) =>
    (await index.search('kiwi river', { k: 500, candidates: 500, firstStage })).map(({ id }) => id).sort()

  test('a damaged document costs no other, and is mended by upserting it again', async () => {
    damage('d7', 'tokens')
    const index = await openResidual()
    for (const firstStage of ['exact', 'centroids']) expect(await found(index, firstStage)).toEqual(others('d7'))
    expect(warnings).toMatchObject([
      { code: 'DOCUMENT_DAMAGED', message: expect.stringMatching(/\.tokens.*"d7"/) as string },
    ])
    await expect(index.embeddings('d7')).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    await index.delete('d8')
    await index.compact()
    await index.close()
    await using again = await openResidual()
    expect(await again.upsert(many)).toEqual({ added: 1, updated: 1, unchanged: 198 })
    expect((await again.search(many[7]!.text, { k: 1 }))[0]!.id).toBe('d7')
    for (const firstStage of ['exact', 'centroids']) expect(await found(again, firstStage)).toEqual(others(''))
  })

  test('a codebook that is lost is named once, and its documents are mended by upserting them again', async () => {
    const own = { id: 'own', text: 'kiwi' }
    const index = await openResidual()
    await index.upsert([own])
    await index.close()
    rmSync(join(folder, readManifest(folder).codebooks![0]!.file))
    await using again = await openResidual()
    expect((await again.search('kiwi', { k: 500 })).map(({ id }) => id)).toEqual(['own'])
    expect(warnings).toMatchObject([
      { code: 'DOCUMENT_DAMAGED', message: expect.stringMatching(/\.codebook is missing/) as string },
    ])
    await expect(again.prepare()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    expect(await again.upsert([...many, own])).toEqual({ added: 0, updated: 200, unchanged: 1 })
    expect(await found(again, 'exact')).toEqual([...others(''), 'own'].sort())
    await again.compact()
    await again.prepare()
    expect(await again.verify()).toEqual([])
    expect((await again.stats()).firstStages.centroids!.facts.compressed).toBeGreaterThan(0)
    expect(await found(again, 'centroids')).toEqual([...others(''), 'own'].sort())
  })
})

test('a document whose text is damaged is found without it, and named', async () => {
  damage('d7', 'texts')
  await using index = await open()
  const hits = await index.search(documents[7]!.text, { k: 60 })
  expect(hits[0]).toMatchObject({ id: 'd7', metadata: { n: 7 } })
  expect(hits.filter(({ text }) => text === undefined).map(({ id }) => id)).toEqual(['d7'])
  expect(warnings).toMatchObject([
    {
      code: 'DOCUMENT_DAMAGED',
      message: expect.stringMatching(/000002\.texts: .*text of document "d7" is wrong/) as string,
    },
  ])
  await expect(index.get('d7')).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
  expect(await index.upsert([documents[7]!])).toMatchObject({ updated: 1 })
  expect(await index.get('d7')).toMatchObject({ text: documents[7]!.text })
})
