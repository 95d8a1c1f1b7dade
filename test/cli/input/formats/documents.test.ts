// PDF, DOCX and files that are no text.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readTexts } from '../../../../packages/cli/src/index.js'
import { docx, paragraph, pdf } from '../../../support/documents.js'
import type { ReadOptions, Skipped, TextDocument } from '../../../../packages/cli/src/index.js'

const OPTIONAL = '../../../../packages/cli/src/input/formats/optional-package.js'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'serotine-documents-'))
})
afterEach(async () => {
  vi.doUnmock(OPTIONAL)
  vi.resetModules()
  await rm(root, { recursive: true, force: true })
})

async function put(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(root, name), content)
  return join(root, name)
}

async function read(
  paths: readonly string[],
  options: ReadOptions = {},
  reader: typeof readTexts = readTexts,
): Promise<{ documents: TextDocument[]; skipped: Skipped[] }> {
  const skipped: Skipped[] = []
  const documents: TextDocument[] = []
  for await (const document of reader(paths, { root, onSkip: (skip) => skipped.push(skip), ...options }))
    documents.push(document)
  return { documents, skipped }
}

const boats = pdf([['Boats leave', 'at noon.', '', 'Bring a coat.'], [], ['Penguins swim.']], 'Harbour')
const harbour = docx(
  paragraph('Harbour', 'Heading1') +
    paragraph('Boats leave at noon &amp; at six.') +
    paragraph('Rules', 'Heading2') +
    paragraph('No swimming.') +
    `<w:tbl><w:tr><w:tc>${paragraph('Tea')}</w:tc><w:tc>${paragraph('3')}</w:tc></w:tr></w:tbl>`,
)

describe('PDF', () => {
  it('is read page by page, and no passage goes over to the next', async () => {
    const path = await put('boats.pdf', boats)
    const { documents } = await read([path])
    expect(documents.map(({ id, text, metadata }) => [id, text, metadata.page, metadata.title])).toEqual([
      ['boats.pdf#1', 'Boats leave\nat noon.\n\nBring a coat.', 1, 'Harbour'],
      ['boats.pdf#2', 'Penguins swim.', 3, 'Harbour'],
    ])
    const { documents: whole } = await read([path], { split: false })
    expect(whole.map(({ text }) => text)).toEqual(['Boats leave\nat noon.\n\nBring a coat.\n\nPenguins swim.'])
    for (const { text, metadata } of documents)
      expect(whole[0]!.text.slice(metadata.charStart, metadata.charEnd)).toBe(text)
  })

  it('that is damaged is an error when named, and passed over in a folder', async () => {
    const path = await put('broken.pdf', 'no PDF at all')
    await expect(read([path])).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(/^broken\.pdf cannot be read: it cannot be opened as PDF/),
    })
    const { documents, skipped } = await read([root])
    expect(documents).toEqual([])
    expect(skipped).toMatchObject([{ reason: 'unreadable', place: 'broken.pdf' }])
  })

  it('of which a page is missing is damaged too', async () => {
    const content = pdf([['Boats leave.']], 'Harbour')
      .toString('latin1')
      .replace('/Kids [4 0 R]', '/Kids [9 0 R]')
    await put('cut.pdf', Buffer.from(content, 'latin1'))
    const { documents, skipped } = await read([root])
    expect(documents).toEqual([])
    expect(skipped).toMatchObject([
      { reason: 'unreadable', message: expect.stringMatching(/^cut\.pdf cannot be read: .*page/) },
    ])
  })
})

describe('DOCX', () => {
  it('is read with its headings and tables', async () => {
    const path = await put('harbour.docx', harbour)
    const { documents } = await read([path], { maxTokens: 12 })
    expect(documents.map(({ text, metadata }) => [text, metadata.heading])).toEqual([
      ['# Harbour\n\nBoats leave at noon & at six.', 'Harbour'],
      ['## Rules\n\nNo swimming.\n\nTea\t3', 'Harbour › Rules'],
    ])
  })

  it('that is damaged is an error when named', async () => {
    const path = await put('broken.docx', harbour.subarray(0, 100))
    await expect(read([path])).rejects.toMatchObject({ code: 'INPUT_FORMAT', message: expect.stringContaining('DOCX') })
  })
})

describe('without the package of a kind', () => {
  it.each([
    ['unpdf', 'boats.pdf', boats],
    ['mammoth', 'harbour.docx', harbour],
  ])('%s', async (name, file, content) => {
    vi.doMock(
      OPTIONAL,
      async (
        importActual: () => Promise<typeof import('../../../../packages/cli/src/input/formats/optional-package.js')>,
      ) => {
        const { loadOptional } = await importActual()
        const absent = (): Promise<never> => Promise.reject(new Error('not installed'))
        return { loadOptional: (packageName: string, what: string) => loadOptional(packageName, what, absent) }
      },
    )
    vi.resetModules()
    const { readTexts: reader } = await import('../../../../packages/cli/src/index.js')
    const path = await put(file, content)
    await put('a.txt', 'Still read.')
    await expect(read([path], {}, reader)).rejects.toMatchObject({
      code: 'READER_MISSING',
      message: expect.stringContaining(`npm install ${name}`),
    })
    const { documents, skipped } = await read([root], {}, reader)
    expect(documents.map(({ text }) => text)).toEqual(['Still read.'])
    expect(skipped).toMatchObject([{ reason: 'no-reader', place: file, message: expect.stringContaining(name) }])
  })
})

describe('a binary file', () => {
  // Without zeros, as compressed data often is where one looks.
  const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => 1 + ((i * 7919 + (i >> 3) * 104_729) % 255)))

  it.each([
    ['picture.png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0]), 'NUL'],
    ['picture.txt', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0]), 'NUL'],
    ['page.html', Buffer.concat([Buffer.from('<p>'), Buffer.from([0])]), 'NUL'],
    ['notes.md', noise, 'control characters'],
    ['notes.txt.gz', gzipSync('text '.repeat(100)), 'NUL'],
    ['document.unknown', harbour, 'NUL'],
    ['wide.txt', Buffer.from('no mark', 'utf16le'), 'UTF-16 needs its byte order mark'],
    ['wider.txt', Buffer.from([0xff, 0xfe, 0, 0, 65, 0, 0, 0]), 'UTF-32'],
  ])('is refused when named, with the reason: %s', async (name, content, why) => {
    const path = await put(name, content)
    const message = expect.stringMatching(new RegExp(`^${name} is binary: .*${why}`))
    await expect(read([path])).rejects.toMatchObject({ code: 'INPUT_FORMAT', message })
    const { documents, skipped } = await read([root], { extensions: ['.png', '.gz', '.unknown'] })
    expect(documents).toEqual([])
    expect(skipped).toMatchObject([{ reason: 'binary', place: name, message }])
  })

  it.each([
    ['a text with a few control characters', 'a \u001b[1mb\u001b[0m\u0001 c'],
    ['legacy Cyrillic', Buffer.from([0xec, 0xe8, 0xf0, 0x20, 0xec, 0xe8, 0xf0])],
    ['UTF-8 cut where it is looked at', `${'x'.repeat(8191)}é\u0001`.repeat(2)],
  ])('is not %s', async (_, content) => {
    const { documents } = await read([await put('a.txt', content)], { split: false })
    expect(documents).toHaveLength(1)
  })
})
