import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 as crcOf } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedStore } from '../../../../packages/core/src/embedded/embedded-store.js'
import { readManifest } from '../../../../packages/core/src/embedded/format/manifest-file.js'
import type { EmbeddedOptions } from '../../../../packages/core/src/embedded/options.js'
import type { Warning } from '../../../../packages/core/src/errors.js'
import { loadStemmer } from '../../../../packages/core/src/keywords/stemmers.js'
import { newDocument } from '../../../contract/store/stores.js'
import * as fc from '../../../support/fast-check.js'
import { plainBm25 } from '../../../support/plain-bm25.js'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'serotine-keywords-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (options?: EmbeddedOptions) => EmbeddedStore.open(folder, options)
const put = (store: EmbeddedStore, texts: Readonly<Record<string, string | undefined>>) =>
  store.upsert(
    Object.entries(texts).map(([id, text]) => newDocument(id, { text })),
    { dim: null, model: null },
  )
const found = async (store: EmbeddedStore, text: string) =>
  (await store.keywords!({ text, count: 10 })).map(({ id }) => id)
const derived = () => readManifest(folder).derived['keywords']

describe('the terms of documents', () => {
  it('are what BM25 of their texts is, after any changes', async () => {
    const stem = await loadStemmer('english')
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const text = fc
      .array(fc.constantFrom('ants', 'bee', 'err_7', 'v0.1', 'Cat', 'dogs'), { maxLength: 6 })
      .map((all) => all.join(' '))
    const step = fc.oneof(
      fc.record({ kind: fc.constant('put'), texts: fc.dictionary(id, fc.option(text, { nil: undefined })) }),
      fc.record({ kind: fc.constant('delete'), ids: fc.array(id) }),
      fc.record({ kind: fc.constantFrom('compact', 'reopen', 'prepare', 'search') }),
    ) as fc.Arbitrary<{ kind: string; texts?: Record<string, string | undefined>; ids?: string[] }>
    const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), text, async (steps, query) => {
      const own = mkdtempSync(join(folder, 'any-'))
      let store = await EmbeddedStore.open(own)
      const known = new Map<string, string | undefined>()
      for (const { kind, texts = {}, ids = [] } of steps) {
        if (kind === 'put') {
          await put(store, texts)
          for (const [key, value] of Object.entries(texts)) known.set(key, value)
        } else if (kind === 'delete') {
          await store.delete({ ids })
          for (const key of ids) known.delete(key)
        } else if (kind === 'compact') await store.compact()
        else if (kind === 'prepare') await store.prepare()
        else if (kind === 'search') await found(store, 'bee')
        else {
          await store.close()
          store = await EmbeddedStore.open(own)
        }
      }
      const all = Array.from(known, ([key, value]) => ({ id: key, text: value }))
      const expected = plainBm25(all, query, stem)
      const matches = await store.keywords!({ text: query, count: 10, also: [...known.keys()] })
      await store.close()
      expect(matches.length).toBe(known.size)
      for (const match of matches) {
        const same = expected.find((other) => other.id === match.id)!
        expect(match.score).toBeCloseTo(same.score, 9)
        expect([...match.words].sort()).toEqual([...same.words].sort())
      }
    })
    await fc.assert(property, { numRuns: 40 })
  })

  it('are committed with the documents, and copied when the index is compacted', async () => {
    const store = await open()
    await put(store, { ant: 'An ant.', bee: 'A bee.', cat: 'A cat.' })
    expect(derived()).toMatchObject({ rows: 3, codeBytes: 'counted', facts: { language: 'english' } })
    await store.delete({ ids: ['bee'] })
    await store.compact()
    expect(derived()).toMatchObject({ rows: 2 })
    await put(store, { dog: 'A dog.' })
    expect(derived()).toMatchObject({ rows: 3 })
    expect(await found(store, 'dogs and cats')).toEqual(expect.arrayContaining(['dog', 'cat']))
    await store.close()
    const reader = await open({ readonly: true })
    expect(await found(reader, 'dogs and bees')).toEqual(['dog'])
    expect((await reader.stats()).keywords).toMatchObject({ documents: 3, language: 'english' })
    await reader.close()
  })

  it('are in memory for the first search after a compaction, where they were before it', async () => {
    for (const searched of [true, false]) {
      const store = await open()
      await put(store, { ant: 'An ant.', bee: 'A bee.', cat: 'A cat.' })
      await store.delete({ ids: ['bee'] })
      if (searched) await found(store, 'ants')
      await store.compact()
      expect((await store.stats()).keywords).toMatchObject({ terms: searched ? expect.any(Number) : null })
      expect(await found(store, 'cats')).toEqual(['cat'])
      await store.close()
    }
  })

  it('are read from the texts where an older build wrote no lists, and listed by prepare()', async () => {
    const off = await open({ keywords: false })
    await put(off, { ant: 'An ant.', bee: 'A bee.' })
    expect(derived()).toBeUndefined()
    await off.close()
    withoutSettings()
    const reader = await open({ readonly: true })
    expect(await found(reader, 'ants')).toEqual(['ant'])
    await reader.close()
    const store = await open()
    expect(await found(store, 'ants')).toEqual(['ant'])
    expect((await store.stats()).keywords).toMatchObject({ documents: 0 })
    await store.prepare()
    expect(derived()).toMatchObject({ rows: 2 })
    await put(store, { cat: 'A cat of ants.' })
    expect(derived()).toMatchObject({ rows: 3 })
    expect(await found(store, 'ants')).toEqual(['ant', 'cat'])
    await store.close()
  })

  it('of documents that an older build added are listed, too', async () => {
    const store = await open()
    await put(store, { ant: 'An ant.', bee: 'A bee.' })
    await store.close()
    changeManifest((manifest) => {
      // As if the second had been added by a build that leaves lists as they are.
      const { codes } = manifest.derived.keywords.files
      const bytes = readFileSync(join(folder, codes.file))
      const length = bytes.readUInt32LE(0)
      writeFileSync(join(folder, codes.file), bytes.subarray(0, length))
      Object.assign(codes, { bytes: length, crc: crcOf(bytes.subarray(0, length)) })
      manifest.derived.keywords.rows = 1
    })
    const again = await open()
    expect(await found(again, 'bees')).toEqual(['bee'])
    await put(again, { cat: 'A cat.' })
    expect(derived()).toMatchObject({ rows: 1 })
    expect(await found(again, 'cats')).toEqual(['cat'])
    await again.prepare()
    expect(derived()).toMatchObject({ rows: 3 })
    await again.close()
  })

  it('that are damaged are read from the texts, with a warning, and listed again', async () => {
    const store = await open()
    await put(store, { ant: 'An ant.', bee: 'A bee.' })
    await store.close()
    const { file } = derived()!.files.codes!
    const bytes = readFileSync(join(folder, file))
    bytes[9]! ^= 1
    writeFileSync(join(folder, file), bytes)
    const warnings: Warning[] = []
    const again = await open({ onWarning: (warning) => warnings.push(warning) })
    expect(await found(again, 'bees')).toEqual(['bee'])
    expect(warnings).toMatchObject([{ code: 'INDEX_REPAIRED', message: expect.stringContaining('listed again') }])
    await again.prepare()
    expect(derived()!.files.codes!.file).not.toBe(file)
    await again.close()
    const last = await open({ onWarning: (warning) => warnings.push(warning) })
    expect(await found(last, 'bees')).toEqual(['bee'])
    expect(warnings).toHaveLength(1)
    await last.close()
  })

  it('change with the language, and are removed when nobody wants them', async () => {
    const store = await open()
    await put(store, { cats: 'Viele Katzen.', dog: 'Ein Hund.' })
    expect(await found(store, 'Katze')).toEqual([])
    await store.close()
    const german = await open({ keywords: { language: 'german' } })
    expect(await found(german, 'Katze')).toEqual(['cats'])
    await german.prepare()
    expect(derived()).toMatchObject({ facts: { language: 'german' }, rows: 2 })
    await german.close()
    const same = await open()
    expect(await found(same, 'Katze')).toEqual(['cats'])
    expect((await same.stats()).keywords).toMatchObject({ language: 'german', documents: 2 })
    await same.close()
    const off = await open({ keywords: false })
    expect([off.capabilities.keywords, off.keywords]).toEqual([false, undefined])
    await off.prepare()
    expect(derived()).toBeUndefined()
    expect((await off.stats()).keywords).toBeUndefined()
    await off.close()
    const stillOff = await open()
    expect(stillOff.capabilities.keywords).toBe(false)
    await stillOff.close()
  })

  it('of an index that was empty until then are of the language it was opened with', async () => {
    await (await open()).close()
    const german = await open({ keywords: { language: 'german' } })
    await put(german, { cats: 'Viele Katzen.' })
    await german.close()
    const again = await open()
    expect(again.capabilities.keywords).toBe(true)
    expect(await found(again, 'Katze')).toEqual(['cats'])
    await again.prepare()
    expect(derived()).toMatchObject({ facts: { language: 'german' }, rows: 1 })
    await again.close()
  })

  it('are not half there when the first commit fails', async () => {
    const store = await open()
    const broken = { ...newDocument('x', { text: 'ant' }), metadata: undefined as unknown as string }
    await expect(store.upsert([broken], { dim: null, model: null })).rejects.toThrow(/undefined|string/)
    expect(derived()).toBeUndefined()
    await put(store, { ant: 'An ant.' })
    expect(derived()).toMatchObject({ rows: 1 })
    expect(await found(store, 'ant')).toEqual(['ant'])
    await store.close()
  })

  it('are found by a reader from before a compaction, though nothing was in memory then', async () => {
    const store = await open()
    await put(store, { ant: 'An ant.', bee: 'A bee.' })
    await store.reading(async (reader) => {
      await store.delete({ ids: ['bee'] })
      await store.compact()
      expect((await reader.keywords!({ text: 'bees', count: 9 })).map(({ id }) => id)).toEqual(['bee'])
    })
    expect(await found(store, 'bees')).toEqual([])
    await store.close()
  })
})

interface LooseManifest {
  keywords?: unknown
  derived: { keywords: { rows: number; files: { codes: { file: string; bytes: number; crc: number } } } }
}

/** As an index of a build that knew nothing of keywords. */
function withoutSettings(): void {
  changeManifest((manifest) => delete manifest.keywords)
}

function changeManifest(change: (manifest: LooseManifest) => void): void {
  const path = join(folder, 'manifest.json')
  const { format, version, checksum: _before, ...manifest } = JSON.parse(readFileSync(path, 'utf8'))
  change(manifest)
  writeFileSync(
    path,
    JSON.stringify({ format, version, checksum: crcOf(JSON.stringify([version, manifest])), ...manifest }),
  )
}
