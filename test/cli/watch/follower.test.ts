// An index that follows real files, look by look, without anything that watches.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MultiVectorIndex } from '@serotine/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readTexts } from '../../../packages/cli/src/index.js'
import { Follower } from '../../../packages/cli/src/watch/follower.js'
import type { FollowerOptions, Look } from '../../../packages/cli/src/watch/follower.js'
import { STABLE_MS } from '../../../packages/cli/src/watch/settling.js'
import { FakeEncoder } from '../../support/fake-encoder.js'
import { FIXTURES } from '../run-cli.js'

let root: string
let docs: string
let model: FakeEncoder
let index: MultiVectorIndex
let follower: Follower
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'serotine-follower-'))
  docs = join(root, 'docs')
  mkdirSync(docs)
  model = new FakeEncoder()
  index = await MultiVectorIndex.open(join(root, '.serotine'), { model })
  follower = follow()
})
afterEach(async () => {
  await index.close()
  rmSync(root, { recursive: true, force: true })
})

function follow(more: Partial<FollowerOptions> = {}): Follower {
  const { signal } = new AbortController()
  const reading = { root, skipUnreadable: true, maxTokens: 40, ...more.reading }
  return new Follower({ index, paths: [docs], root, folder: join(root, '.serotine'), signal, ...more, reading })
}

const write = (name: string, text: string): void => {
  mkdirSync(dirname(join(docs, name)), { recursive: true })
  writeFileSync(join(docs, name), text)
}
/** So many passages. */
const long = (n: number, word = 'kiwi') =>
  Array.from({ length: n }, (_, i) => `# ${word} ${i}\n\n${`${word} number ${i} `.repeat(5)}`).join('\n\n')
const ids = async () => (await index.ids()).sort()
const generation = async () => (await index.stats()).generation
const texts = async (source: string) => {
  const found: string[] = []
  for await (const { text } of index.scan({ where: { source } })) found.push(text!)
  return found.join(' ')
}
/** Looks until nothing waits any more; the sums of what they came to. */
async function settle(): Promise<Pick<Look, 'changed' | 'gone' | 'added' | 'updated' | 'removed' | 'failures'>> {
  const sum = { changed: 0, gone: 0, added: 0, updated: 0, removed: 0 }
  for (;;) {
    const look = await follower.look()
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += look[key]
    if (look.wait === undefined || look.wait > STABLE_MS + 1) return { ...sum, failures: look.failures }
    await sleep(look.wait)
  }
}

describe('the first look', () => {
  test('takes in what `serotine index` would, by the same rules', async () => {
    await cp(join(FIXTURES, 'library'), join(docs, 'library'), { recursive: true })
    write('.gitignore', 'drafts/\n')
    write('drafts/a.md', 'a draft')
    write('.hidden/a.md', 'hidden')
    write('node_modules/a.md', 'a module')
    write('binary.txt', 'a\0b')
    write('other.bin', 'other')
    const look = await follower.look()
    const expected = new Map<string, { text: string; metadata: unknown }>()
    for await (const { id, ...rest } of readTexts([docs], { root, maxTokens: 40 })) expected.set(id, rest)
    expect(expected.size).toBeGreaterThan(5)
    expect(await ids()).toEqual([...expected.keys()].sort())
    for (const [id, { text, metadata }] of expected) expect(await index.get(id)).toMatchObject({ text, metadata })
    expect(look).toMatchObject({ added: expected.size, removed: 0, missing: [], wait: undefined })
    expect([...look.leftOut]).toEqual([join(docs, 'drafts')])
    expect(await follower.look()).toMatchObject({ changed: 0, gone: 0, wait: undefined })
  })

  test('catches up with what has changed since an earlier run', async () => {
    for (const name of ['same', 'changed', 'gone']) write(`${name}.md`, long(3, name))
    await follower.look()
    await index.upsert([{ id: 'own', text: 'added otherwise' }])
    write('changed.md', long(2, 'other'))
    write('new.md', 'new')
    rmSync(join(docs, 'gone.md'))
    model.encoded.length = 0
    follower = follow()
    expect(await follower.look()).toMatchObject({ changed: 3, gone: 1, added: 1, updated: 2, unchanged: 3, removed: 4 })
    expect(model.encoded).toHaveLength(3)
    expect(await ids()).toEqual([
      ...['changed.md#1', 'changed.md#2', 'new.md#1', 'same.md#1', 'same.md#2', 'same.md#3'].map((id) => `docs/${id}`),
      'own',
    ])
  })
})

describe('a file', () => {
  test('is replaced in one commit, whatever becomes of its number of passages', async () => {
    write('a.md', long(5))
    await follower.look()
    const reader = await MultiVectorIndex.open(join(root, '.serotine'), { model, readonly: true })
    for (const [n, word] of [
      [2, 'emu'],
      [7, 'owl'],
      [1, 'tern'],
    ] as const) {
      const before = await generation()
      write('a.md', long(n, word))
      await settle()
      expect(await generation()).toBe(before + 1)
      await reader.refresh()
      expect(await reader.count()).toBe(n)
      for await (const { text } of reader.scan()) expect(text).toContain(word)
    }
    await reader.close()
  })

  test('is not read while it is being written', async () => {
    await follower.look()
    write('a.md', 'the beginning')
    for (let i = 0; i < 5; i++) {
      await sleep(STABLE_MS / 2)
      appendFileSync(join(docs, 'a.md'), ` and ${i}`)
      expect(await follower.look()).toMatchObject({ changed: 0, wait: expect.any(Number) })
    }
    expect(await index.count()).toBe(0)
    await settle()
    expect(await texts('docs/a.md')).toMatch(/^the beginning.*and 4$/)
  })

  test('that is written to while it is read is read once more, and nothing of the first half is kept', async () => {
    write('a.md', 'the whole of it')
    let isFirst = true
    const countTokens = (text: string) => {
      if (isFirst) write('a.md', 'another text')
      isFirst = false
      return text.length / 5
    }
    follower = follow({ reading: { countTokens } })
    expect(await follower.look()).toMatchObject({ changed: 0, added: 0, wait: expect.any(Number) })
    expect(await index.count()).toBe(0)
    await settle()
    expect(await texts('docs/a.md')).toBe('another text')
  })

  test('is followed when an editor puts another in its place, or takes it away for a moment', async () => {
    write('a.md', 'first')
    await follower.look()
    write('a.md.tmp', 'second')
    renameSync(join(docs, 'a.md.tmp'), join(docs, 'a.md'))
    await settle()
    expect(await texts('docs/a.md')).toBe('second')
    rmSync(join(docs, 'a.md'))
    expect(await follower.look()).toMatchObject({ gone: 0, removed: 0 })
    write('a.md', 'third')
    await settle()
    expect(await texts('docs/a.md')).toBe('third')
  })

  test('of the same length and date is another one all the same', async () => {
    write('a.md', 'first')
    await follower.look()
    const { utimesSync, statSync } = await import('node:fs')
    const { atime, mtime } = statSync(join(docs, 'a.md'))
    write('a.md', 'other')
    utimesSync(join(docs, 'a.md'), atime, mtime)
    await settle()
    expect(await texts('docs/a.md')).toBe('other')
  })

  test('that gets another name moves in one commit, also when only a letter becomes a capital one', async () => {
    write('readme.md', long(3))
    await follower.look()
    for (const [from, to] of [
      ['readme.md', 'README.md'],
      ['README.md', 'sub/guide.md'],
    ] as const) {
      const before = await generation()
      mkdirSync(dirname(join(docs, to)), { recursive: true })
      renameSync(join(docs, from), join(docs, to))
      await settle()
      expect(await generation()).toBe(before + 1)
      expect(await ids()).toEqual([1, 2, 3].map((n) => `docs/${to}#${n}`))
    }
  })

  test('that cannot be read keeps its passages and is told, until it can be read', async () => {
    write('a.jsonl', '{"id":"a","text":"a kiwi"}\n{"id":"b","text":"an emu"}\n')
    write('page.pdf', '')
    rmSync(join(docs, 'page.pdf'))
    await follower.look()
    write('a.jsonl', '{"id":"a","text":"a kiwi"}\n{"id":"b","text":\n')
    write('page.pdf', 'this is no PDF')
    const { failures } = await settle()
    expect([...failures.keys()].sort()).toEqual(['docs/a.jsonl', 'docs/page.pdf'])
    expect(failures.get('docs/a.jsonl')).toMatch(/a\.jsonl:2 is not JSON/)
    expect(await ids()).toEqual(['a', 'b'])
    write('a.jsonl', '{"id":"a","text":"a kiwi"}\n{"id":"c","text":"an owl"}\n')
    rmSync(join(docs, 'page.pdf'))
    expect((await settle()).failures.size).toBe(0)
    expect(await ids()).toEqual(['a', 'c'])
  })

  test('that has become binary or empty, or a folder, has no passages any more', async () => {
    for (const name of ['binary.md', 'empty.md', 'folder.md']) write(name, 'a text')
    await follower.look()
    write('binary.md', 'a\0b')
    write('empty.md', '')
    rmSync(join(docs, 'folder.md'))
    write('folder.md/inside.md', 'inside')
    await settle()
    expect(await ids()).toEqual(['docs/folder.md/inside.md#1'])
  })

  test('may not take over an id of another one; when that is gone, it may', async () => {
    write('a.jsonl', '{"id":"kiwi","text":"a kiwi"}\n')
    await follower.look()
    write('b.jsonl', '{"id":"kiwi","text":"another"}\n{"id":"owl","text":"an owl"}\n')
    const { failures } = await settle()
    expect(failures.get('docs/b.jsonl')).toMatch(/has the id "kiwi", which is that of docs\/a\.jsonl; give it another/)
    expect(await ids()).toEqual(['kiwi'])
    expect((await index.get('kiwi'))?.text).toBe('a kiwi')
    // Renamed: the same ids, of another file; nothing is encoded again.
    rmSync(join(docs, 'b.jsonl'))
    await settle()
    model.encoded.length = 0
    renameSync(join(docs, 'a.jsonl'), join(docs, 'c.jsonl'))
    const moved = await settle()
    expect(moved).toMatchObject({ gone: 1, removed: 0, updated: 1 })
    expect((await index.get('kiwi'))?.metadata).toMatchObject({ source: 'docs/c.jsonl' })
    expect(model.encoded).toEqual([])
  })

  test('may not take over the id of a document that was added otherwise', async () => {
    await index.upsert([{ id: 'kiwi', text: 'mine' }])
    write('a.jsonl', '{"id":"kiwi","text":"a kiwi"}\n')
    const { failures } = await settle()
    expect(failures.get('docs/a.jsonl')).toMatch(/added otherwise/)
    expect((await index.get('kiwi'))?.text).toBe('mine')
  })

  test('of records that is large is read record by record', async () => {
    const records = (n: number, text: string) =>
      Array.from({ length: n }, (_, i) => `{"id":"r${i}","text":"${text} ${i}"}${' '.repeat(30_000)}\n`).join('')
    write('a.jsonl', records(400, 'old'))
    await follower.look()
    expect(await index.count()).toBe(400)
    write('a.jsonl', records(350, 'new'))
    expect(await settle()).toMatchObject({ changed: 1, updated: 350, removed: 50 })
    write('a.jsonl', `${records(349, 'newer')}{"id":\n`)
    expect((await settle()).failures.size).toBe(1)
    expect(await index.count()).toBe(350)
  })

  test('with more passages than memory should hold is replaced in several commits, the last of which removes', async () => {
    follower = follow({ reading: { maxTokens: 8 } })
    write('a.txt', Array.from({ length: 4_500 }, (_, i) => `one two three four five six ${i}`).join('\n\n'))
    const first = await follower.look()
    expect(first.added).toBeGreaterThan(4_000)
    const before = await generation()
    write('a.txt', Array.from({ length: 4_100 }, (_, i) => `one two three four five seven ${i}`).join('\n\n'))
    await settle()
    expect((await generation()) - before).toBeGreaterThan(1)
    expect(await index.count()).toBeLessThan(first.added)
    for await (const { text } of index.scan()) expect(text).toContain('seven')
  })
})

describe('links', () => {
  test('to files are followed where they lead, those to folders are not', async () => {
    writeFileSync(join(root, 'target.md'), 'first')
    mkdirSync(join(root, 'elsewhere'))
    writeFileSync(join(root, 'elsewhere/b.md'), 'elsewhere')
    symlinkSync(join(root, 'target.md'), join(docs, 'a.md'))
    symlinkSync(join(root, 'elsewhere'), join(docs, 'folder'))
    symlinkSync(docs, join(docs, 'circle'))
    await follower.look()
    expect(await ids()).toEqual(['docs/a.md#1'])
    writeFileSync(join(root, 'target.md'), 'second')
    await settle()
    expect(await texts('docs/a.md')).toBe('second')
    rmSync(join(root, 'target.md'))
    await settle()
    expect(await ids()).toEqual([])
  })
})

describe('a folder', () => {
  test('that is gone keeps its passages and is asked for again; one inside of it loses them', async () => {
    write('a.md', 'a')
    write('sub/b.md', 'b')
    await follower.look()
    renameSync(docs, join(root, 'away'))
    expect(await follower.look()).toMatchObject({ missing: [docs], gone: 0 })
    await sleep(STABLE_MS)
    expect(await follower.look()).toMatchObject({ missing: [docs], gone: 0 })
    expect(await index.count()).toBe(2)
    renameSync(join(root, 'away'), docs)
    rmSync(join(docs, 'sub'), { recursive: true })
    await settle()
    expect(await ids()).toEqual(['docs/a.md#1'])
  })

  test('follows what .gitignore files say', async () => {
    write('a.md', 'a')
    write('drafts/b.md', 'b')
    await follower.look()
    write('.gitignore', 'drafts/')
    await settle()
    expect(await ids()).toEqual(['docs/a.md#1'])
    write('.gitignore', 'a.md')
    await settle()
    expect(await ids()).toEqual(['docs/drafts/b.md#1'])
  })

  test('of thousands of files that change at once is followed in few commits', async () => {
    const name = (i: number) => `part${i % 20}/${i}.md`
    for (let i = 0; i < 3_000; i++) write(name(i), `text ${i}`)
    await follower.look()
    expect([await index.count(), await generation()]).toEqual([3_000, 12])
    for (let i = 0; i < 2_000; i++) {
      if (i % 4 === 0) rmSync(join(docs, name(i)))
      else write(name(i), `changed ${i}`)
    }
    const before = await generation()
    expect(await settle()).toMatchObject({ changed: 1_500, gone: 500, updated: 1_500, removed: 500 })
    expect((await generation()) - before).toBeLessThanOrEqual(7)
    expect(await texts('docs/part1/1.md')).toBe('changed 1')
  })
})

test('a look that was stopped leaves whole files, and the next one goes on', async () => {
  for (let i = 0; i < 400; i++) write(`${i}.md`, long(3, `word${i}`))
  const controller = new AbortController()
  const stopped = follow({
    signal: controller.signal,
    onProgress: (done) => done === 200 && controller.abort(new Error('stop')),
  })
  await expect(stopped.look()).rejects.toThrow('stop')
  const count = await index.count()
  expect(count).toBeGreaterThan(0)
  const bySource = new Map<unknown, number>()
  for await (const { metadata } of index.scan())
    bySource.set(metadata['source'], (bySource.get(metadata['source']) ?? 0) + 1)
  expect(new Set(bySource.values())).toEqual(new Set([3]))
  expect(await follower.look()).toMatchObject({ added: 1_200 - count, unchanged: count })
  expect(readFileSync(join(docs, '0.md'), 'utf8')).toBe(long(3, 'word0'))
})
