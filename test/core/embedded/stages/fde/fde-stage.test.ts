import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EmbeddedStore } from '../../../../../packages/core/src/embedded/embedded-store.js'
import { embeddingsOf, numbers, queryOf, StagedIndex } from '../../../../support/staged-index.js'
import type { StagedOptions } from '../../../../support/staged-index.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-fde-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (options: StagedOptions = {}) => StagedIndex.open({ folder, preferred: 'fde', ...options })
const small = { repetitions: 2, simHashBits: 4, finalDim: 64 } as const

describe('FDEs', () => {
  test.each([
    // 2,000 tokens tell what is common to all of them; partitions of them take 8,000. A document has 12.
    ['hyperplanes', 167],
    ['centroids', 667],
  ] as const)('are made from enough tokens on (%s)', async (partitioning, enough) => {
    const index = await open({ fde: { partitioning, ...small } })
    await index.put(numbers(0, enough - 1))
    await index.upkeep()
    expect([index.stage('fde').isKept, index.stage('fde').rows, index.derived('fde')]).toEqual([true, 0, undefined])
    expect(index.stage('fde').facts()).toEqual({
      preset: null,
      length: null,
      bytesPerDocument: null,
      meanNorm: null,
      prepare: null,
      partitioning: null,
    })
    await index.put([enough - 1])
    await index.upkeep()
    expect(index.stage('fde').rows).toBe(enough)
    const { meanNorm, ...facts } = index.stage('fde').facts()
    const prepare = partitioning === 'centroids' && (meanNorm as number) >= 0.1 ? 'deflate' : 'none'
    expect(facts).toEqual({ preset: null, length: 64, bytesPerDocument: 68, prepare, partitioning })
    expect(meanNorm).toBeGreaterThan(0)
    expect(meanNorm).toBeLessThan(0.55)
    await index.close()
  })

  test('say what they are made with, in the collection’s spec, from when they are', async () => {
    const options = { dim: 16, fde: { preset: 'small', partitioning: 'hyperplanes' } } as const
    const store = await EmbeddedStore.open(folder, options)
    expect(store.spec.fde).toEqual({ options: options.fde, config: null })
    const documents = numbers(0, 200).map((n) => {
      return { id: `d${n}`, text: undefined, metadata: '{}', hash: '00', embeddings: embeddingsOf(n) }
    })
    await store.upsert(documents, { dim: 16, model: null })
    await store.prepare()
    expect(store.spec.fde!.config).toMatchObject({ dim: 16, simHashBits: 4, prepare: 'none' })
    expect((await store.stats()).firstStages.fde).toMatchObject({ documents: 200, facts: { preset: 'small' } })
    await store.close()
  })

  test('made with other arithmetic are made again, and it says so', async () => {
    const index = await open()
    await index.put(numbers(0, 300))
    await index.upkeep()
    const before = await index.answers('fde', [1, 2])
    const derived = index.derived('fde')!
    const learned = index.files.newFile('fde-learned')
    const text = Buffer.from(index.files.readDerived('fde', 'learned')).toString()
    const fingerprint = /"fingerprint":"([^"]+)"/.exec(text)![1]!
    learned.append(Buffer.from(text.replace(fingerprint, 'of another machine')))
    await index.files.commitDerived('fde', { ...derived, files: { ...derived.files, learned: learned.extent } })
    learned.close()
    index.files.close()
    const again = await open()
    expect(await again.search('fde', queryOf(1), 5)).toBeUndefined()
    expect(again.warnings).toMatchObject([
      {
        code: 'INDEX_REPAIRED',
        message: expect.stringMatching(/different arithmetic \(of another machine\).*made again from the vectors/),
      },
    ])
    await again.upkeep()
    expect(await again.answers('fde', [1, 2])).toEqual(before)
    await again.close()
  })

  test('are not to be had in an index that was made without', async () => {
    const index = await open({ fde: null, preferred: 'auto' })
    await index.put(numbers(0, 300))
    await index.upkeep()
    for (const name of ['fde', 'hnsw']) {
      expect([index.stage(name).isKept, index.stage(name).rows]).toEqual([false, 0])
      expect(index.stage(name).refusal!('muvera')).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/made without FDEs and cannot be searched by "muvera".*fde: 'compact'/),
      })
    }
    expect(index.files.manifest.derived).toEqual({})
    await index.close()
  })

  test('of documents without tokens score lowest and break nothing', async () => {
    const store = await EmbeddedStore.open(undefined, { dim: 16, fde: { partitioning: 'hyperplanes', ...small } })
    const none = { data: new Float32Array(0), length: 0, dim: 16 }
    const documents = numbers(0, 300).map((n) => {
      return { id: `d${n}`, text: undefined, metadata: '{}', hash: '00', embeddings: n % 10 ? embeddingsOf(n) : none }
    })
    await store.upsert(documents, { dim: 16, model: null })
    await store.prepare()
    const { ids, firstStage } = await store.candidates({ embeddings: queryOf(11), count: 400, firstStage: 'fde' })
    expect([firstStage, ids.length, ids.includes('d10')]).toEqual(['fde', 270, false])
    await store.close()
  })
})
