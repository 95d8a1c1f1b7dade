// PDF, DOCX and files that are no text.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readTexts } from '../../../../packages/cli/src/index.js'
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

/** A PDF with a page for each list of lines; an empty line is a gap. */
function pdf(pages: readonly (readonly string[])[], title: string): Buffer {
  const kids = pages.map((_, i) => `${4 + 2 * i} 0 R`).join(' ')
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    ...pages.flatMap((lines, i) => {
      const shown = lines.map((line) => (line === '' ? '0 -14 Td' : `(${line}) Tj 0 -14 Td`)).join('\n')
      const stream = `BT /F1 12 Tf 72 720 Td\n${shown}\nET`
      return [
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${5 + 2 * i} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
        `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
      ]
    }),
    `<< /Title (${title}) >>`,
  ]
  let body = '%PDF-1.4\n'
  const offsets = objects.map((object, i) => {
    const offset = body.length
    body += `${i + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  const count = objects.length + 1
  return Buffer.from(
    `${body}xref\n0 ${count}\n0000000000 65535 f \n${table}trailer\n<< /Size ${count} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${body.length}\n%%EOF\n`,
    'latin1',
  )
}

/** A zip archive of uncompressed files. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const [name, content] of Object.entries(files)) {
    const data = Buffer.from(content)
    const header = Buffer.alloc(26)
    header.writeUInt16LE(20, 0)
    header.writeUInt32LE(crc32(data), 10)
    header.writeUInt32LE(data.length, 14)
    header.writeUInt32LE(data.length, 18)
    header.writeUInt16LE(name.length, 22)
    const entry = Buffer.concat([Buffer.from('PK\x03\x04'), header, Buffer.from(name), data])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(offset, 10)
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), header, rest, Buffer.from(name)]))
    local.push(entry)
    offset += entry.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(central.length, 4)
  end.writeUInt16LE(central.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end])
}

function docx(body: string): Buffer {
  const xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
  const schemas = 'http://schemas.openxmlformats.org'
  return zip({
    '[Content_Types].xml': `${xml}<Types xmlns="${schemas}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
    '_rels/.rels': `${xml}<Relationships xmlns="${schemas}/package/2006/relationships"><Relationship Id="r1" Type="${schemas}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
    'word/document.xml': `${xml}<w:document xmlns:w="${schemas}/wordprocessingml/2006/main"><w:body>${body}</w:body></w:document>`,
  })
}
const paragraph = (text: string, style = ''): string =>
  `<w:p>${style && `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`}<w:r><w:t>${text}</w:t></w:r></w:p>`

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
