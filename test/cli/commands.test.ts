import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { pdf } from '../support/documents.js'
import { startHub } from '../support/hub-server.js'
import { GOLDENS, serotine, workFolder } from './run-cli.js'

const work = workFolder('library', 'collection')
const inWork = (...args: string[]) => serotine(args, { cwd: work.path })

describe('serotine', () => {
  it('prints help, version and what it cannot understand', async () => {
    expect(await serotine(['--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('index <paths...>'),
      stderr: '',
    })
    const { version } = JSON.parse(
      await readFile(new URL('../../packages/cli/package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    expect(await serotine(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    expect(await serotine([])).toMatchObject({ code: 2, stderr: expect.stringContaining('Start here') })
    expect(await serotine(['serach', 'x'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^serotine: unknown command 'serach'\n\(Did you mean search\?\)/),
    })
    expect(await serotine(['search', 'x', '--candidate', '5'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /unknown option '--candidate'\n\(Did you mean --candidates\?\)\nRun "serotine search --help"/,
      ),
    })
    expect(await serotine(['search'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing required argument 'query'"),
    })
    expect(await serotine(['search', 'x', '-k', '0'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('at least 1'),
    })
    expect(await serotine(['encode'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--query or --document'),
    })
    expect(await serotine(['encode', '--query', '--dtype', 'fp8'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('fp32, int8'),
    })
  })

  it('says what is missing or wrong, and what to do', async () => {
    const fails = async (expected: RegExp, ...args: string[]): Promise<void> => {
      const { code, stdout, stderr } = await inWork(...args)
      expect(stderr).toMatch(expected)
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).not.toContain('    at ')
    }
    await fails(/^serotine: There is no index at \.serotine\. Make one with: serotine index/, 'search', 'x')
    await fails(/^serotine: no-such-folder cannot be read \(ENOENT\)/, 'index', 'no-such-folder')
    await writeFile(join(work.path, 'fine.jsonl'), '{"id": "a", "text": "fine"}\n')
    await writeFile(join(work.path, 'bad.jsonl'), '{"id": "a", "text": "fine"}\n{"id": "b"\n')
    await fails(/^serotine: bad\.jsonl:2 is not JSON .*--skip-bad-lines/, 'index', 'bad.jsonl')
    expect(existsSync(join(work.path, '.serotine'))).toBe(false)
    const missing = join('no-such-folder', 'x.safetensors')
    await fails(
      /^serotine: .*x\.safetensors cannot be used \(open: ENOENT\)\. A folder in this path does not exist\. Check the path\.\n$/,
      'encode',
      '--query',
      'fine.jsonl',
      '--format',
      'safetensors',
      '--out',
      missing,
    )
    await mkdir(join(work.path, 'empty'))
    await fails(/^serotine: There are no texts in empty\. Supported: \.txt/, 'index', 'empty')
    await fails(/^serotine: .*library .*(tokenizer|config)\.json/, 'encode', '--query', '-m', 'library')
    await fails(/^serotine: .*plain|projection/, 'encode', '--query', '-m', join(GOLDENS, 'plain-tiny', 'model'))
    await fails(
      /^serotine: absent\.safetensors does not exist/,
      'encode',
      '--query',
      '--projection',
      'absent.safetensors',
    )
    await fails(/^serotine: .*library.*(corpus|qrels)/, 'eval', 'library')
    await fails(/^serotine: .*not a Serotine index/, 'search', 'x', '--index', 'library')
    await fails(/^serotine: There is nothing to rank/, 'rerank', 'x')
    expect((await inWork('search', 'x', '--index', 'none', '--debug')).stderr).toMatch(/\n\s+at /)
  })

  it('goes on after bad lines when told to, and counts them', async () => {
    await writeFile(
      join(work.path, 'mixed.jsonl'),
      '{"id": "a", "text": "fine"}\n{"id": "b"\n{"id": "c", "text": " "}\n',
    )
    const { code, stdout, stderr } = await inWork(
      'index',
      'mixed.jsonl',
      '--skip-bad-lines',
      '--out',
      'mixed',
      '--json',
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ passages: 1, added: 1, skipped: { badLines: 1, empty: 1, binary: 0 } })
    expect(stderr).toMatch(/1 empty text, 1 bad line skipped\n.*mixed\.jsonl:2 is not JSON/)
  })
})

describe('serotine index, of files it cannot read', () => {
  it('refuses those that are named, and says why', async () => {
    await writeFile(join(work.path, 'picture.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0]))
    const { code, stderr } = await inWork('index', 'picture.png', '--out', 'pictures')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^serotine: picture\.png is binary: byte 4 is NUL/)
  })

  it('passes over those in folders, says why, and keeps what it once read of them', async () => {
    const folder = join(work.path, 'mixed-folder')
    await mkdir(folder)
    await writeFile(join(folder, 'a.txt'), 'Still read.')
    await writeFile(join(folder, 'c.pdf'), pdf([['Read once.']], 'Once'))
    await inWork('index', 'mixed-folder', '--out', 'mixed-index')
    await writeFile(join(folder, 'c.pdf'), 'no PDF')
    await writeFile(join(folder, 'd.txt'), Buffer.from([1, 0, 2]))
    const { code, stdout, stderr } = await inWork('index', 'mixed-folder', '--out', 'mixed-index', '--json')
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      files: 1,
      passages: 2,
      unchanged: 1,
      removed: 0,
      skipped: { binary: 1, unreadable: 1, noReader: 0 },
      unreadable: ['mixed-folder/c.pdf'],
    })
    expect(stderr).toMatch(/1 binary file, 1 unreadable file skipped\n.*mixed-folder\/c\.pdf cannot be read/)
  })

  it('keeps the passages of files whose reader is not installed, and says once for each kind what to install', async () => {
    const folder = join(work.path, 'no-reader')
    await mkdir(folder)
    await writeFile(join(folder, 'a.txt'), 'Still read.')
    for (const name of ['b', 'c']) await writeFile(join(folder, `${name}.pdf`), pdf([[`Read once: ${name}.`]], 'Once'))
    const index = ['index', 'no-reader', '--out', 'no-reader-index', '--json']
    expect(JSON.parse((await inWork(...index)).stdout)).toMatchObject({ files: 3, passages: 3 })
    const hook = `export const resolve = (name, context, next) => {
      if (name === 'unpdf') throw new Error('not installed')
      return next(name, context)
    }`
    const dataUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
    const register = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(hook))})`
    const without = { cwd: work.path, env: { NODE_OPTIONS: `--import=${dataUrl(register)}` } }
    const { code, stdout, stderr } = await serotine(index, without)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      files: 1,
      passages: 3,
      removed: 0,
      skipped: { noReader: 2, unreadable: 0 },
      unreadable: [],
    })
    expect(stderr).toContain('2 files without a reader skipped\n')
    expect(stderr.match(/npm install unpdf/g)).toHaveLength(1)
    const rebuilt = await serotine([...index, '--rebuild'], without)
    expect(rebuilt).toMatchObject({ code: 1, stderr: expect.stringContaining('npm install unpdf') })
    expect(rebuilt.stderr).toContain('so it stays as it was.')
    expect(JSON.parse((await inWork(...index)).stdout)).toMatchObject({ passages: 3, unchanged: 3 })
  })
})

describe('serotine rerank', () => {
  const texts = 'Kiwis cannot fly.\n\nThe tern flies far.\nProxies forward requests.\n'

  it('ranks lines of standard input', async () => {
    const { code, stdout } = await serotine(['rerank', 'birds that cannot fly', '--top-n', '2'], { input: texts })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ 1 {2}line 1 .*\n {4}Kiwis cannot fly\.\n\n 2 {2}line 3 /)
  })

  it('ranks JSONL, as JSON', async () => {
    const input = texts
      .split('\n')
      .filter(Boolean)
      .map((text, i) => JSON.stringify({ id: `t${i}`, text, n: i }))
      .join('\n')
    const { stdout } = await serotine(['rerank', 'birds that cannot fly', '-', '--json'], { input })
    const { query, hits } = JSON.parse(stdout) as {
      query: string
      hits: { rank: number; index: number; id: string; score: number; metadata: object }[]
    }
    expect(query).toBe('birds that cannot fly')
    expect(hits.map(({ rank, id, index }) => [rank, id, index])).toEqual([
      [1, 't0', 0],
      [2, 't1', 1],
      [3, 't2', 2],
    ])
    expect(hits[0]!.metadata).toEqual({ n: 0 })
    expect(hits[0]!.score).toBeGreaterThan(hits[1]!.score)
  })

  it('gives the score that search gives', async () => {
    await inWork('index', 'library/facts.jsonl', '--out', 'facts', '--codec', 'f32', '-q')
    const search = JSON.parse((await inWork('search', 'manchots', '--index', 'facts', '--json')).stdout) as {
      hits: { id: string; score: number }[]
    }
    const rerank = JSON.parse((await inWork('rerank', 'manchots', 'library/facts.jsonl', '--json')).stdout) as {
      hits: { id: string; score: number }[]
    }
    expect(rerank.hits.map(({ id }) => id)).toEqual(search.hits.map(({ id }) => id))
    for (const [i, { score }] of rerank.hits.entries()) expect(score).toBeCloseTo(search.hits[i]!.score, 4)
  })
})

describe('serotine eval', () => {
  it('measures exact search and first stages, and writes TREC runs', async () => {
    const { code, stdout, stderr } = await inWork('eval', 'collection', '--json', '--run-file', 'out.trec')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const result = JSON.parse(stdout) as {
      methods: { firstStage: string; metrics: Record<string, number>; exactTop10: number }[]
    }
    expect(result).toMatchObject({ collection: 'collection', split: 'test', documents: 3, queries: 2 })
    expect(result.methods.map(({ firstStage }) => firstStage)).toEqual(['exact', 'auto', 'centroids', 'muvera'])
    expect(result.methods[0]).toMatchObject({ metrics: { 'ndcg@10': 1, 'mrr@10': 1, 'recall@100': 1 }, exactTop10: 1 })
    const run = (await readFile(join(work.path, 'out.exact.trec'), 'utf8')).trimEnd().split('\n')
    expect(run).toHaveLength(6)
    expect(run[0]).toMatch(/^q1 Q0 kiwi 1 \d+\.\d+ serotine-exact$/)
  })

  it('writes an HTML report that holds no token', async () => {
    const args = [
      '--first-stages',
      'exact,muvera',
      '--report',
      'out.html',
      '--candidates',
      '30',
      '--token',
      'hf_secret',
      '--offline',
      '--json',
    ]
    const { code, stdout, stderr } = await inWork('eval', 'collection', ...args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    // The methods that only the report needs are not in the other outputs.
    expect(
      (JSON.parse(stdout) as { methods: { firstStage: string }[] }).methods.map((method) => method.firstStage),
    ).toEqual(['exact', 'muvera'])
    const html = await readFile(join(work.path, 'out.html'), 'utf8')
    expect(html).toMatch(/^<!doctype html>/)
    expect(html).toContain('<td>exact MaxSim over all</td><td>1.0000</td>')
    // Three documents make no FDEs, so there is nothing to plot.
    expect(html).toContain('exact MaxSim of 30')
    expect(html).not.toContain('exact MaxSim of 100')
    expect(html).toContain(
      'serotine eval collection --first-stages exact,muvera --candidates 30 --report out.html --json --offline<',
    )
    expect(html).not.toContain('hf_secret')
  })

  it('reads other layouts than BEIR, with what they leave out', async () => {
    const bright = fileURLToPath(new URL('../fixtures/bright-mini', import.meta.url))
    const { stdout } = await inWork(
      'eval',
      bright,
      '--subset',
      'biology',
      '--first-stages',
      'exact',
      '--json',
      '--run-file',
      'bright.trec',
    )
    expect(JSON.parse(stdout)).toMatchObject({
      collection: 'bright-mini biology',
      split: 'standard',
      documents: 3,
      queries: 2,
    })
    const run = await readFile(join(work.path, 'bright.trec'), 'utf8')
    expect(run.match(/^0 Q0 /gm)).toHaveLength(3)
    expect(run.match(/^1 Q0 /gm)).toHaveLength(2)
    expect(run).not.toMatch(/^1 Q0 owl/m)
  })

  it('prints a table', async () => {
    const { stdout } = await inWork('eval', 'collection', '--first-stages', 'exact', '--metrics', 'ndcg@10,accuracy@1')
    expect(stdout).toMatch(
      /^collection test, 3 documents, 2 queries, .*\n\n\s+ndcg@10\s+accuracy@1\s+of exact top 10\s+a query\nexact MaxSim\s+1\.0000\s+1\.0000\s+1\.000\s+\d/,
    )
    expect(await inWork('eval', 'collection', '--first-stages', 'exotic')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('exotic'),
    })
    expect(await inWork('eval', 'collection', '--split', 'dev')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Splits: test'),
    })
  })
})

describe('serotine inspect', () => {
  it('shows a model’s layers, what it does to texts, and warnings', async () => {
    const { stdout, stderr, code } = await serotine([
      'inspect',
      join(GOLDENS, 'modernbert-tiny-wrong-residual', 'model'),
    ])
    expect(code).toBe(0)
    expect(stdout).toMatch(/layout\s+pylate\nencoder\s+ModernBERT, \d+ layers × \d+/)
    expect(stdout).toMatch(/2_Dense\s+\d+ → \d+\n/)
    expect(stderr).toMatch(/^warning .*[Rr]esidual/)
    const json = JSON.parse((await serotine(['inspect', 'micro', '--json'])).stdout) as object
    expect(json).toMatchObject({
      kind: 'model',
      config: { layout: 'pylate', dim: 128, encoder: { modelType: 'bert' } },
      warnings: [],
    })
  })

  it('shows what an index holds', async () => {
    await inWork('index', 'library', '-q')
    expect((await inWork('inspect')).stdout).toMatch(
      /^\.serotine\npassages\s+5\ntoken vectors\s+\d+ .*int8\)\nmodel\s+@serotine\/model-micro/,
    )
    expect(JSON.parse((await inWork('inspect', '.serotine', '--json')).stdout)).toMatchObject({
      kind: 'index',
      documents: 5,
      codec: 'int8',
      record: { root: '..' },
    })
  })

  it('shows the first stage that was asked for, which searches only read', async () => {
    await inWork('index', 'library', '--out', 'plain', '-q')
    const refused = await inWork('search', 'birds', '--index', 'plain', '--first-stage', 'centroids')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('serotine index <paths> --out plain --first-stage centroids')
    const fdes = await inWork('search', 'birds', '--index', 'plain', '--first-stage', 'muvera')
    expect(fdes.stderr).toContain('--out plain --rebuild --first-stage muvera')
    expect((await inWork('inspect', 'plain')).stdout).not.toMatch(/^centroids/m)

    await inWork('index', 'library', '--out', 'plain', '--first-stage', 'centroids', '-q')
    expect((await inWork('inspect', 'plain')).stdout).toMatch(/^centroids\s+\d+, trained at \d+ tokens$/m)
    const { stdout } = await inWork('search', 'birds', '--index', 'plain', '--first-stage', 'centroids', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ firstStage: 'centroids' })
  })
})

describe('serotine download', () => {
  it('fetches a model once, for every command to use', async () => {
    const hub = await startHub('org/tiny', join(GOLDENS, 'bert-tiny', 'model'))
    hub.token = 'hf_secret'
    const where = ['--endpoint', hub.endpoint, '--cache-dir', join(work.path, 'cache'), '--revision', 'v1']
    try {
      expect(await serotine(['download', 'org/tiny', ...where])).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^serotine: .*org\/tiny/),
      })
      const fetched = await serotine(['download', 'org/tiny', ...where, '--token', 'hf_secret', '--json'])
      expect({ code: fetched.code, stderr: fetched.stderr }).toEqual({ code: 0, stderr: '' })
      const { folder, revision } = JSON.parse(fetched.stdout) as { folder: string; revision: string }
      expect(folder.startsWith(join(work.path, 'cache'))).toBe(true)
      expect(revision).toBe(hub.commit)
    } finally {
      await hub.close()
    }
    const encoded = await serotine(['encode', '--query', '-m', 'org/tiny', ...where, '--offline'], {
      input: '{"id": 1, "text": "a"}',
    })
    expect(encoded).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('"embeddings"') })
    const indexed = await inWork(
      'index',
      'library',
      '-m',
      'org/tiny',
      ...where,
      '--offline',
      '--out',
      'tiny',
      '--json',
      '-q',
    )
    expect(JSON.parse(indexed.stdout)).toMatchObject({ model: 'org/tiny', passages: 5 })
    expect(await readFile(join(work.path, 'tiny', 'serotine.json'), 'utf8')).not.toContain('hf_secret')
    expect(await inWork('search', 'bird', '--index', 'tiny', '--offline')).toMatchObject({ code: 0, stderr: '' })
  })

  it('prints the folder, and never uses the network when told not to', async () => {
    const folder = join(GOLDENS, 'bert-tiny', 'model')
    expect(await serotine(['download', folder])).toMatchObject({ code: 0, stdout: `${folder}\n` })
    const offline = await serotine(['download', 'org/name', '--offline', '--cache-dir', work.path])
    expect(offline).toMatchObject({ code: 1, stdout: '' })
    expect(offline.stderr).toMatch(/^serotine: Offline.*org\/name/)
  })
})
