import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeRows } from '../../../packages/core/src/embedded/format/document-table.js'
import { verifyIndex } from '../../../packages/core/src/embedded/verify/verify-index.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const next = random(9)
const documents = Array.from({ length: 200 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 12),
  metadata: { n: i },
}))

let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-verify-'))
  const index = await open()
  await index.upsert(documents)
  await index.delete('d1')
  await index.prepare()
  await index.close()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (options: OpenOptions = {}) =>
  MultiVectorIndex.open(folder, { model, firstStage: 'centroids', ...options })
const file = (kind: string) =>
  join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(kind))!,
  )
function flip(path: string, at = statSync(path).size >> 1): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 0x10
  writeFileSync(path, bytes)
}
const rowOf = (id: string) => decodeRows(readFileSync(file('table')), 'table').find((row) => row.id === id)!
const damageVectors = (id: string) => flip(file('tokens'), rowOf(id).tokenOffset)
const damageText = (id: string) => flip(file('texts'), rowOf(id).textOffset)

const SECTIONS: [section: string, kind: string][] = [
  ['manifest', 'manifest.json'],
  ['deleted', 'deleted'],
  ['keywords codes', 'keywords-codes'],
  ['centroids learned', 'centroids-learned'],
  ['centroids codes', 'centroids-codes'],
  ['table', 'table'],
  ['vectors', 'tokens'],
  ['texts', 'texts'],
]

describe('verifyIndex', () => {
  test('names every file and finds nothing wrong with an index that is as it was written', async () => {
    const { sections, problems } = await verifyIndex(folder)
    expect(problems).toEqual([])
    expect(sections.map(({ section, isIntact }) => [section, isIntact])).toEqual(
      SECTIONS.map(([section]) => [section, true]),
    )
    expect(sections.map(({ file }) => file).sort()).toEqual(readdirSync(folder).sort())
    for (const { file, bytes } of sections.slice(1)) expect(bytes).toBe(statSync(join(folder, file)).size)
  })

  test.each(SECTIONS)('finds a wrong byte in %s, wherever it is', async (section, kind) => {
    const good = readFileSync(file(kind))
    for (const share of [0.001, 0.3, 0.99]) {
      flip(file(kind), Math.floor(good.length * share))
      const { sections, problems } = await verifyIndex(folder)
      expect(sections.filter(({ isIntact }) => !isIntact).map((each) => each.section)).toEqual([section])
      expect(problems[0]).toMatchObject({ file: expect.stringContaining(kind) as string })
      writeFileSync(file(kind), good)
    }
  })

  test.each(SECTIONS.slice(1))('finds that %s is short or missing', async (section, kind) => {
    const path = file(kind)
    truncateSync(path, 3)
    for (const message of [/ends after 3 bytes/, /is missing/]) {
      const { sections, problems } = await verifyIndex(folder)
      expect(sections.filter(({ isIntact }) => !isIntact).map((each) => each.section)).toEqual([section])
      expect(problems).toHaveLength(1)
      expect(problems[0]!.message).toMatch(message)
      rmSync(path, { force: true })
    }
  })

  test('names documents, and leaves out those that are deleted', async () => {
    damageVectors('d7')
    damageVectors('d1')
    damageText('d7')
    damageText('d9')
    const { sections, problems } = await verifyIndex(folder)
    expect(problems.map(({ id, section }) => [id, section])).toEqual([
      ['d7', 'vectors'],
      ['d7', 'text'],
      ['d9', 'text'],
    ])
    expect(sections.filter(({ damaged }) => damaged > 0).map(({ section, damaged }) => [section, damaged])).toEqual([
      ['vectors', 1],
      ['texts', 2],
    ])
  })

  test('ends at once when the signal says so; a folder that is none is refused', async () => {
    await expect(verifyIndex(folder, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    await expect(verifyIndex(tmpdir())).rejects.toMatchObject({ code: 'INDEX_FORMAT' })
  })
})

describe('repair', () => {
  const left = documents.filter(({ id }) => id !== 'd1')

  test('changes nothing where nothing is wrong', async () => {
    await using index = await open()
    const { generation } = await index.stats()
    expect([await index.verify(), await index.repair()]).toEqual([[], { problems: [], mended: [], incomplete: [] }])
    expect((await index.stats()).generation).toBe(generation)
  })

  test('makes vectors again from texts', async () => {
    damageVectors('d7')
    damageVectors('d8')
    const before = (
      await open({ readonly: true }).then((index) => index.search(documents[9]!.text, { firstStage: 'exact' }))
    ).map(({ id }) => id)
    await using index = await open()
    expect((await index.verify()).map(({ id }) => id)).toEqual(['d7', 'd8'])
    expect(await index.repair()).toMatchObject({ mended: ['d7', 'd8'], incomplete: [] })
    expect(await index.verify()).toEqual([])
    expect((await index.search(documents[7]!.text, { firstStage: 'exact' }))[0]!.id).toBe('d7')
    expect((await index.search(documents[9]!.text, { firstStage: 'exact' })).map(({ id }) => id)).toEqual(
      expect.arrayContaining(before.slice(0, 3)),
    )
    expect(await index.upsert(left)).toMatchObject({ updated: 0, unchanged: 199 })
  })

  test('keeps what can be read of a document, which upserting it again completes', async () => {
    damageVectors('d7')
    damageText('d7')
    damageText('d9')
    await using index = await open()
    expect(await index.repair()).toMatchObject({ mended: [], incomplete: ['d7', 'd9'] })
    expect(await index.verify()).toEqual([])
    expect(await index.get('d7')).toEqual({ id: 'd7', metadata: { n: 7 }, tokens: 0 })
    expect((await index.search(documents[9]!.text))[0]).toMatchObject({ id: 'd9', metadata: { n: 9 } })
    expect(await index.upsert(left)).toMatchObject({ updated: 2, unchanged: 197 })
    expect(await index.get(left.map(({ id }) => id))).toMatchObject(left)
  })

  test('without the model, or of vectors made elsewhere, gives up only the vectors', async () => {
    damageVectors('d7')
    const index = await MultiVectorIndex.open(folder)
    expect(await index.repair()).toMatchObject({ mended: [], incomplete: ['d7'] })
    expect(await index.get('d7')).toEqual({ ...documents[7], tokens: 0 })
    await index.close()
    await using again = await open()
    await again.upsert([{ id: 'own', text: 'kiwi', embeddings: model.embed('river') }])
    const { size } = statSync(file('tokens'))
    flip(file('tokens'), size - 30)
    expect(await again.repair()).toMatchObject({ mended: [], incomplete: ['own'] })
  })

  test.each(['centroids-codes', 'centroids-learned'])('makes %s again', async (kind) => {
    flip(file(kind))
    await using index = await open()
    expect(await index.repair()).toMatchObject({ problems: [{ section: kind.replace('-', ' ') }] })
    await index.prepare()
    expect(await index.verify()).toEqual([])
    expect(await index.searchDetailed(documents[7]!.text, { firstStage: 'centroids' })).toMatchObject({
      firstStage: 'centroids',
      hits: expect.arrayContaining([expect.objectContaining({ id: 'd7' })]) as unknown,
    })
  })

  test('makes keywords again, and knows those of what it mended', async () => {
    flip(file('keywords-codes'))
    damageVectors('d7')
    await using index = await open()
    expect(await index.repair()).toMatchObject({ mended: ['d7'] })
    await index.prepare()
    expect(await index.verify()).toEqual([])
    for (const n of [7, 8]) {
      const [word] = documents[n]!.text.split(' ')
      const hits = await index.search(`"${word}"`, { hybrid: true, k: 200 })
      const holding = documents.filter(({ id, text }) => id !== 'd1' && text.split(' ').includes(word!))
      expect(hits.map(({ id }) => id).sort()).toEqual(holding.map(({ id }) => id).sort())
    }
  })

  test('is for writers, of folders', async () => {
    await using reader = await open({ readonly: true })
    expect(await reader.verify()).toEqual([])
    await expect(reader.repair()).rejects.toMatchObject({ code: 'INDEX_READONLY' })
    await using memory = await MultiVectorIndex.open(undefined, { model })
    await memory.upsert(documents)
    expect([await memory.verify(), (await memory.repair()).problems]).toEqual([[], []])
  })
})

describe('with codec residual', () => {
  const openResidual = (options: OpenOptions = {}) =>
    MultiVectorIndex.open(join(folder, 'residual'), {
      model,
      codec: 'residual',
      compressTokens: 300,
      ...options,
    } as OpenOptions)
  const inFolder = (kind: string) =>
    readdirSync(join(folder, 'residual'))
      .filter((name) => name.endsWith(kind))
      .map((name) => join(folder, 'residual', name))
  beforeEach(async () => {
    const index = await openResidual()
    await index.upsert(documents)
    await index.prepare()
    await index.upsert([{ id: 'own', text: 'kiwi', embeddings: model.embed('kiwi') }])
    await index.close()
  })

  test('records and codebooks are read, and every file is named', async () => {
    const { sections, problems } = await verifyIndex(join(folder, 'residual'))
    expect(problems).toEqual([])
    expect(sections.map(({ file }) => file).sort()).toEqual(readdirSync(join(folder, 'residual')).sort())
    expect(sections.filter(({ section }) => section === 'codebook')).toMatchObject([
      {
        file: expect.stringMatching(/\.codebook$/) as string,
        isIntact: true,
        damaged: 0,
        bytes: statSync(inFolder('codebook')[0]!).size,
      },
    ])
    const [first] = inFolder('.tokens')
    flip(first!, 40)
    expect((await verifyIndex(join(folder, 'residual'))).problems).toMatchObject([{ id: 'd0', section: 'vectors' }])
  })

  test.each([
    ['damaged', (path: string) => flip(path)],
    ['short', (path: string) => truncateSync(path, 100)],
    ['missing', (path: string) => rmSync(path)],
  ])(
    'a %s codebook is named with its documents; repair makes their vectors again, or gives them up',
    async (_, damage) => {
      const copy = join(folder, 'copy')
      damage(inFolder('codebook')[0]!)
      cpSync(join(folder, 'residual'), copy, { recursive: true })
      const { sections, problems } = await verifyIndex(copy)
      expect(sections.filter(({ isIntact }) => !isIntact)).toMatchObject([{ section: 'codebook', damaged: 200 }])
      expect(problems).toHaveLength(201)
      expect(problems.slice(0, 2)).toMatchObject([
        { section: 'codebook', file: expect.stringContaining('.codebook') as string },
        { id: 'd0', section: 'vectors', file: expect.stringContaining('.codebook') as string },
      ])
      await using index = await openResidual()
      const ids = documents.map(({ id }) => id)
      expect(await index.repair()).toMatchObject({ mended: ids, incomplete: [] })
      expect([await index.verify(), inFolder('codebook')]).toEqual([[], []])
      await index.prepare()
      expect((await index.stats()).firstStages.centroids!.facts.compressed).toBeGreaterThan(0)
      expect((await index.search(documents[7]!.text))[0]!.id).toBe('d7')
      expect(await index.upsert(documents)).toMatchObject({ updated: 0, unchanged: 200 })
      // Without the model, texts and everything else stay.
      await using without = await MultiVectorIndex.open(copy)
      expect(await without.repair()).toMatchObject({ mended: [], incomplete: ids })
      expect(await without.verify()).toEqual([])
      expect(await without.get('d7')).toEqual({ ...documents[7], tokens: 0 })
      expect((await without.search(model.embed('kiwi'), { k: 500 })).map(({ id }) => id)).toEqual(['own'])
    },
  )
})
