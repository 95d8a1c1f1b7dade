import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { serotine, workFolder } from './run-cli.js'

const work = workFolder('collection')
const evaluate = (...args: string[]) => serotine(['eval', ...args], { cwd: work.path })
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))

async function put(files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(work.path, name)), { recursive: true })
    await writeFile(join(work.path, name), content)
  }
}

/** Documents and queries numbered from 1, each query asking first of all for the document of its number. */
const numbered = (name: string): Record<string, string> => {
  const texts = ['Kiwis cannot fly.', 'Proxies forward requests.', 'The ferry to Skye is cancelled.']
  const lines = texts.map((text, i) => JSON.stringify({ _id: `${i + 1}`, text }))
  return {
    [`${name}/corpus.jsonl`]: lines.join('\n'),
    [`${name}/queries.jsonl`]: lines.join('\n'),
    [`${name}/qrels/test.tsv`]: `query-id\tcorpus-id\tscore\n${[1, 2, 3].map((i) => `${i}\t${i}\t1\n${i}\t${(i % 3) + 1}\t1\n`).join('')}`,
  }
}

describe('serotine eval', () => {
  it.each(['bigint-ids/beir', 'qrels-quoted'])('finds the judged document of %s', async (name) => {
    const { code, stdout, stderr } = await evaluate(fixture(name), '--first-stages', 'exact', '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ queries: 1, methods: [{ metrics: { 'ndcg@10': 1 } }] })
  })

  it('leaves out documents with the query’s id where asked, or in ArguAna and Quora, and says so', async () => {
    await put({ ...numbered('numbered'), ...numbered('arguana') })
    const found = async (...args: string[]) => {
      const { stdout } = await evaluate(...args, '--first-stages', 'exact', '--metrics', 'accuracy@1', '--json')
      const { ignoreIdenticalIds, methods } = JSON.parse(stdout) as {
        ignoreIdenticalIds: boolean
        methods: { metrics: Record<string, number> }[]
      }
      return [ignoreIdenticalIds, methods[0]!.metrics['accuracy@1']]
    }
    expect(await found('numbered')).toEqual([false, 1])
    expect(await found('arguana', '--no-ignore-identical-ids')).toEqual([false, 1])
    const said = /documents with the query’s id left out/
    expect((await evaluate('numbered', '--first-stages', 'exact')).stdout).not.toMatch(said)
    expect((await evaluate('numbered', '--first-stages', 'exact', '--ignore-identical-ids')).stdout).toMatch(said)
    expect((await evaluate('arguana', '--first-stages', 'exact')).stdout).toMatch(said)
  })

  it('has a row for what the index chooses by itself, and says where everything was scored exactly', async () => {
    const { stdout } = await evaluate('collection', '--alone', '--report', 'small.html')
    expect(stdout).toMatch(/\nexact MaxSim +1\.0/)
    expect(stdout).toMatch(/\nauto: exact MaxSim +1\.0/)
    expect(stdout).toMatch(/\nMUVERA alone \(here exact MaxSim\) +1\.0/)
    const html = await readFile(join(work.path, 'small.html'), 'utf8')
    expect(html).toContain('MUVERA alone (here exact MaxSim of all: too few tokens to learn from)')
    expect(html).toContain('auto: exact MaxSim')
    const { methods } = JSON.parse((await evaluate('collection', '--json')).stdout) as { methods: object[] }
    expect(methods).toMatchObject([
      { firstStage: 'exact', alone: false, foundBy: { exact: 2 } },
      { firstStage: 'auto', alone: false, foundBy: { exact: 2 } },
      { firstStage: 'centroids', alone: false, candidates: 100, foundBy: { centroids: 2 } },
      { firstStage: 'muvera', alone: false, candidates: 100, foundBy: { exact: 2 } },
    ])
  })

  it('measures first stages by the library’s words, with exact MaxSim and alone', async () => {
    const lines = Array.from({ length: 300 }, (_, i) =>
      JSON.stringify({ _id: `d${i}`, text: `Ferry ${i} sails at ${i}. `.repeat(8) }),
    )
    await put({
      'larger/corpus.jsonl': lines.join('\n'),
      'larger/queries.jsonl': '{"_id": "1", "text": "ferry 7"}',
      'larger/qrels/test.tsv': '1\td7\t1\n',
    })
    const args = ['--first-stages', 'exact,auto,centroids,muvera,fde', '--alone', '--run-file', 'larger.trec']
    const { stdout } = await evaluate('larger', ...args)
    const rows = stdout.trimEnd().split('\n').slice(3)
    expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual([
      'exact MaxSim',
      'auto: exact MaxSim',
      'centroids + MaxSim',
      'centroids alone',
      'MUVERA + MaxSim',
      'MUVERA alone',
      'FDE scan + MaxSim',
      'FDE scan alone',
    ])
    const scores = async (name: string) => (await readFile(join(work.path, `larger.${name}.trec`), 'utf8')).split('\n')
    expect((await scores('fde'))[0]).toMatch(/ serotine-fde$/)
    // MaxSim itself, and FDEs' estimate of it.
    expect((await scores('fde'))[0]!.split(' ')[4]).toBe((await scores('exact'))[0]!.split(' ')[4])
    expect((await scores('fde-alone'))[0]!.split(' ')[4]).not.toBe((await scores('fde'))[0]!.split(' ')[4])
  })

  it('measures a hybrid search where that is asked for', async () => {
    const texts = ['The call throws ERR_77.', 'The call throws ERR_2041.', 'Errors have numbers.', 'Kiwis cannot fly.']
    await put({
      'codes/corpus.jsonl': texts.map((text, i) => JSON.stringify({ _id: `d${i}`, text })).join('\n'),
      'codes/queries.jsonl': '{"_id": "1", "text": "ERR_2041"}',
      'codes/qrels/test.tsv': '1\td1\t1\n',
    })
    const args = ['codes', '--first-stages', 'exact', '--metrics', 'accuracy@1']
    const { stdout } = await evaluate(...args, '--hybrid', '--run-file', 'codes.trec')
    expect(stdout).toMatch(/\nhybrid: exact MaxSim \+ words +1\.0/)
    const run = async (name: string) => (await readFile(join(work.path, `codes.${name}.trec`), 'utf8')).split('\n')
    // More than MaxSim alone says of it: its words were added.
    const score = (lines: string[]) => Number(lines.find((line) => line.includes(' d1 '))!.split(' ')[4])
    expect(score(await run('hybrid'))).toBeGreaterThan(score(await run('exact')))
    const weighted = JSON.parse((await evaluate(...args, '--hybrid-weight', '2', '--json')).stdout) as {
      methods: object[]
    }
    expect(weighted.methods[1]).toMatchObject({ firstStage: 'auto', hybrid: { weight: 2 } })
    expect(Object.keys((weighted.methods[1] as { partsMs: object }).partsMs)).toContain('keywords')
    const refused = await evaluate(...args, '--hybrid', '--keywords', 'off')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('Omit --hybrid, or keep words with --keywords english.')
  })

  it('refuses the words it had before, and names the new ones', async () => {
    const refused = await evaluate('collection', '--stages', 'exact,default,fde')
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain('--first-stages exact,auto,muvera --alone.')
    const word = await evaluate('collection', '--first-stages', 'default')
    expect(word).toMatchObject({ code: 2, stdout: '' })
    expect(word.stderr).toMatch(/--first-stages takes auto, exact, centroids, muvera, fde, hnsw, not "default"/)
    expect((await evaluate('collection', '--first-stage', 'exact')).stderr).toMatch(/Did you mean --first-stages\?/)
    expect((await evaluate('collection', '--first-stages', 'hnsw', '--fde', 'none')).stderr).toMatch(/needs FDEs/)
  })

  it('tells once, for the whole run, of texts that were cut', async () => {
    const long = 'The ferry to Skye is cancelled today because of wind. '.repeat(3)
    const lines = Array.from({ length: 600 }, (_, i) =>
      JSON.stringify({ _id: `d${i}`, text: `${i} ${i % 2 ? long : 'x'}` }),
    )
    await put({
      'cut/corpus.jsonl': lines.join('\n'),
      'cut/queries.jsonl': '{"_id": "1", "text": "is the ferry running"}',
      'cut/qrels/test.tsv': '1\td1\t1\n',
    })
    const { stderr } = await evaluate(
      'cut',
      '--first-stages',
      'exact',
      '--document-length',
      '16',
      '--query-length',
      '4',
    )
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(
        /^warning 300 of 600 documents did not fit 16 tokens; up to \d+ tokens.*--document-length\.$/,
      ),
      expect.stringMatching(/^warning 1 of 1 query did not fit 4 tokens; up to \d+ tokens.*--query-length\.$/),
    ])
  })

  it('adds up lists that are given again, and replaces what is there without them', async () => {
    const args = [
      '--metric',
      'accuracy@1',
      '--metrics',
      'mrr@5,accuracy@1',
      '--first-stages',
      'fde',
      '--first-stages',
      'exact',
      '--json',
    ]
    const { methods } = JSON.parse((await evaluate('collection', ...args)).stdout) as {
      methods: { firstStage: string; metrics: object }[]
    }
    expect(methods.map(({ firstStage, metrics }) => [firstStage, Object.keys(metrics)])).toEqual([
      ['fde', ['accuracy@1', 'mrr@5']],
      ['exact', ['accuracy@1', 'mrr@5']],
    ])
  })

  it('finds before encoding what would be wrong after it', async () => {
    await put({
      'spaced/corpus.jsonl': '{"_id": "doc one", "text": "a"}\n{"_id": "b", "text": "b"}',
      'spaced/queries.jsonl': '{"_id": "1", "text": "a"}',
      'spaced/qrels/test.tsv': '1\tdoc one\t1\n1\tgone\t1\n',
    })
    const refused = await evaluate('spaced', '--run-file', 'run.trec', '--index', 'never')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/A TREC run cannot hold the document id "doc one"/)
    const metric = await evaluate('spaced', '--metrics', 'ngcd@10', '--index', 'never')
    expect(metric.stderr).toMatch(/No metric "ngcd@10"/)
    expect(existsSync(join(work.path, 'never'))).toBe(false)
    const fine = await evaluate('spaced', '--first-stages', 'exact', '--json')
    expect(fine.code).toBe(0)
    expect(fine.stderr).toMatch(/^warning 1 of 2 documents that spaced judges are not in its corpus, "gone" for one/)
  })
})

describe('ids beyond 2^53', () => {
  const posts = fixture('bigint-ids/posts.jsonl')

  it('are whole in an index, in encodings and in rankings', async () => {
    expect(await serotine(['index', posts, '--out', 'posts', '-q'], { cwd: work.path })).toMatchObject({ code: 0 })
    const search = await serotine(['search', 'ferry', '--index', 'posts', '-k', '1', '--json'], { cwd: work.path })
    expect(JSON.parse(search.stdout)).toMatchObject({ hits: [{ id: '1734562345678901235' }] })
    const encoded = await serotine(['encode', '--document', posts])
    expect(encoded.stdout).toMatch(/^\{"id":1734562345678901235,"inputIds":\[/)
    expect(encoded.stdout).toMatch(/\n\{"id":1734562345678901236,"inputIds":\[/)
    const ranked = await serotine(['rerank', 'ferry', posts, '--json'])
    expect(ranked.stdout).toContain('"id":1734562345678901235,')
  })

  it('in --where are refused, since none would be found', async () => {
    const { code, stderr } = await serotine(['search', 'x', '--where', 'n=1734562345678901235'], { cwd: work.path })
    expect(code).toBe(2)
    expect(stderr).toMatch(/write it as a string/)
  })
})
