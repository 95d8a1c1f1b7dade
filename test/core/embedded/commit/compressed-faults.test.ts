// A disk that fails, or a process that is killed, at any call while vectors are compressed: all of them are there, or all of their codes.
import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { breakFiles, repair } from '../../../support/file-faults.js'
import { embeddingsOf, faultsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

vi.mock('node:fs', async (original) =>
  (await import('../../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

let root: string
let template: string
beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'serotine-compressed-faults-')))
  template = join(root, 'template')
  const index = await open(template)
  await index.put(numbers(0, 60))
  await index.stage('centroids').upkeep(work(index))
  await index.stage('centroids').measure!(work(index))
  await index.delete([3, 59])
  await index.close()
})
afterEach(() => {
  repair()
  rmSync(root, { recursive: true, force: true })
})

const open = (folder: string, readonly = false) =>
  StagedIndex.open({ folder, readonly, codec: 'residual', compressTokens: 200, fde: null })
const work = (index: StagedIndex) => ({
  signal: undefined,
  onDocument: () => {},
  inTurn: <T>(change: () => Promise<T>) => index.inTurn(change),
})
const compress = async (index: StagedIndex) => {
  const compression = await index.stage('centroids').compression!(0)
  expect(compression).toBeDefined()
  await index.inTurn(() => index.files.compact({ compression: async () => compression }))
}
const expectWhole = async (index: StagedIndex, compressed: 0 | 58) => {
  const { collection } = index.files
  expect([collection.size, collection.compressed]).toEqual([58, compressed])
  for (const ordinal of collection.ordinals()) collection.readRecord(ordinal)
  for (const n of [0, 58]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
}

for (const call of ['openSync', 'readSync', 'writeSync', 'fsyncSync', 'renameSync'] as const) {
  for (const isKilled of [false, true]) {
    test(`${call} fails at any time${isKilled ? ', and all after it' : ''}`, async () => {
      let failures = 0
      // The first calls one by one, then fewer and fewer: a document is written like the one before.
      for (let after = 0; ; after += 1 + (after >> 3)) {
        const folder = join(root, `index-${after}`)
        cpSync(template, folder, { recursive: true })
        const index = await open(folder)
        breakFiles({ call, path: /index-\d+/, code: 'EIO', after, ...(!isKilled && { times: 1 }) })
        const failed = await compress(index).then(
          () => undefined,
          (error: { code: string }) => error,
        )
        repair()
        // What the disk says is what the manifest there says, whatever this process believes.
        const copy = join(root, `copy-${after}`)
        cpSync(folder, copy, { recursive: true })
        rmSync(join(copy, 'lock'), { force: true, recursive: true })
        const isThere = !failed || failed.code === 'INDEX_NOT_DURABLE'
        const found = await open(copy)
        await expectWhole(found, isThere ? 58 : 0)
        expect(faultsOf(found).filter((fault) => !fault.startsWith('manifest.json.tmp'))).toEqual([])
        await found.close()
        if (failed && !isKilled) {
          await expectWhole(index, isThere ? 58 : 0)
          if (!isThere) await compress(index)
          await expectWhole(index, 58)
        }
        await index.close().catch(() => {})
        rmSync(copy, { recursive: true })
        rmSync(folder, { recursive: true })
        if (!failed) break
        failures++
      }
      expect(failures).toBeGreaterThan(0)
    })
  }
}
