// What docs/durability.md promises, sentence by sentence: a small test of each. The large ones are beside this file.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { toString } from 'mdast-util-to-string'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { lockFolder } from '../../../packages/core/src/embedded/files/lock.js'
import { thisOwner } from '../../../packages/core/src/embedded/files/lock-owner.js'
import { fileName } from '../../../packages/core/src/embedded/format/file-names.js'
import { decodeRows } from '../../../packages/core/src/embedded/format/document-table.js'
import { readManifest } from '../../../packages/core/src/embedded/format/manifest-file.js'
import { Segment } from '../../../packages/core/src/embedded/format/segment.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { childProgram } from '../../support/child-program.js'
import { breakFiles, repair } from '../../support/file-faults.js'
import { readPage } from '../../docs/pages.js'
import { expectWhole } from './expect-whole.js'
import type { PlainDocument } from './plain-index.js'
import { mark, record, recordedEvents } from './recorded-files.js'
import { SimulatedDisk } from './simulated-disk.js'
import { documentOf } from './steps.js'
import { model, sessions, statesOf, optionsOf, work } from './workload.js'

vi.mock('node:fs', async (original) => {
  const { recorded } = await import('./recorded-files.js')
  const { faulty } = await import('../../support/file-faults.js')
  return faulty(recorded(await original<typeof import('node:fs')>()))
})

const root = mkdtempSync(join(tmpdir(), 'serotine-promises-'))
let folder: string
let warnings: string[]
let count = 0
const opened: MultiVectorIndex[] = []
const programs: Record<string, Awaited<ReturnType<typeof childProgram>>> = {}
beforeAll(async () => {
  programs.writer = await childProgram(new URL('kill-writer.ts', import.meta.url))
  programs.racer = await childProgram(new URL('../embedded/files/lock-racer.ts', import.meta.url))
})
beforeEach(() => {
  folder = join(root, `${count++}`, 'index')
  warnings = []
})
afterEach(async () => {
  repair()
  for (const index of opened.splice(0)) await index.close({ prepare: false }).catch(() => {})
})
afterAll(() => {
  for (const program of Object.values(programs)) program.remove()
  rmSync(root, { recursive: true, force: true })
})

const documents = (from: number, to: number): PlainDocument[] =>
  Array.from({ length: to - from }, (_, i) => documentOf({ kind: 'few', topic: 0, n: from + i, length: 8 }))
const ids = (all: readonly { readonly id: string }[]) => all.map(({ id }) => id).sort()

async function open(options: OpenOptions = {}): Promise<MultiVectorIndex> {
  const onWarning: OpenOptions['onWarning'] = ({ code, message }) => warnings.push(`${code} ${message}`)
  const index = await MultiVectorIndex.open(folder, { model, onWarning, ...options })
  opened.push(index)
  return index
}
async function filled(options: OpenOptions = {}): Promise<MultiVectorIndex> {
  const index = await open(options)
  await index.upsert(documents(0, 40))
  return index
}
const found = async (index: MultiVectorIndex) => ids(await index.search('kiwi owl', { k: 100 }))

/** Forgets that this process has the lock, as another one does not know of it. */
function elsewhere(): void {
  ;(globalThis as unknown as Record<symbol, Set<string>>)[Symbol.for('serotine.index.locks')]!.clear()
}

/** Changes a byte of the vectors of a document. */
function damage(id: string): void {
  for (const segment of readManifest(folder).segments) {
    const rows = decodeRows(readFileSync(join(folder, fileName(segment.id, 'table'))), 'table')
    const row = rows.findLast((each) => each.id === id)
    const path = join(folder, fileName(segment.id, 'tokens'))
    const bytes = readFileSync(path)
    if (row) bytes[row.tokenOffset + 2]! ^= 0x20
    writeFileSync(path, bytes)
  }
}

/** An index whose vectors are compressed, but for those of one document. */
async function compressed(): Promise<MultiVectorIndex> {
  const index = await open({ codec: 'residual', compressTokens: 300 } as OpenOptions)
  await index.upsert(Array.from({ length: 200 }, (_, n) => documentOf({ kind: 'many', topic: 0, n, length: 10 })))
  await index.prepare()
  expect((await index.stats()).firstStages.centroids!.facts.compressed).toBe(200)
  await index.upsert(documents(0, 1))
  return index
}

/** A process that changes an index and is killed before its call number `call`. */
async function killed(call: number): Promise<{ done: number; begun: number }> {
  mkdirSync(folder, { recursive: true })
  const notes = join(root, `notes-${count++}`)
  const child = fork(programs.writer!.path, [folder, 'residual codes', '24', '0', notes, `${call}`], { execArgv: [] })
  expect((await once(child, 'exit'))[1]).toBe('SIGKILL')
  const lines = readFileSync(notes, 'utf8').split('\n')
  const last = (word: string) => Number(lines.findLast((line) => line.startsWith(word))?.split(' ')[1] ?? -1)
  return { done: last('done'), begun: last('begun') }
}

const TESTS: Record<string, () => Promise<void>> = {
  'A process that is killed at any moment leaves everything acknowledged, and of the batch under way all or nothing.':
    async () => {
      const { done, begun } = await killed(250)
      expect(done).toBeGreaterThan(0)
      const allowed = statesOf(sessions(24)).slice(done, begun + 1)
      await expectWhole(folder, 'residual codes', { allowed, isMade: true, learns: true })
    },
  'The next process takes over the lock of one that was killed at once.': async () => {
    await killed(250)
    expect(existsSync(join(folder, 'lock'))).toBe(true)
    const started = performance.now()
    await lockFolder(folder).then((lock) => lock.release())
    expect(performance.now() - started).toBeLessThan(2000)
  },
  'A power cut leaves everything acknowledged, whatever becomes of what was not synced: files are synced before the manifest that names them, their names too, the manifest before it is renamed, and the folder after that.':
    async () => {
      const name = 'centroid codes'
      const place = join(root, `${count++}`)
      mkdirSync(place)
      record(place)
      const [all, done] = [sessions(24), new Set<number>()]
      await work(join(place, 'birds'), optionsOf(name), all, () => {}, mark)
      const disk = new SimulatedDisk(place)
      for (const event of recordedEvents()) {
        disk.apply(event)
        if (event.op !== 'mark') continue
        const state = event.mark as number
        done.add(state)
        // Nothing is left but what was synced.
        disk.cut(join(root, `cut-${state}`), { name: () => false, write: () => 'lost' })
        const copy = join(root, `cut-${state}`, 'birds')
        rmSync(join(copy, 'lock'), { force: true })
        await expectWhole(copy, name, { allowed: [statesOf(all)[state]!], isMade: true })
      }
      expect(done.size).toBe(statesOf(all).length)
    },
  'A change that the disk refuses is an error, and what was there before is searched on.': async () => {
    const index = await filled()
    breakFiles({ call: 'writeSync', path: /\.tokens$/, code: 'ENOSPC' })
    await expect(index.upsert(documents(40, 50))).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await found(index)).toEqual(ids(documents(0, 40)))
    repair()
    await index.upsert(documents(40, 50))
    expect(await found(index)).toEqual(ids(documents(0, 50)))
  },
  '`INDEX_NOT_DURABLE` means that the change was made, and that a power cut may undo it until the next change.':
    async () => {
      const index = await filled()
      breakFiles({ call: 'fsyncSync', path: /index$/, code: 'EIO' })
      await expect(index.delete('d3')).rejects.toMatchObject({ code: 'INDEX_NOT_DURABLE' })
      repair()
      expect(await index.count()).toBe(39)
    },
  '`INDEX_POISONED` means that it is not known whether the change was made: the index takes no more of them, and shows which it is when it is opened again.':
    async () => {
      const index = await filled()
      const path = /manifest\.json$/
      breakFiles({ call: 'renameSync', path, code: 'EIO', isDone: true }, { call: 'readFileSync', path, code: 'EIO' })
      await expect(index.delete('d3')).rejects.toMatchObject({ code: 'INDEX_POISONED' })
      repair()
      await expect(index.delete('d4')).rejects.toMatchObject({ code: 'INDEX_POISONED' })
      await index.close()
      expect(await (await open()).count()).toBe(39)
    },
  'Any other error means that the change was not made.': async () => {
    for (const call of ['writeSync', 'fdatasync', 'renameSync'] as const) {
      folder = join(root, `${count++}`, 'index')
      const index = await filled()
      breakFiles({ call, path: /index\//, code: 'EIO', times: 1 })
      await expect(index.upsert(documents(40, 50))).rejects.toMatchObject({ code: 'EIO' })
      repair()
      expect(await index.count()).toBe(40)
      await index.close()
      expect(await (await open()).count()).toBe(40)
    }
  },
  'A compaction that fails or is stopped keeps what its steps have freed, and the next one goes on from there.':
    async () => {
      const index = await open({ segmentBytes: 1500 } as OpenOptions)
      for (let from = 0; from < 100; from += 10) await index.upsert(documents(from, from + 10))
      const gone = documents(0, 50).filter((_, i) => i % 3 === 0)
      const left = ids(documents(0, 100)).filter((id) => !gone.some((each) => each.id === id))
      await index.delete(gone.map(({ id }) => id))
      const bytes = async () => (await index.stats()).bytes.tokens!
      const before = await bytes()
      const { segments } = readManifest(folder)
      breakFiles({ call: 'openSync', path: /\d{6}\.tokens$/, code: 'ENOSPC', after: 2, times: 1 })
      await expect(index.compact()).rejects.toMatchObject({ code: 'ENOSPC' })
      repair()
      const [between, kept] = [await bytes(), readManifest(folder).segments.map(({ id }) => id)]
      expect(between).toBeLessThan(before)
      expect(segments.filter(({ id }) => kept.includes(id)).length).toBeLessThan(segments.length)
      await index.compact()
      expect(await bytes()).toBeLessThan(between)
      expect([await found(index), await index.verify(), (await index.stats()).deleted]).toEqual([left, [], 0])
    },
  'While it goes on, a compaction takes room for one file of vectors more, or for lists, terms and codes once more.':
    async () => {
      const index = await open({ segmentBytes: 4000 } as OpenOptions)
      await index.upsert(documents(0, 400), { batchSize: 5 })
      await index.delete(['d7', 'd200'])
      const { segments, derived } = readManifest(folder)
      const of = () =>
        readdirSync(folder).reduce(
          (sum, name) => sum + statSync(join(folder, name)).size / statSync(join(folder, name)).nlink,
          0,
        )
      let most = 0
      const before = of()
      const original = Segment.prototype.sync
      vi.spyOn(Segment.prototype, 'sync').mockImplementation(async function (this: Segment) {
        most = Math.max(most, of())
        await original.call(this)
      })
      await index.compact()
      vi.restoreAllMocks()
      const whole = Math.max(
        ...segments.map(({ tokenBytes, textBytes, table }) => tokenBytes + textBytes + table.bytes),
      )
      const lists = segments.reduce((sum, { table }) => sum + table.bytes, derived.keywords!.files.codes!.bytes)
      expect(most).toBeGreaterThan(before)
      expect(most - before).toBeLessThan(Math.max(whole, lists) + 2000)
      expect(lists).toBeLessThan(segments.reduce((sum, { tokenBytes }) => sum + tokenBytes, 0) * 2)
    },
  'A read that fails costs a search no more than the document that it was for.': async () => {
    const index = await filled()
    // All at once, then one by one.
    breakFiles({ call: 'readSync', path: /\.tokens$/, code: 'EIO', times: 2 })
    expect(await found(index)).toHaveLength(39)
    expect(await found(index)).toHaveLength(40)
  },
  'What would write anew what could not be read (compaction, learning) is an error, and nothing is given up.':
    async () => {
      const index = await filled()
      await index.delete('d3')
      for (const work of [() => index.compact(), () => index.prepare({ firstStage: 'centroids' })]) {
        breakFiles({ call: 'readSync', path: /\.tokens$/, code: 'EIO', times: 1 })
        await expect(work()).rejects.toMatchObject({ code: 'EIO' })
        repair()
        await work()
      }
      expect([await index.verify(), await index.count()]).toEqual([[], 39])
    },
  'What can never be read again, as from a bad sector, `verify()` names and `repair()` mends; until then compaction and learning wait, and warnings say so.':
    async () => {
      const index = await open({ segmentBytes: 1, firstStage: 'centroids' } as OpenOptions)
      await index.upsert(documents(0, 10))
      await index.prepare()
      await index.upsert(documents(10, 40))
      await index.delete('d3')
      const [first] = readManifest(folder).segments
      breakFiles({ call: 'readSync', path: new RegExp(fileName(first!.id, 'tokens')), code: 'EIO' })
      await expect(index.compact()).rejects.toMatchObject({ code: 'EIO' })
      await vi.waitFor(() => expect(warnings.join()).toMatch(/UPKEEP_FAILED .*EIO.*tokens.*verify\(\).*repair\(\)/))
      const unreadable = ids(documents(0, 10)).filter((id) => id !== 'd3')
      expect((await index.verify()).map(({ id }) => id!).sort()).toEqual(unreadable)
      expect([...(await index.repair()).mended].sort()).toEqual(unreadable)
      await index.compact()
      await index.prepare()
      expect(await found(index)).toEqual(ids(documents(0, 40)).filter((id) => id !== 'd3'))
    },
  'Damaged documents are named, and all others are found.': async () => {
    await (await filled()).close()
    damage('d7')
    const index = await open()
    expect(await found(index)).toEqual(ids(documents(0, 40)).filter((id) => id !== 'd7'))
    expect(warnings).toEqual([expect.stringMatching(/^DOCUMENT_DAMAGED .*"d7"/)])
    expect((await index.verify()).map(({ id, section }) => [id, section])).toEqual([['d7', 'vectors']])
  },
  'A damaged file of centroids costs the documents that were compressed by it, and no others.': async () => {
    await (await compressed()).close()
    const { file } = readManifest(folder).codebooks![0]!
    const bytes = readFileSync(join(folder, file))
    bytes[9]! ^= 1
    writeFileSync(join(folder, file), bytes)
    expect(await found(await open())).toEqual(['d0'])
    expect(warnings.some((warning) => warning.includes(file))).toBe(true)
  },
  'Without its manifest, a table or the list of deleted documents an index does not open, and no byte is changed.':
    async () => {
      const index = await filled()
      await index.delete('d3')
      await index.close()
      for (const kind of ['manifest.json', 'table', 'deleted']) {
        const copy = `${folder}-${kind}`
        cpSync(folder, copy, { recursive: true })
        rmSync(
          join(
            copy,
            readdirSync(copy).find((name) => name.endsWith(kind))!,
          ),
        )
        const contents = () => readdirSync(copy).map((name) => readFileSync(join(copy, name), 'latin1'))
        const before = contents()
        const refused = { code: expect.stringMatching(/^INDEX_(CORRUPT|FORMAT)$/) as string }
        await expect(MultiVectorIndex.open(copy, { model })).rejects.toMatchObject(refused)
        expect(contents()).toEqual(before)
      }
    },
  'Of two processes that want to write one does, and the other gets `INDEX_LOCKED`.': async () => {
    const index = await filled()
    elsewhere()
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    await index.upsert(documents(40, 50))
    expect(await index.count()).toBe(50)
  },
  'Of several that want the lock of a dead process exactly one gets it.': async () => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'lock'), JSON.stringify({ ...thisOwner(), pid: 2 ** 22 + 1 }))
    const racers = Array.from({ length: 3 }, () => fork(programs.racer!.path, { execArgv: [] }))
    try {
      const answers = racers.map(async (racer) => {
        racer.send({ folder, at: Date.now() + 1000 })
        return (await once(racer, 'message'))[0] as string
      })
      expect((await Promise.all(answers)).sort()).toEqual(['INDEX_LOCKED', 'INDEX_LOCKED', 'won'])
    } finally {
      for (const racer of racers) racer.kill('SIGKILL')
    }
  },
  'A writer whose lock was removed by hand, or whose folder was replaced, writes nothing more (`INDEX_FENCED`), and what the other one committed stays.':
    async () => {
      for (const isReplaced of [false, true]) {
        folder = join(root, `${count++}`, 'index')
        const index = await filled()
        if (isReplaced) rmSync(folder, { recursive: true })
        else rmSync(join(folder, 'lock'))
        elsewhere()
        const other = await open()
        await other.upsert(documents(50, 60))
        await expect(index.upsert(documents(40, 50))).rejects.toMatchObject({ code: 'INDEX_FENCED' })
        await other.upsert(documents(60, 61))
        expect(await other.count()).toBe(isReplaced ? 11 : 51)
        expect(await other.verify()).toEqual([])
      }
    },
  'The lock of a machine or container that is gone, or of this machine before it was started again, can be had when it was not renewed for a minute.':
    async () => {
      mkdirSync(folder, { recursive: true })
      const path = join(folder, 'lock')
      const lease = { renewal: 20, fresh: 25_000, expired: 60_000, watched: 100 }
      for (const owner of [
        { ...thisOwner(), host: 'elsewhere', boot: 'another' },
        { ...thisOwner(), boot: 'before' },
      ]) {
        writeFileSync(path, JSON.stringify(owner))
        await expect(lockFolder(folder, lease)).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
        const then = Date.now() / 1000 - 61
        utimesSync(path, then, then)
        await lockFolder(folder, lease).then((lock) => lock.release())
      }
    },
  'Hard links are not needed.': async () => {
    breakFiles({ call: 'linkSync', path: /./, code: 'EPERM' })
    const index = await filled()
    await index.close()
    const again = await open()
    elsewhere()
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    expect(await again.count()).toBe(40)
  },
  'Where folders cannot be synced, a power cut may undo the last change, and all else holds.': async () => {
    breakFiles({ call: 'fsyncSync', path: /index$/, code: 'EINVAL' })
    const index = await filled()
    await index.delete('d3')
    await index.compact()
    await index.close()
    expect(await (await open()).count()).toBe(39)
  },
}

/** List items below a heading, as they are written but for line breaks. */
function promised(): string[] {
  const { children } = fromMarkdown(readPage('docs/durability.md'))
  const start = children.findIndex((node) => node.type === 'heading' && toString(node) === 'What holds')
  const end = children.findIndex((node, i) => i > start && node.type === 'heading')
  const page = readPage('docs/durability.md')
  return children.slice(start, end).flatMap((node) => {
    if (node.type !== 'list') return []
    return node.children.map(({ position }) =>
      page.slice(position!.start.offset! + 2, position!.end.offset).replace(/\s+/g, ' '),
    )
  })
}

describe('docs/durability.md', () => {
  test('has no promise without a test, and no test is of another', () => {
    expect(promised()).toEqual(Object.keys(TESTS))
  })
  test.each(Object.entries(TESTS))('%s', (_promise, run) => run())
})
