import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { replaceIndex } from '../../../packages/core/src/embedded/commit/replace.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

let root: string
let folder: string
let rebuilt: string
const model = new FakeEncoder()
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'serotine-replace-'))
  folder = join(root, 'birds')
  rebuilt = join(folder, 'rebuild')
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function build(path: string, ids: readonly string[], options: OpenOptions = {}): Promise<void> {
  const next = random(ids.length)
  const index = await MultiVectorIndex.open(path, { model, ...options })
  await index.upsert(
    ids.map((id) => ({ id, text: `${id} ${randomText(next, 12)}` })),
    { batchSize: 50 },
  )
  await index.close()
}
const names = (kind: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${kind}${i}`)
async function ids(path = folder): Promise<string[]> {
  const index = await MultiVectorIndex.open(path, { readonly: true })
  const found = await index.ids()
  // Every record and text passes its checksum.
  for (const id of found) expect([(await index.get(id))!.text, (await index.embeddings(id))!.dim]).toBeTruthy()
  await index.close()
  return found
}

describe('replaceIndex', () => {
  test.each<[string, OpenOptions, OpenOptions]>([
    ['plain', {}, {}],
    ['another model and codec', { codec: 'f32' }, { model: new FakeEncoder({ dim: 8, fingerprint: 'fake-2' }) }],
    ['centroids over FDEs', { firstStage: 'fde' }, { firstStage: 'centroids' }],
    ['FDEs over centroids', { firstStage: 'centroids' }, { firstStage: 'fde' }],
  ])('the new index is there as it was built, and can be changed: %s', async (_, before, after) => {
    await build(folder, names('old', 300), before)
    await build(rebuilt, names('new', 200), after)
    const asked = { where: { none: { exists: false } }, k: 5 }
    const reference = await MultiVectorIndex.open(rebuilt, { model, ...after })
    const wanted = await reference.search('kiwi bird', asked)
    await reference.close()
    await replaceIndex(folder, rebuilt)
    expect(await ids()).toEqual(names('new', 200))
    expect(existsSync(rebuilt)).toBe(false)
    const index = await MultiVectorIndex.open(folder, { model, ...after })
    expect(await index.search('kiwi bird', asked)).toEqual(wanted)
    await index.upsert([{ id: 'later', text: 'kiwi bird' }])
    await index.delete('new0')
    await index.compact()
    await index.close()
    expect(await ids()).toEqual([...names('new', 200).slice(1), 'later'])
    // Nothing of the old index is left.
    const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as { segments: unknown[] }
    const segments = (await readdir(folder)).filter((name) => name.endsWith('.tokens'))
    expect(segments).toHaveLength(manifest.segments.length)
  })

  test('a reader that has the old one open goes on, one that opens the folder gets the new one', async () => {
    await build(folder, names('old', 300), { firstStage: 'centroids' })
    const reader = await MultiVectorIndex.open(folder, { model, readonly: true, firstStage: 'centroids' })
    await build(rebuilt, names('new', 100))
    await replaceIndex(folder, rebuilt)
    expect(await reader.ids()).toEqual(names('old', 300))
    expect((await reader.search('old7', { k: 1 }))[0]!.id).toBe('old7')
    expect((await reader.get('old299'))!.text).toMatch(/^old299 /)
    await reader.close()
    expect(await ids()).toEqual(names('new', 100))
  })

  test('says the generation before it switches', async () => {
    await build(folder, names('old', 300))
    await build(rebuilt, names('new', 10))
    let said = 0
    await replaceIndex(folder, rebuilt, { beforeSwitch: (generation) => void (said = generation) })
    const index = await MultiVectorIndex.open(folder, { readonly: true })
    expect((await index.stats()).generation).toBe(said)
    await index.close()
    expect(said).toBeGreaterThan(6)
  })

  test('relative folders are those of the call, wherever the process goes before the switch', async () => {
    await build(folder, names('old', 6))
    await build(rebuilt, names('new', 4))
    const home = process.cwd()
    try {
      process.chdir(root)
      await replaceIndex('birds', 'birds/rebuild', { beforeSwitch: () => process.chdir(tmpdir()) })
    } finally {
      process.chdir(home)
    }
    expect(await ids()).toEqual(names('new', 4))
    expect(existsSync(rebuilt)).toBe(false)
  })

  test('takes the place of a damaged index and of none', async () => {
    await build(folder, names('old', 60))
    await writeFile(join(folder, 'manifest.json'), '{"generation": 12')
    await build(rebuilt, names('new', 40))
    await replaceIndex(folder, rebuilt)
    expect(await ids()).toEqual(names('new', 40))
    await build(join(root, 'other'), names('other', 3))
    await replaceIndex(join(root, 'fresh'), join(root, 'other'))
    expect(await ids(join(root, 'fresh'))).toEqual(names('other', 3))
  })

  test('refuses what is not an index, and indexes that are being written', async () => {
    await build(folder, names('old', 3))
    await expect(replaceIndex(folder, folder)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await mkdir(join(root, 'notes'))
    await writeFile(join(root, 'notes', 'a.txt'), 'mine')
    await expect(replaceIndex(folder, join(root, 'notes'))).rejects.toThrow(/manifest\.json|ENOENT/)
    await build(rebuilt, names('new', 3))
    await expect(replaceIndex(join(root, 'notes'), rebuilt)).rejects.toMatchObject({ code: 'INDEX_FORMAT' })
    const writer = await MultiVectorIndex.open(folder, { model })
    await expect(replaceIndex(folder, rebuilt)).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    await writer.close()
    const other = await MultiVectorIndex.open(rebuilt, { model })
    await expect(replaceIndex(folder, rebuilt)).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    await other.close()
    expect(await ids()).toEqual(names('old', 3))
    expect(await readdir(join(root, 'notes'))).toEqual(['a.txt'])
  })
})

test('fields() names what where can ask for', async () => {
  const index = await MultiVectorIndex.open(undefined, { model })
  expect(await index.fields()).toEqual([])
  await index.upsert([
    { id: 'a', text: 'a', metadata: { lang: 'en', author: { name: 'x', born: { year: 1 } } } },
    { id: 'b', text: 'b', metadata: { tags: ['t'], none: null } },
  ])
  expect(await index.fields()).toEqual([
    'author',
    'author.born',
    'author.born.year',
    'author.name',
    'lang',
    'none',
    'tags',
  ])
  await index.delete('a')
  expect(await index.fields()).toEqual(['none', 'tags'])
  await index.close()
})
