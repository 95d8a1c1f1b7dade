import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeRecord } from '../../../packages/core/src/store/records.js'
import { IndexStore } from '../../../packages/core/src/embedded/commit/index-files.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { StoredDocument } from '../../../packages/core/src/embedded/format/segment.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const next = random(31)
const documents = Array.from({ length: 200 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 8 + (i % 30)) }))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-store-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function stored({ id, text }: { id: string; text: string }): StoredDocument {
  const embeddings = model.embed(text)
  return {
    id,
    text,
    metadata: '{}',
    hash: '0'.repeat(32),
    tokens: embeddings.length,
    record: encodeRecord('int8', embeddings),
  }
}

const open = () =>
  IndexStore.open(
    folder,
    {
      codec: 'int8',
      dim: 16,
      model: null,
      fde: { options: { preset: 'small', partitioning: 'hyperplanes' }, learned: null, suitability: null },
    },
    { readonly: false, create: true, segmentBytes: 20_000 },
  )

describe('an index of several segments', () => {
  async function answers(): Promise<unknown[]> {
    await using index = await MultiVectorIndex.open(folder, { model, readonly: true })
    const results = []
    for (const query of ['kiwi river', documents[150]!.text]) {
      for (const stage of ['exact', 'fde'] as const) {
        const hits = await index.search(query, { stage, k: 20, candidates: 60 })
        results.push(hits.map(({ id, score, text }) => ({ id, score, text })))
      }
    }
    return results
  }

  test('answers like one of a single segment, and keeps the order of insertion through compaction', async () => {
    const store = await open()
    for (let i = 0; i < 200; i += 20) {
      const batch = documents.slice(i, i + 20).map(stored)
      await store.commit({ documents: batch, deleted: [], dim: 16, model: null })
    }
    expect(store.manifest.segments.length).toBeGreaterThan(3)
    expect(store.manifest.segments.every(({ fde, documents: count }) => fde.rows === count)).toBe(true)
    const several = await answers()
    const single = await MultiVectorIndex.open(undefined, {
      model,
      fde: { preset: 'small', partitioning: 'hyperplanes' },
    })
    await single.upsert(documents)
    const exact = await single.search('kiwi river', { stage: 'exact', k: 20 })
    expect(several[0]).toEqual(exact.map(({ id, score, text }) => ({ id, score, text })))

    // Only the segments of deleted documents are written anew.
    const ids = store.manifest.segments.map(({ id }) => id)
    const first = store.manifest.segments[0]!.documents
    await store.commit({ documents: [], deleted: [first, first + 1, 199], dim: 16, model: null })
    const before = await answers()
    await store.compact()
    const after = store.manifest.segments.map(({ id }) => id)
    expect(after[0]).toBe(ids[0])
    expect(after).not.toContain(ids[1])
    expect(after.filter((id) => ids.includes(id))).toEqual(ids.filter((id, i) => i !== 1 && i !== ids.length - 1))
    expect(store.collection.ids()).toEqual(
      documents.map(({ id }) => id).filter((_, i) => ![first, first + 1, 199].includes(i)),
    )
    expect(await answers()).toEqual(before)

    // Filled further, the last segment goes on.
    await store.commit({
      documents: [stored({ id: 'a new one', text: 'kiwi river' })],
      deleted: [],
      dim: 16,
      model: null,
    })
    store.close()
    const again = await open()
    expect(again.collection.ids().at(-1)).toBe('a new one')
    expect(await answers()).not.toEqual(before)
    again.close()
  })

  test('an aborted compaction changes nothing, and the next one succeeds', async () => {
    const store = await open()
    await store.commit({ documents: documents.map(stored), deleted: [], dim: 16, model: null })
    await store.commit({ documents: [], deleted: [0, 5, 7], dim: 16, model: null })
    const before = await answers()
    await expect(store.compact(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
    expect(await answers()).toEqual(before)
    expect(store.deletedCount).toBe(3)
    await store.compact()
    expect(store.deletedCount).toBe(0)
    expect(await answers()).toEqual(before)
    store.close()
  })
})
