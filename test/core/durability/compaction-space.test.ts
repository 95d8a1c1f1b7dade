// What room a compaction takes: bytes of all files that have a name, after each call.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { readManifest } from '../../../packages/core/src/embedded/format/manifest-file.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { record, recordedCount, recordedEvents } from './recorded-files.js'
import type { FileEvent } from './recorded-files.js'
import { documentOf } from './steps.js'
import { model } from './workload.js'

vi.mock('node:fs', async (original) =>
  (await import('./recorded-files.js')).recorded(await original<typeof import('node:fs')>()),
)

const root = mkdtempSync(join(tmpdir(), 'serotine-space-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Bytes that files take up after each event: a file with two names once, one without a name not at all. */
function bytesAfter(events: readonly FileEvent[]): number[] {
  const [lengths, names] = [new Map<number, number>(), new Map<string, number>()]
  return events.map((event) => {
    if (event.op === 'create') names.set(event.path, event.file)
    else if (event.op === 'unlink') names.delete(event.path)
    else if (event.op === 'rename') {
      names.delete(event.from)
      names.set(event.path, event.file)
    } else if (event.op === 'write')
      lengths.set(event.file, Math.max(lengths.get(event.file) ?? 0, event.at + event.bytes.length))
    else if (event.op === 'truncate') lengths.set(event.file, event.length)
    return [...new Set(names.values())].reduce((sum, file) => sum + (lengths.get(file) ?? 0), 0)
  })
}

/** An index of forty segments or so, some of whose documents are deleted: bytes before, at most, and after. */
async function compacted(name: string, isDead: (n: number) => boolean) {
  const [place, segmentBytes] = [join(root, name), 10_000]
  mkdirSync(place)
  record(place)
  const folder = join(place, 'index')
  const options = { model, segmentBytes, compactAt: false, firstStage: 'centroids' } as OpenOptions
  const index = await MultiVectorIndex.open(folder, options)
  const all = Array.from({ length: 1000 }, (_, n) => documentOf({ kind: 'many', topic: n % 5, n, length: 20 }))
  await index.upsert(all, { batchSize: 10 })
  await index.prepare()
  await index.delete(all.filter((_, n) => isDead(n)).map(({ id }) => id))
  const { segments, derived } = readManifest(folder)
  const before = recordedCount()
  await index.compact()
  const after = recordedCount()
  const ids = await index.ids()
  await index.close({ prepare: false })
  const bytes = bytesAfter(recordedEvents())
  const tables = segments.reduce((sum, { table }) => sum + table.bytes, 0)
  const codes = Object.values(derived).reduce((sum, { files }) => sum + files.codes!.bytes, 0)
  return {
    ids,
    segments: segments.length,
    before: bytes[before - 1]!,
    peak: bytes.slice(before, after).reduce((a, b) => Math.max(a, b)),
    after: bytes[after - 1]!,
    // One segment with its texts and its table, and a commit more than it may hold; or what the last step writes; and a manifest.
    bound: Math.max(
      ...segments.map(({ tokenBytes, textBytes, table }) => tokenBytes + textBytes + table.bytes),
      tables + codes,
    ),
    manifest: JSON.stringify(readManifest(folder)).length + 200,
  }
}

test('of an index of many segments with 1 % deleted takes room for one of them, or for tables and codes', async () => {
  const { ids, segments, before, peak, after, bound, manifest } = await compacted('few', (n) => n % 100 === 3)
  expect([ids.length, segments > 30]).toEqual([990, true])
  expect(peak - before).toBeLessThanOrEqual(bound + manifest * 2)
  // And not for all of them once more.
  expect(peak).toBeLessThan(before * 1.5)
  expect(after).toBeLessThan(before)
})

test('with half deleted never takes more room than there was, but for what the first step writes', async () => {
  const { ids, before, peak, after, manifest } = await compacted('half', (n) => n % 2 === 1)
  expect(ids).toHaveLength(500)
  expect(peak - before).toBeLessThanOrEqual(10_000 + 10_000 + manifest * 2)
  expect(after).toBeLessThan(before * 0.6)
})
