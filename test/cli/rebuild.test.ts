// A rebuild that is killed at its worst moment: the index is the new one, its record not yet.
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MultiVectorIndex } from '@serotine/core'
import { replaceIndex } from '@serotine/core/store'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readRecord, settleRecord, writePending, writeRecord } from '../../packages/cli/src/index-record.js'
import type { IndexRecord } from '../../packages/cli/src/index-record.js'
import { Rebuild, removeLeftovers } from '../../packages/cli/src/rebuild.js'

let folder: string
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'serotine-rebuild-')), 'index')
})
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }))

const record = (model: string): IndexRecord => ({ version: 1, model, options: {}, root: '..', passages: {} })
const embeddings = { data: new Float32Array([1, 0]), length: 1, dim: 2 }

async function build(path: string, id: string): Promise<void> {
  const index = await MultiVectorIndex.open(path)
  await index.upsert([{ id, embeddings }])
  await index.close()
}
async function ids(): Promise<string[]> {
  const index = await MultiVectorIndex.open(folder, { readonly: true })
  await index.close()
  const again = await MultiVectorIndex.open(folder, { readonly: true })
  const found = await again.ids()
  await again.close()
  return found
}

describe('the record of an index', () => {
  beforeEach(async () => {
    await build(folder, 'old')
    await writeRecord(folder, record('old'))
    await build(join(folder, 'rebuild'), 'new')
  })

  it('goes with the index that is there, wherever a rebuild is killed', async () => {
    const pending = join(folder, 'serotine.json.next')
    await expect(
      replaceIndex(folder, join(folder, 'rebuild'), {
        beforeSwitch: async (generation) => {
          await writePending(folder, { generation, record: record('new') })
          throw new Error('killed')
        },
      }),
    ).rejects.toThrow('killed')
    expect([await ids(), (await readRecord(folder))!.model]).toEqual([['old'], 'old'])
    await settleRecord(folder)
    expect([existsSync(pending), (await readRecord(folder))!.model]).toEqual([false, 'old'])

    await rm(join(folder, 'rebuild'), { recursive: true })
    await build(join(folder, 'rebuild'), 'new')
    await replaceIndex(folder, join(folder, 'rebuild'), {
      beforeSwitch: (generation) => writePending(folder, { generation, record: record('new') }),
    })
    expect([await ids(), (await readRecord(folder))!.model]).toEqual([['new'], 'new'])
    await settleRecord(folder)
    expect([existsSync(pending), (await readRecord(folder))!.model]).toEqual([false, 'new'])
  })

  it('is not taken from a file that was not finished', async () => {
    await writeFile(join(folder, 'serotine.json.next'), '{"generation": 1, "rec')
    expect((await readRecord(folder))!.model).toBe('old')
  })
})

describe('Rebuild', () => {
  it('holds the index for itself, takes away what one before left, and puts the new one in place', async () => {
    await build(folder, 'old')
    await build(join(folder, 'rebuild'), 'left over')
    const rebuild = await Rebuild.begin(folder)
    expect(rebuild.passages).toBe(1)
    expect(existsSync(rebuild.folder)).toBe(false)
    await expect(Rebuild.begin(folder)).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    await build(rebuild.folder, 'new')
    expect(await ids()).toEqual(['old'])
    await rebuild.finish(record('new'))
    await rebuild.abandon()
    expect([await ids(), (await readRecord(folder))!.model]).toEqual([['new'], 'new'])
  })

  it('takes the place of a damaged index, and waits for one that is being written', async () => {
    await build(folder, 'old')
    await writeFile(join(folder, 'manifest.json'), 'damaged')
    const rebuild = await Rebuild.begin(folder)
    const writer = await MultiVectorIndex.open(rebuild.folder)
    await expect(removeLeftovers(folder)).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    await writer.upsert([{ id: 'new', embeddings }])
    await writer.close()
    await rebuild.finish(record('new'))
    expect(await ids()).toEqual(['new'])
  })
})
