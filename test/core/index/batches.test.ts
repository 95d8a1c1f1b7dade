import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { batches } from '../../../packages/core/src/index/input.js'
import { commitManifest, readManifest } from '../../../packages/core/src/embedded/format/manifest-file.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { maxSim } from '../../../packages/core/src/scoring/maxsim.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

describe('batches', () => {
  test('end when their texts are long together, or their embeddings large', async () => {
    const sizes = async (documents: object[]): Promise<number[]> => {
      const found: number[] = []
      for await (const batch of batches(documents as never, 256, true)) found.push(batch.length)
      return found
    }
    const text = 'x'.repeat(3_000_000)
    expect(await sizes(Array.from({ length: 5 }, (_, i) => ({ id: `${i}`, text })))).toEqual([3, 2])
    const embeddings = { data: new Float32Array(6_000_000), length: 60_000, dim: 100 }
    expect(await sizes(Array.from({ length: 4 }, (_, i) => ({ id: `${i}`, embeddings })))).toEqual([3, 1])
  })

  test('are not committed once the signal is aborted, whatever the model makes of it', async () => {
    const controller = new AbortController()
    class Deaf extends FakeEncoder {
      override async encodeDocuments(texts: readonly string[]): Promise<TokenEmbeddings[]> {
        if (this.encoded.length > 0) controller.abort(new Error('enough'))
        return super.encodeDocuments(texts)
      }
    }
    await using index = await MultiVectorIndex.open(undefined, { model: new Deaf() })
    const documents = Array.from({ length: 30 }, (_, i) => ({ id: `${i}`, text: `text ${i}` }))
    const running = index.upsert(documents, { batchSize: 10, signal: controller.signal })
    await expect(running).rejects.toThrow('enough')
    expect(await index.count()).toBe(10)
  })

  test('an abort between two batches stops before the next is encoded', async () => {
    const controller = new AbortController()
    const model = new FakeEncoder()
    const encode = model.encodeDocuments.bind(model)
    // Deaf to the signal, so that only the index can stop.
    model.encodeDocuments = (texts) => encode(texts)
    await using index = await MultiVectorIndex.open(undefined, { model })
    const documents = Array.from({ length: 30 }, (_, i) => ({ id: `${i}`, text: `text ${i}` }))
    const onProgress = ({ phase, done }: { phase: string; done: number }): void => {
      if (phase === 'index' && done === 10) controller.abort(new Error('enough'))
    }
    const running = index.upsert(documents, { batchSize: 10, signal: controller.signal, onProgress })
    await expect(running).rejects.toThrow('enough')
    expect([await index.count(), model.encoded.length]).toEqual([10, 10])
  })
})

test('a record larger than what is read at a time is scored exactly, and so are its neighbours', async () => {
  const next = random(5)
  const dim = 128
  const matrix = (length: number): TokenEmbeddings => ({
    data: Float32Array.from({ length: length * dim }, () => next() - 0.5),
    length,
    dim,
  })
  // Of 512 bytes a token: 5,000 tokens are more than two pieces of a megabyte.
  const documents = [3, 5000, 4, 1900, 1900, 2, 5000].map((length, i) => ({ id: `d${i}`, embeddings: matrix(length) }))
  await using index = await MultiVectorIndex.open(undefined, { codec: 'f32' })
  await index.upsert(documents)
  const query = matrix(6)
  const hits = await index.search(query, { k: 10, firstStage: 'exact' })
  const wanted = documents.map(({ id, embeddings }) => [id, maxSim(query, embeddings)] as const)
  expect(hits.map(({ id, score }) => [id, score])).toEqual([...wanted].sort((a, b) => b[1] - a[1]))
})

test('FDEs made by other arithmetic are made again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'serotine-fingerprint-'))
  try {
    const model = new FakeEncoder()
    const next = random(9)
    const index = await MultiVectorIndex.open(folder, { model, firstStage: 'fde' })
    await index.upsert(Array.from({ length: 400 }, (_, i) => ({ id: `${i}`, text: randomText(next, 30) })))
    await index.close()
    const manifest = readManifest(folder)
    const { learned } = manifest.derived.fde!.files
    const path = join(folder, learned!.file)
    const other = (await readFile(path, 'utf8')).replace(/"fingerprint":"\w+"/, '"fingerprint":"other"')
    await writeFile(path, other)
    const extent = { file: learned!.file, bytes: Buffer.byteLength(other), crc: crc32(other) }
    const fde = { ...manifest.derived.fde!, files: { ...manifest.derived.fde!.files, learned: extent } }
    await commitManifest(folder, { ...manifest, derived: { fde } })
    const warnings: Warning[] = []
    const onWarning = (warning: Warning) => warnings.push(warning)
    await using again = await MultiVectorIndex.open(folder, { model, firstStage: 'fde', onWarning })
    expect(await again.searchDetailed('kiwi')).toMatchObject({ firstStage: 'exact' })
    expect(warnings).toEqual([
      { code: 'INDEX_REPAIRED', message: expect.stringContaining('made with different arithmetic (other)') as string },
    ])
    await again.prepare()
    expect(await again.searchDetailed('kiwi')).toMatchObject({ firstStage: 'fde' })
    expect(warnings).toHaveLength(1)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
