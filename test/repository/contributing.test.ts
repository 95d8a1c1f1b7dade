// What CONTRIBUTING.md says about adding a first stage, done to a copy of the sources: one folder and one line.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type * as Core from '../../packages/core/src/index.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Beside the sources, so that their packages are found. */
const copy = join(root, 'packages/core', `.contributing-${process.pid}`)
const stages = join(copy, 'embedded/stages')

beforeAll(() => {
  cpSync(join(root, 'packages/core/src'), copy, { recursive: true })
  mkdirSync(join(stages, 'newest'))
  cpSync(join(root, 'test/fixtures/contributing/newest-stage.ts.txt'), join(stages, 'newest/newest-stage.ts'))
  const registry = join(stages, 'registry.ts')
  const before = readFileSync(registry, 'utf8')
  const after = before
    .replace(/\n\n/, "\nimport { newestStage } from './newest/newest-stage.js'\n\n")
    .replace('  centroids: centroidStage,\n', '  centroids: centroidStage,\n  newest: newestStage,\n')
  if (after.split('\n').length !== before.split('\n').length + 2)
    throw new Error('two lines are to be added to registry.ts')
  writeFileSync(registry, after)
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('a first stage added as CONTRIBUTING.md says', () => {
  it('is kept, searched, compacted, opened again and counted like the others', async () => {
    const { MultiVectorIndex } = (await import(pathToFileURL(join(copy, 'index.ts')).href)) as typeof Core
    const folder = mkdtempSync(join(tmpdir(), 'serotine-contributing-'))
    const vector = (n: number) => ({ data: Float32Array.of(Math.cos(n), Math.sin(n)), length: 1, dim: 2 })
    const document = (n: number) => ({ id: `d${n}`, embeddings: vector(n) })
    const search = { firstStage: 'newest', candidates: 3, k: 3 }
    try {
      const index = await MultiVectorIndex.open(folder)
      await index.upsert(Array.from({ length: 20 }, (_, n) => document(n)))
      await expect(index.search(vector(0), search)).rejects.toThrow(/prepare\(\{ firstStage: "newest" \}\)/)
      await index.prepare({ firstStage: 'newest' })
      await index.upsert([document(20)])
      await index.delete(['d19'])
      await index.compact()
      await index.close()
      await using again = await MultiVectorIndex.open(folder, { readonly: true })
      const found = await again.searchDetailed(vector(0), search)
      expect(found.firstStage).toBe('newest')
      expect(found.hits.map(({ id }) => id).sort()).toEqual(['d17', 'd18', 'd20'])
      const stats = await again.stats()
      expect(stats.firstStages.newest).toMatchObject({ documents: 20, bytes: 20 })
      await using other = await MultiVectorIndex.open(undefined, { firstStage: 'newest' })
      await other.upsert(Array.from({ length: 20 }, (_, n) => document(n)))
      await other.prepare()
      expect((await other.stats()).firstStage).toBe('newest')
      await expect(MultiVectorIndex.open(undefined, { firstStage: 'oldest' })).rejects.toThrow(
        /one of .*newest.*"oldest"/,
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
