import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readTexts } from '../../../packages/cli/src/index.js'
import type { ReadOptions, Skipped, TextDocument } from '../../../packages/cli/src/index.js'
import { findFiles } from '../../../packages/cli/src/input/walk.js'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'serotine-read-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const full = join(root, path)
  await mkdir(dirname(full), { recursive: true })
  await writeFile(full, content)
  return full
}

async function read(
  paths: readonly string[],
  options: ReadOptions = {},
): Promise<{ documents: TextDocument[]; skipped: Skipped[] }> {
  const skipped: Skipped[] = []
  const documents: TextDocument[] = []
  for await (const document of readTexts(paths, { root, onSkip: (skip) => skipped.push(skip), ...options }))
    documents.push(document)
  return { documents, skipped }
}

describe('findFiles', () => {
  it('takes the known endings, sorted, and passes over hidden, linked and dependency folders', async () => {
    for (const name of [
      'b.txt',
      'a.md',
      'sub/c.HTML',
      'sub/d.jsonl.gz',
      'e.ts',
      '.hidden/f.md',
      '.g.txt',
      'node_modules/h.md',
      'i.txt.gz',
    ])
      await put(name, 'x')
    await symlink(root, join(root, 'circle'))
    await symlink(join(root, 'b.txt'), join(root, 'linked.txt'))
    await symlink(join(root, 'nowhere'), join(root, 'dangling.txt'))
    const names = (paths: string[]): string[] => paths.map((path) => path.slice(root.length + 1).replaceAll('\\', '/'))
    const { files, otherFiles } = await findFiles([root])
    expect(names(files.map(({ path }) => path))).toEqual([
      'a.md',
      'b.txt',
      'linked.txt',
      'sub/c.HTML',
      'sub/d.jsonl.gz',
    ])
    expect(files.map(({ kind }) => kind)).toEqual(['markdown', 'text', 'text', 'html', 'jsonl'])
    expect(otherFiles).toBe(2)
    const more = await findFiles([root, join(root, 'a.md')], { extensions: ['ts'], exclude: ['sub/'] })
    expect(names(more.files.map(({ path }) => path))).toEqual(['a.md', 'b.txt', 'e.ts', 'linked.txt'])
  })

  it('names a path that is not there', async () => {
    await expect(findFiles([join(root, 'absent')])).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('absent'),
    })
  })
})

describe('readTexts', () => {
  it('says where each passage of a Markdown file stands', async () => {
    const text = '---\ntitle: Proxies\n---\n# Guide\n\nIntro.\n\n## Set up\n\nUse HTTPS_PROXY.\n'
    const path = await put('docs/proxy.md', text)
    const { documents } = await read([path], { maxTokens: 12 })
    expect(documents).toEqual([
      {
        id: 'docs/proxy.md#1',
        text: '# Guide\n\nIntro.',
        metadata: {
          source: 'docs/proxy.md',
          line: 4,
          lineEnd: 6,
          charStart: 23,
          charEnd: 38,
          title: 'Proxies',
          heading: 'Guide',
        },
      },
      {
        id: 'docs/proxy.md#2',
        text: '## Set up\n\nUse HTTPS_PROXY.',
        metadata: {
          source: 'docs/proxy.md',
          line: 8,
          lineEnd: 10,
          charStart: 40,
          charEnd: 67,
          title: 'Proxies',
          heading: 'Guide › Set up',
        },
      },
    ])
  })

  it('gives each file as one document when told not to split', async () => {
    const path = await put('a.txt', `\n${'word '.repeat(1000)}\n`)
    const { documents } = await read([path], { split: false })
    expect(documents).toHaveLength(1)
    expect(documents[0]!.text).toBe('word '.repeat(1000).trim())
  })

  it('passes over empty and binary files, and says so', async () => {
    await put('empty.txt', '')
    await put('blank.md', ' \r\n\t')
    await put('image.txt', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 1, 2]))
    await put('blank.html', '<html><head><title>x</title></head><body><img src="a"></body></html>')
    const { documents, skipped } = await read([root])
    expect(documents).toEqual([])
    expect(skipped.map(({ reason, place }) => [place, reason])).toEqual([
      ['blank.html', 'empty'],
      ['blank.md', 'empty'],
      ['empty.txt', 'empty'],
      ['image.txt', 'binary'],
    ])
  })

  it('reads UTF-8 and UTF-16 with a byte order mark, CRLF, and bytes that are not UTF-8', async () => {
    const bom = await put('bom.txt', '\ufeffFirst\r\nline.\r\n\r\nSecond.')
    const wide = await put('wide.txt', Buffer.from('\ufeffÆther 😀', 'utf16le'))
    const broken = await put(
      'broken.txt',
      Buffer.concat([Buffer.from('caf'), Buffer.from([0xe9]), Buffer.from(' au lait')]),
    )
    const { documents, skipped } = await read([bom, wide, broken])
    expect(documents.map(({ text, metadata }) => [text, metadata.charStart, metadata.lineEnd])).toEqual([
      ['First\r\nline.\r\n\r\nSecond.', 1, 4],
      ['caf\ufffd au lait', 0, 1],
      ['Æther 😀', 1, 1],
    ])
    expect(skipped).toEqual([
      { reason: 'replaced-bytes', place: 'broken.txt', message: expect.stringContaining('broken.txt') },
    ])
  })

  it('shows an HTML page as its reader sees it, with places in the source', async () => {
    const html = [
      '<!doctype html><html><head><title>Caf&eacute; &amp; tea</title><style>p { color: proxy }</style></head>',
      '<body><nav>Home About</nav><h1>Coffee &#8212; how</h1>',
      '<!-- coffee is hidden -->',
      '<p>A <b>caf&eacute;</b> serves <a href="http://x/coffee">coffee</a>.</p>',
      '<script>var coffee = "serves"</script>',
      '<ul><li>Black &lt;strong&gt;</li><li>White</li></ul>',
      '<h2>Tea</h2><p>Tea leaves.</p></body></html>',
    ].join('\n')
    const path = await put('drinks.html', html)
    const { documents } = await read([path], { maxTokens: 20 })
    expect(documents.map(({ text }) => text)).toEqual([
      '# Coffee — how\n\nA café serves coffee.\n\n- Black <strong>\n- White',
      '## Tea\n\nTea leaves.',
    ])
    expect(documents[0]!.metadata).toMatchObject({
      source: 'drinks.html',
      title: 'Café & tea',
      heading: 'Coffee — how',
      line: 2,
      lineEnd: 6,
    })
    expect(documents[1]!.metadata).toMatchObject({ heading: 'Coffee — how › Tea', line: 7, lineEnd: 7 })
    const { charStart, charEnd } = documents[1]!.metadata
    expect(html.slice(charStart, charEnd)).toBe('Tea</h2><p>Tea leaves.')
  })

  it('reads JSONL records with their ids, titles and fields', async () => {
    const lines = [
      '\ufeff{"_id": 7, "title": "T", "text": "one", "lang": "en", "source": "wiki"}',
      '',
      '   ',
      '{"id": "b", "text": "two", "metadata": {"tags": ["x"]}}\r',
      '{"text": "three\u2028still three"}',
      '{"id": "e", "text": " "}',
    ]
    const path = await put('in.jsonl', lines.join('\n'))
    const { documents, skipped } = await read([path])
    const at = (line: number, end: number): object => ({
      source: 'in.jsonl',
      line,
      lineEnd: line,
      charStart: 0,
      charEnd: end,
    })
    expect(documents).toEqual([
      { id: '7', text: 'T one', metadata: { lang: 'en', _source: 'wiki', title: 'T', ...at(1, 5) } },
      { id: 'b', text: 'two', metadata: { tags: ['x'], ...at(4, 3) } },
      { id: 'in.jsonl:5', text: 'three\u2028still three', metadata: at(5, 17) },
    ])
    expect(skipped).toEqual([{ reason: 'empty', place: 'in.jsonl:6', message: expect.stringContaining('in.jsonl:6') }])
  })

  it('unpacks .jsonl.gz and splits long records into numbered passages', async () => {
    const text = Array.from({ length: 60 }, (_, i) => `Sentence number ${i} is here.`).join(' ')
    const path = await put('in.ndjson.gz', gzipSync(JSON.stringify({ id: 'long', text })))
    const { documents } = await read([path], { maxTokens: 100 })
    expect(documents.length).toBeGreaterThan(2)
    for (const [i, document] of documents.entries()) {
      expect(document.id).toBe(`long#${i + 1}`)
      expect(text.slice(document.metadata.charStart, document.metadata.charEnd)).toBe(document.text)
    }
  })

  it('names file and line of a record it cannot read, or goes on when told to', async () => {
    const lines = [
      '{"id": "a", "text": "fine"}',
      '{"id": "b", "text": }',
      '[1]',
      '{"id": "c"}',
      '{"id": {}, "text": "x"}',
      '{"id": "d", "text": 5}',
      '{"id": "z", "text": "fine too"}',
    ]
    const path = await put('bad.jsonl', lines.join('\n'))
    await expect(read([path])).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(/^bad\.jsonl:2 is not JSON .*--skip-bad-lines/),
    })
    const { documents, skipped } = await read([path], { skipBadLines: true })
    expect(documents.map(({ id }) => id)).toEqual(['a', 'z'])
    expect(skipped.map(({ message }) => message.split('. ')[0])).toEqual([
      expect.stringMatching(/^bad\.jsonl:2 is not JSON/),
      'bad.jsonl:3 is not a JSON object',
      'bad.jsonl:4 has no "text"',
      'bad.jsonl:5 has an "id" that is neither a string nor a number',
      'bad.jsonl:6 has a "text" that is not a string',
    ])
  })

  it('refuses an id that is used twice, naming both places', async () => {
    const one = await put('1.jsonl', '{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}')
    const two = await put('2.jsonl', '{"id": "b", "text": "z"}')
    await expect(read([one, two])).rejects.toMatchObject({
      code: 'DUPLICATE_ID',
      message: expect.stringMatching(/"b".*1\.jsonl:2 and 2\.jsonl:1/),
    })
  })

  it('keeps lone surrogates as JSON spells them', async () => {
    const path = await put('s.jsonl', '{"id": "s", "text": "a\\ud83d b\\udc00c \\ud83d\\ude00"}')
    const { documents } = await read([path])
    expect(documents[0]!.text).toBe('a\ud83d b\udc00c 😀')
  })

  it('reads a damaged .gz as an error that names it', async () => {
    const path = await put('cut.jsonl.gz', gzipSync('{"id": "a", "text": "x"}\n'.repeat(100)).subarray(0, 30))
    await expect(read([path])).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('cut.jsonl.gz'),
    })
  })

  it('reads a megabyte on one line of text and of JSONL', async () => {
    const text = 'This sentence has a few words. '.repeat(34_000)
    const plain = await put('one-line.txt', text)
    const record = await put('one-line.jsonl', JSON.stringify({ id: 'r', text }))
    const { documents } = await read([plain, record])
    const total = (start: string): number =>
      documents.filter(({ id }) => id.startsWith(start)).reduce((sum, document) => sum + document.text.length + 1, 0)
    expect(total('one-line.txt#')).toBe(text.length)
    expect(total('r#')).toBe(text.length)
  })

  it('stops when its signal is aborted', async () => {
    await put('a.txt', 'x')
    await expect(read([root], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('tells how far it is', async () => {
    const path = await put('in.jsonl', '{"id": 1, "text": "x"}\n{"id": 2, "text": "y"}\n')
    const seen: [number, boolean][] = []
    await read([path], { onBytes: (_, bytes, done) => seen.push([bytes, done]) })
    expect(seen.at(-1)).toEqual([46, true])
  })
})
