import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { FileLog } from '../../../packages/core/src/embedded/files/byte-log.js'
import { lockFolder } from '../../../packages/core/src/embedded/files/lock.js'
import { thisOwner } from '../../../packages/core/src/embedded/files/lock-owner.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { childProgram } from '../../support/child-program.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const next = random(9)
const documents = Array.from({ length: 200 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 15),
  metadata: { n: i },
}))

let root: string
let folder: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'serotine-durability-'))
  folder = join(root, 'index')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const open = (options: OpenOptions = {}) =>
  MultiVectorIndex.open(folder, { model, fde: { partitioning: 'hyperplanes' }, ...options })
const error = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) as string })
const state = () =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]))

async function filled(): Promise<void> {
  await using index = await open()
  await index.upsert(documents)
  await index.delete(['d3'])
  await index.prepare()
}

describe('an index that is opened again', () => {
  test('answers as before, with and without the model', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.delete(['d3'])
    await index.prepare()
    const query = model.embed(documents[5]!.text)
    const before = await Promise.all(
      (['exact', 'fde'] as const).map((stage) => index.search(query, { firstStage: stage })),
    )
    const stats = await index.stats()
    await index.close()
    expect(existsSync(join(folder, 'lock'))).toBe(false)
    for (const options of [{ model }, {}]) {
      await using again = await MultiVectorIndex.open(folder, options)
      expect(
        await Promise.all((['exact', 'fde'] as const).map((stage) => again.search(query, { firstStage: stage }))),
      ).toEqual(before)
      expect(await again.stats()).toEqual(stats)
      expect(await again.has('d3')).toBe(false)
    }
  })

  test('a relative folder stays the same one wherever the process goes', async () => {
    const home = process.cwd()
    for (const name of ['a', 'b']) mkdirSync(join(root, name))
    try {
      process.chdir(join(root, 'a'))
      await using first = await MultiVectorIndex.open('index', { model })
      await first.upsert(documents.slice(0, 3))
      process.chdir(join(root, 'b'))
      await using second = await MultiVectorIndex.open('index', { model })
      await second.upsert(documents.slice(3, 5))
      await first.upsert(documents.slice(5, 9))
      await first.compact()
      await using reader = await MultiVectorIndex.open('index', { readonly: true })
      expect(await reader.ids()).toEqual(['d3', 'd4'])
      await using other = await MultiVectorIndex.open('../a/index', { readonly: true })
      expect(await other.count()).toBe(7)
    } finally {
      process.chdir(home)
    }
  })

  test('a reader keeps its snapshot while the writer adds, deletes and compacts', async () => {
    await using writer = await open()
    await writer.upsert(documents.slice(0, 150))
    await using reader = await open({ readonly: true })
    const before = await reader.search('kiwi river', { k: 200, firstStage: 'exact' })
    await writer.upsert(documents.map((document) => ({ ...document, text: `${document.text} kiwi` })))
    await writer.delete({ where: { n: { lt: 100 } } })
    await writer.compact()
    expect(await reader.search('kiwi river', { k: 200, firstStage: 'exact' })).toEqual(before)
    expect((await reader.searchDetailed('kiwi river', { firstStage: 'fde' })).hits[0]!.id).toBe(before[0]!.id)
    expect(await reader.count()).toBe(150)
    await using later = await open({ readonly: true })
    expect(await later.count()).toBe(100)
  })

  test('a reader changes nothing and says so', async () => {
    await filled()
    const before = state()
    await using reader = await open({ readonly: true })
    for (const change of [reader.upsert(documents), reader.insert(documents), reader.delete('d1'), reader.compact()]) {
      await expect(change).rejects.toMatchObject(error('INDEX_READONLY', /opened with \{ readonly: true \}/))
    }
    await reader.search('kiwi')
    expect(state()).toEqual(before)
  })

  test('partitions learned from the collection are kept, and the FDEs are the same afterwards', async () => {
    const next = random(3)
    const many = Array.from({ length: 900 }, (_, i) => ({ id: `m${i}`, text: randomText(next, 12) }))
    const index = await open({ fde: 'small' })
    await index.upsert(many.slice(0, 100))
    await index.prepare()
    expect((await index.stats()).firstStages.fde).toMatchObject({ documents: 0, facts: { length: null } })
    expect(await index.searchDetailed(many[5]!.text, { firstStage: 'fde', k: 3 })).toMatchObject({
      firstStage: 'exact',
    })
    await index.upsert(many)
    await index.prepare()
    expect((await index.stats()).firstStages.fde).toMatchObject({
      documents: 900,
      facts: { partitioning: 'centroids', length: 1280 },
    })
    const before = await index.searchDetailed(many[5]!.text, { firstStage: 'fde', k: 30, rerank: false })
    expect(before).toMatchObject({ firstStage: 'fde' })
    await index.close()
    // An undefined option is one that was not given.
    await (await open({ fde: { preset: 'small', partitioning: undefined as never } })).close()
    await using again = await open({ fde: 'small' })
    const after = await again.searchDetailed(many[5]!.text, { firstStage: 'fde', k: 30, rerank: false })
    expect(after.hits).toEqual(before.hits)
    await again.upsert([{ id: 'late', text: many[5]!.text }])
    const hits = await again.search(many[5]!.text, { firstStage: 'fde', k: 30, rerank: false })
    const scores = new Map(hits.map(({ id, score }) => [id, score]))
    expect(scores.get('late')).toBe(scores.get('m5'))
    await expect(open({ fde: { preset: 'small', partitioning: 'hyperplanes' } })).rejects.toMatchObject(
      error('INDEX_LOCKED', /./),
    )
    await again.close()
    await expect(open({ fde: { preset: 'small', partitioning: 'hyperplanes' } })).rejects.toMatchObject(
      error('INDEX_MISMATCH', /partitioning centroids, not hyperplanes/),
    )
  })

  test('another model, dimension, codec or FDE is refused, naming both', async () => {
    await filled()
    const before = state()
    await expect(open({ model: new FakeEncoder({ fingerprint: 'fake-2' }) })).rejects.toMatchObject(
      error('INDEX_MISMATCH', /built with fake fake-1 .*not fake fake-2/),
    )
    await expect(open({ model: new FakeEncoder({ dim: 8 }) })).rejects.toMatchObject(
      error('INDEX_MISMATCH', /dimension 16.*fake-1 makes 8/),
    )
    await expect(MultiVectorIndex.open(folder, { dim: 48 })).rejects.toMatchObject(
      error('INDEX_MISMATCH', /dimension 16, dim says 48/),
    )
    await expect(open({ codec: 'f32' })).rejects.toMatchObject(error('INDEX_MISMATCH', /as int8, not f32/))
    await expect(open({ fde: 'quality' })).rejects.toMatchObject(error('INDEX_MISMATCH', /simHashBits \d+, not \d+/))
    await expect(open({ fde: { seed: 7 } })).rejects.toMatchObject(error('INDEX_MISMATCH', /seed 42, not 7/))
    await expect(open({ fde: { prepare: 'none' } })).rejects.toMatchObject(
      error('INDEX_MISMATCH', /prepare auto, not none/),
    )
    await expect(open({ fde: false })).rejects.toMatchObject(error('INDEX_MISMATCH', /made with FDEs, not without/))
    expect(state()).toEqual(before)
    await (await open({ codec: 'int8', fde: { preset: 'compact', partitioning: 'hyperplanes' } })).close()
  })

  test('embeddings put in first, a model for the queries later', async () => {
    const first = await MultiVectorIndex.open(folder, { fde: { partitioning: 'hyperplanes' } })
    await first.upsert(documents.map(({ id, text }) => ({ id, embeddings: model.embed(text) })))
    await first.close()
    const second = await open()
    expect((await second.search(documents[4]!.text))[0]!.id).toBe('d4')
    expect((await second.stats()).model).toBeNull()
    await second.upsert([{ id: 'text', text: 'kiwi' }])
    await second.close()
    await expect(open({ model: new FakeEncoder({ fingerprint: 'other' }) })).rejects.toMatchObject(
      error('INDEX_MISMATCH', /fake-1/),
    )
  })
})

describe('folders that are not an index', () => {
  test('are refused and left as they are', async () => {
    mkdirSync(folder)
    writeFileSync(join(folder, 'thesis.docx'), 'ten years of work')
    await expect(open()).rejects.toMatchObject(
      error('INDEX_FORMAT', /not a Serotine index: it holds "thesis.docx" but no manifest.json/),
    )
    writeFileSync(join(folder, 'manifest.json'), '{"name": "My web app"}')
    await expect(open()).rejects.toMatchObject(error('INDEX_FORMAT', /does not say "format": "serotine-index"/))
    expect(readdirSync(folder).sort()).toEqual(['manifest.json', 'thesis.docx'])
    const file = join(root, 'file')
    writeFileSync(file, '')
    await expect(MultiVectorIndex.open(file)).rejects.toMatchObject(error('INDEX_FORMAT', /it is a file/))
  })

  test('an empty folder, or one a first commit was interrupted in, becomes an index', async () => {
    mkdirSync(folder)
    await (await open()).close()
    unlinkSync(join(folder, 'manifest.json'))
    writeFileSync(join(folder, 'manifest.json.tmp'), '{')
    await filled()
    unlinkSync(join(folder, 'manifest.json'))
    await expect(open()).rejects.toMatchObject(error('INDEX_FORMAT', /it holds "00000\d\.[a-z-]+"/))
    expect(readdirSync(folder)).toContain('000002.tokens')
  })
})

describe('damage', () => {
  /** Changes one byte in the middle. */
  function flip(name: string, at = statSync(join(folder, name)).size >> 1): string {
    const path = join(folder, name)
    const bytes = readFileSync(path)
    bytes[at]! ^= 0x10
    writeFileSync(path, bytes)
    return path
  }
  const file = (kind: string) => readdirSync(folder).find((name) => name.endsWith(kind))!

  test('of the manifest is noticed when the index is opened', async () => {
    await filled()
    const path = join(folder, 'manifest.json')
    const good = readFileSync(path, 'utf8')
    writeFileSync(path, good.replace(/"generation":\d/, '"generation":9'))
    await expect(open()).rejects.toMatchObject(error('INDEX_CORRUPT', /manifest\.json fails its checksum/))
    writeFileSync(path, good.slice(0, 100))
    await expect(open({ readonly: true })).rejects.toMatchObject(error('INDEX_CORRUPT', /manifest\.json is not JSON/))
    writeFileSync(path, good.replace('"version":2', '"version":4'))
    await expect(open()).rejects.toMatchObject(error('INDEX_VERSION', /format 4; this build reads up to 3\. Upgrade/))
    writeFileSync(path, good)
    await (await open()).close()
  })

  test('of a table is noticed when the index is opened', async () => {
    await filled()
    flip(file('table'))
    await expect(open()).rejects.toMatchObject(
      error('INDEX_CORRUPT', /000002\.table: the checksum of the document table is wrong/),
    )
    flip(file('table'))
    flip(file('deleted'))
    await expect(open()).rejects.toMatchObject(
      error('INDEX_CORRUPT', /000001\.deleted: the checksum of the list of deleted documents is wrong/),
    )
    flip(file('deleted'))
    await (await open()).close()
  })

  test('of vectors, texts and FDEs is noticed when they are read, and the rest can still be', async () => {
    await filled()
    flip(file('tokens'), 10)
    flip(file('texts'), 3)
    const fdes = flip(file('fde-codes'))
    const warnings: Warning[] = []
    await using index = await open({ onWarning: (warning) => warnings.push(warning) })
    await expect(index.embeddings('d0')).rejects.toMatchObject(
      error('INDEX_CORRUPT', /000002\.tokens: the checksum of the token vectors of document "d0" is wrong/),
    )
    await expect(index.get('d0')).rejects.toMatchObject(
      error('INDEX_CORRUPT', /000002\.texts: the checksum of the text of document "d0"/),
    )
    // FDEs can be done without.
    const scored = await index.searchDetailed('kiwi', { firstStage: 'fde', where: { n: { gt: 150 } } })
    expect(scored.firstStage).toBe('exact')
    expect(warnings).toEqual([{ code: 'INDEX_REPAIRED', message: expect.stringContaining(fdes) as string }])
    expect((await index.get('d1'))!.text).toBe(documents[1]!.text)
    expect(await index.search('kiwi', { where: { n: { gt: 150 } } })).toHaveLength(10)
  })

  test('a short or missing file is named', async () => {
    await filled()
    for (const kind of ['tokens', 'texts', 'table', 'deleted']) {
      const copy = join(root, `copy-${kind}`)
      cpSync(folder, copy, { recursive: true })
      const name = file(kind)
      truncateSync(join(copy, name), 3)
      await expect(MultiVectorIndex.open(copy, { model })).rejects.toMatchObject(
        error('INDEX_CORRUPT', new RegExp(`${name} ends after 3 bytes where \\d+ are committed`)),
      )
      unlinkSync(join(copy, name))
      await expect(MultiVectorIndex.open(copy, { model })).rejects.toMatchObject(
        error('INDEX_CORRUPT', new RegExp(`${name} is missing`)),
      )
      expect(existsSync(join(copy, 'lock'))).toBe(false)
    }
  })

  test('what an interrupted commit left behind is cut off by the next writer, and ignored by readers', async () => {
    await filled()
    const before = state()
    for (const kind of ['tokens', 'texts', 'table', 'fde-codes', 'deleted'])
      appendFileSync(join(folder, file(kind)), 'half a batch')
    writeFileSync(join(folder, '000099.tokens'), 'of a compaction that was interrupted')
    writeFileSync(join(folder, 'manifest.json.tmp'), 'half')
    await using reader = await open({ readonly: true })
    expect((await reader.search(documents[7]!.text))[0]!.id).toBe('d7')
    expect(statSync(join(folder, file('texts'))).size).toBeGreaterThan(before[file('texts')]!.length)
    const writer = await open()
    expect(await writer.upsert(documents.slice(0, 3))).toMatchObject({ unchanged: 3 })
    expect(existsSync(join(folder, '000099.tokens'))).toBe(false)
    await writer.upsert([{ id: 'new', text: 'a new one' }])
    await writer.close()
    await using again = await open()
    expect((await again.search('a new one'))[0]!.id).toBe('new')
    expect(await again.count()).toBe(200)
  })
})

describe('a failed commit', () => {
  test('leaves the state before it, on disk and in memory', async () => {
    await using index = await open()
    await index.upsert(documents.slice(0, 150))
    const before = await index.search('kiwi river', { k: 200 })
    // The temporary manifest cannot be written where a folder of that name stands.
    mkdirSync(join(folder, 'manifest.json.tmp'))
    await expect(index.upsert(documents)).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(index.delete(['d1'])).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(index.compact()).resolves.toBeUndefined()
    expect(await index.count()).toBe(150)
    expect(await index.search('kiwi river', { k: 200 })).toEqual(before)
    rmSync(join(folder, 'manifest.json.tmp'), { recursive: true })
    expect(await index.upsert(documents)).toEqual({ added: 50, updated: 0, unchanged: 150 })
    await index.delete(['d1'])
    mkdirSync(join(folder, 'manifest.json.tmp'))
    await expect(index.compact()).rejects.toMatchObject({ code: 'EISDIR' })
    rmSync(join(folder, 'manifest.json.tmp'), { recursive: true })
    expect(await index.count()).toBe(199)
    await index.compact()
    await index.close()
    await using again = await open()
    expect(await again.count()).toBe(199)
    expect((await again.search(documents[160]!.text, { firstStage: 'fde' }))[0]!.id).toBe('d160')
  })
})

describe('the lock', () => {
  test('is released though a file cannot be closed', async () => {
    const index = await open()
    await index.upsert(documents.slice(0, 1))
    vi.spyOn(FileLog.prototype, 'close').mockImplementationOnce(() => {
      throw new Error('EIO: i/o error, close')
    })
    await expect(index.close()).rejects.toThrow('EIO')
    vi.restoreAllMocks()
    await (await open()).close()
  })

  test('lets one index of this process write', async () => {
    await using first = await open()
    await expect(open()).rejects.toMatchObject(
      error('INDEX_LOCKED', new RegExp(`being written by this process \\(${process.pid}\\)`)),
    )
    await using reader = await open({ readonly: true })
    expect(await reader.count()).toBe(0)
    await first.close()
    await (await open()).close()
  })

  test('is also respected through another name of the folder', async () => {
    await using _writer = await open()
    symlinkSync(folder, join(root, 'alias'))
    await expect(MultiVectorIndex.open(join(root, 'alias'), { model })).rejects.toMatchObject(
      error('INDEX_LOCKED', new RegExp(`process.*${process.pid}`)),
    )
  })

  const write = (content: unknown) =>
    writeFileSync(join(folder, 'lock'), typeof content === 'string' ? content : JSON.stringify(content))

  test.each([
    ['a process that is gone', { ...thisOwner(), pid: 2 ** 22 + 1 }],
    ['an earlier process with our own pid, as after a restart in a container', { ...thisOwner(), started: 5 }],
    ['nobody: it is empty', ''],
  ])('left behind by %s is taken over', async (_name, content) => {
    await filled()
    write(content)
    await using index = await open()
    expect(await index.count()).toBe(199)
    expect(readdirSync(folder).filter((name) => name.startsWith('lock'))).toEqual(['lock'])
  })

  test('of another machine is believed', async () => {
    await filled()
    write({ pid: 1, host: 'elsewhere', started: 5 })
    await expect(open()).rejects.toMatchObject(error('INDEX_LOCKED', /process 1 on elsewhere.*delete .*lock/))
  })

  test('released twice harms nobody', async () => {
    mkdirSync(folder)
    const lock = await lockFolder(folder)
    lock.release()
    const other = await lockFolder(folder)
    lock.release()
    expect(existsSync(join(folder, 'lock'))).toBe(true)
    other.release()
    expect(existsSync(join(folder, 'lock'))).toBe(false)
  })
})

describe('another process', () => {
  let program: Awaited<ReturnType<typeof childProgram>>
  const children: ChildProcess[] = []
  beforeAll(async () => {
    program = await childProgram(new URL('child-writer.ts', import.meta.url))
  })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })
  afterAll(() => program.remove())

  async function start(...args: string[]): Promise<ChildProcess> {
    const child = fork(program.path, [folder, ...args], { execArgv: [] })
    children.push(child)
    expect((await once(child, 'message'))[0]).toBe('open')
    return child
  }

  test('that writes is named; once it is gone its lock is taken over', async () => {
    const child = await start('hold')
    await expect(open()).rejects.toMatchObject(
      error('INDEX_LOCKED', new RegExp(`process ${child.pid}\\. Wait, or open it with \\{ readonly: true \\}`)),
    )
    await (await open({ readonly: true })).close()
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await open()).close()
  })

  test.each([0, 3, 9, 20, 45])('killed while it writes (%i) leaves the last committed batch', async (batches) => {
    const child = await start()
    let committed = -1
    await new Promise<void>((resolve) => {
      child.on('message', (batch: number) => {
        committed = batch
        if (batch === batches) setTimeout(() => (child.kill('SIGKILL'), resolve()), batches % 5)
      })
    })
    await once(child, 'exit')
    await using index = await open()
    const found = (await index.get(await index.ids())).map((document) => document!)
    const batchOf = found.map(({ metadata }) => metadata.batch as number)
    // The batch after the last reported one may have been committed too, as a whole.
    const last = Math.max(...batchOf)
    expect(last).toBeGreaterThanOrEqual(committed)
    expect(last).toBeLessThanOrEqual(committed + 12)
    for (const batch of new Set(batchOf)) expect([19, 20]).toContain(batchOf.filter((each) => each === batch).length)
    for (const { id, text, metadata } of found) {
      expect(text).toMatch(new RegExp(`^batch${metadata.batch as number} `))
      expect(await index.embeddings(id)).toMatchObject({ length: 33 })
    }
    const [hit] = await index.search(found.at(-1)!.text!, { k: 1, firstStage: 'fde' })
    expect(hit!.id).toBe(found.at(-1)!.id)
    await index.upsert([{ id: 'after', text: 'life goes on' }])
    expect((await index.search('life goes on'))[0]!.id).toBe('after')
  })
})
