import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { serotine, workFolder } from './run-cli.js'
import type { Outcome } from './run-cli.js'

const work = workFolder('library')
const inWork = (...args: string[]): Promise<Outcome> => serotine(args, { cwd: work.path })

interface Hit {
  rank: number
  id: string
  score: number
  meanSimilarity: number
  source: string
  line: number
  text: string
  metadata: Record<string, unknown>
}
interface Answer {
  query: string
  firstStage: string
  candidates: number
  milliseconds: Record<string, number>
  hits: Hit[]
}

const answers = (stdout: string): Answer[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer)
const summary = (outcome: Outcome): Record<string, number> => {
  expect(outcome.stderr).toBe('')
  return JSON.parse(outcome.stdout) as Record<string, number>
}

describe('index and search', () => {
  let indexed: Outcome
  beforeAll(async () => {
    indexed = await inWork('index', 'library')
  })

  it('indexes a folder of all kinds of files, quietly in a pipe', () => {
    expect(indexed.code).toBe(0)
    expect(indexed.stdout).toBe('')
    expect(indexed.stderr).toMatch(
      /^✓ \.serotine holds 5 passages: 5 new\n {2}4 files in .* with @serotine\/model-micro\n$/,
    )
  })

  it('shows hits with their place, heading, scores and text', async () => {
    const { code, stdout, stderr } = await inWork('search', 'Which bird lays the largest egg?', '-k', '2')
    expect(code).toBe(0)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^ 1 {2}library\/birds\/kiwi\.md:6 {2}Kiwi .* 0\.\d{3} \(\d+\.\d\d\)\n {4}/)
    expect(stdout).toContain('lays the largest egg of all birds')
    expect(stdout).not.toContain('\u001b[')
  })

  it('turns pages', async () => {
    const whole = answers((await inWork('search', 'a bird', '--json', '-k', '4')).stdout)[0]!.hits
    const page = answers((await inWork('search', 'a bird', '--json', '-k', '2', '--offset', '2')).stdout)[0]!.hits
    expect(page).toEqual(whole.slice(2))
    const shown = await inWork('search', 'a bird', '-k', '2', '--offset', '2')
    expect(shown.stdout).toMatch(/^ 3 {2}/)
    const { code, stdout, stderr } = await inWork('search', 'a bird', '--offset', '5')
    expect([code, stdout, stderr]).toEqual([0, '', 'Nothing found for "a bird" after the first 5 hits.\n'])
  })

  it('marks the words that matched when colours are on', async () => {
    const { stdout } = await serotine(['search', 'largest egg', '-k', '1'], {
      cwd: work.path,
      env: { FORCE_COLOR: '1' },
    })
    expect(stdout).toContain('\u001b[1m\u001b[33mlargest\u001b[39m\u001b[22m')
    const plain = await serotine(['search', 'largest egg', '-k', '1', '--no-color'], {
      cwd: work.path,
      env: { FORCE_COLOR: '1' },
    })
    expect(plain.stdout).not.toContain('\u001b[')
  })

  it('prints one JSON object per query', async () => {
    const { code, stdout } = await inWork('search', 'longest migration', '--json', '-k', '3', '--explain')
    expect(code).toBe(0)
    const [answer] = answers(stdout)
    expect(answer).toMatchObject({ query: 'longest migration', firstStage: 'exact', candidates: 5 })
    expect(answer!.hits).toHaveLength(3)
    expect(answer!.hits[0]).toMatchObject({
      rank: 1,
      id: 'library/birds/tern.html#1',
      source: join('library', 'birds', 'tern.html'),
      line: 6,
      metadata: { title: 'Arctic tern', heading: 'Arctic tern', source: 'library/birds/tern.html' },
      matches: expect.arrayContaining([expect.objectContaining({ token: 'migration' })]),
    })
    expect(answer!.hits[0]!.text).toContain('pole & back')
    expect(answer!.hits[0]!.text).not.toContain('penguin')
    const { score, meanSimilarity } = answer!.hits[0]!
    expect(score).toBeGreaterThan(answer!.hits[1]!.score)
    expect(meanSimilarity).toBeGreaterThan(0)
    expect(meanSimilarity).toBeLessThanOrEqual(1)
    expect(Object.keys(answer!.milliseconds)).toEqual(['encode', 'firstStage', 'fetch', 'rerank'])
  })

  it('counts words, too, where that is asked for', async () => {
    const hybrid = await inWork('search', 'what about "its own size"', '--hybrid', '--json')
    const [answer] = answers(hybrid.stdout)
    expect(answer!.hits).toHaveLength(1)
    expect(answer!.hits[0]).toMatchObject({
      id: 'library/birds/kiwi.md#1',
      maxSim: expect.any(Number),
      keywords: { score: expect.any(Number), words: expect.arrayContaining(['size']) },
    })
    expect(answer!.milliseconds.keywords).toBeGreaterThan(0)
    const [weighted] = answers((await inWork('search', 'kiwi', '--hybrid-weight', '2', '--json')).stdout)
    const { score, maxSim } = weighted!.hits[0]! as Hit & { maxSim: number }
    expect(score).toBeGreaterThan(maxSim)
    const wrong = await inWork('search', 'kiwi', '--hybrid-weight', 'much')
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('It must be a number of at least 0.') })
  })

  it('keeps words of another language, or none', async () => {
    expect((await inWork('index', 'library', '--out', 'german', '--keywords', 'german')).code).toBe(0)
    expect((await inWork('inspect', 'german')).stdout).toMatch(/^words +german$/m)
    expect((await inWork('index', 'library', '--out', 'wordless', '--keywords', 'off')).code).toBe(0)
    const { code, stderr } = await inWork('search', 'kiwi', '--index', 'wordless', '--hybrid')
    expect([code, stderr]).toEqual([1, expect.stringContaining('keeps no words for a hybrid search')])
    const wrong = await inWork('index', 'library', '--out', 'wrong', '--keywords', 'germn')
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('Did you mean "german"?') })
  })

  it('answers one query per line from standard input', async () => {
    const { stdout } = await serotine(['search', '-', '--json', '-k', '1'], {
      cwd: work.path,
      input: 'set a proxy\r\n\nKiwi food\n',
    })
    expect(answers(stdout).map(({ query, hits }) => [query, hits[0]!.id])).toEqual([
      ['set a proxy', 'proxy'],
      ['Kiwi food', 'library/birds/kiwi.md#1'],
    ])
  })

  it('filters by metadata', async () => {
    const ids = async (...where: string[]): Promise<string[]> => {
      const { stdout, stderr } = await inWork(
        'search',
        'birds that swim',
        '--json',
        ...where.flatMap((condition) => ['--where', condition]),
      )
      expect(stderr).toBe('')
      return answers(stdout)[0]!.hits.map(({ id }) => id)
    }
    expect(await ids('lang=fr')).toEqual(['vol'])
    expect((await ids('year>=2019')).sort()).toEqual(['proxy', 'vol'])
    expect(await ids('year>=2019', 'lang=en')).toEqual(['proxy'])
    expect(await ids('{"title": {"contains": "tern"}}')).toEqual(['library/birds/tern.html#1'])
    expect(await ids('lang=de')).toEqual([])
  })

  it('joins words that nobody quoted', async () => {
    const quoted = await inWork('search', 'largest egg of all birds', '-k', '2')
    expect(await inWork('search', 'largest', 'egg', 'of', 'all', 'birds', '-k', '2')).toEqual(quoted)
    expect(await inWork('search', '-k', '2', 'largest egg', 'of all', 'birds')).toEqual(quoted)
  })

  it('says on standard error when nothing was found, and that is no error', async () => {
    expect(await inWork('search', 'birds', '--where', 'lang=de')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'Nothing found for "birds": none of 5 passages fits the --where.\n',
    })
    expect(await inWork('search', 'birds', '--where', 'lang=de', '-q')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('refuses a condition on a field that no passage has, and suggests one', async () => {
    const refused = async (...where: string[]): Promise<string> => {
      const args = where.flatMap((condition) => ['--where', condition])
      const { code, stdout, stderr } = await inWork('search', 'birds', '--json', ...args)
      expect([code, stdout]).toEqual([2, ''])
      return stderr
    }
    expect(await refused('langg=en')).toBe('serotine: --where: no passage has a field "langg". Did you mean "lang"?\n')
    expect(await refused('lang=en', 'Year>=2019')).toContain('"Year". Did you mean "year"?')
    expect(await refused('category!=draft')).toMatch(/no passage has a field "category"\. Fields: .*lang.*year/)
    expect(await refused('{"or": [{"lang": "en"}, {"not": {"yaer": 2019}}]}')).toContain('Did you mean "year"?')
    expect(await refused('{"year": {"gte": 2019}, "source.name": "x"}')).toContain(
      'no passage has a field "source.name"',
    )
    // Whether a field is there may be asked of any.
    expect((await inWork('search', 'birds', '--json', '--where', '{"draft": {"exists": false}}')).code).toBe(0)
  })

  it('finds its index and shows paths from another folder', async () => {
    const { stdout } = await serotine(['search', 'largest egg', '--index', '../../.serotine', '--json', '-k', '1'], {
      cwd: join(work.path, 'library', 'birds'),
    })
    expect(answers(stdout)[0]!.hits[0]).toMatchObject({ id: 'library/birds/kiwi.md#1', source: 'kiwi.md' })
  })

  // A pipe that closes early is a matter of POSIX shells.
  it.skipIf(process.platform === 'win32')('survives a reader that goes away', async () => {
    const { execFile } = await import('node:child_process')
    const cli = fileURLToPath(new URL('../../packages/cli/dist/cli.js', import.meta.url))
    const lines = Array.from({ length: 40 }, () => 'birds').join('\\n')
    const outcome = await new Promise<string>((resolve, reject) => {
      const command = `set -o pipefail; printf '${lines}' | node '${cli}' search - --json | head -1 | cut -c1-20`
      execFile('bash', ['-c', command], { cwd: work.path }, (error, stdout, stderr) =>
        error ? reject(error) : resolve(stdout + stderr),
      )
    })
    expect(outcome).toBe('{"query":"birds","fi\n')
  })
})

describe('a second run', () => {
  it('encodes what changed, removes what is gone, keeps what lies elsewhere', async () => {
    await cp(join(work.path, 'library'), join(work.path, 'books'), { recursive: true })
    await rm(join(work.path, 'books', 'facts.jsonl'))
    const run = async (...paths: string[]) =>
      summary(await inWork('index', ...paths, '--out', 'second', '--json', '-q'))
    expect(await run('books')).toMatchObject({ passages: 3, files: 3, added: 3, updated: 0, unchanged: 0, removed: 0 })
    expect(await run('books')).toMatchObject({ passages: 3, added: 0, updated: 0, unchanged: 3, removed: 0 })
    await appendFile(join(work.path, 'books', 'penguin.txt'), 'They are black and white.\n')
    await rm(join(work.path, 'books', 'birds', 'tern.html'))
    await writeFile(join(work.path, 'books', 'emu.md'), '# Emu\n\nEmus run fast.\n')
    expect(await run('books')).toMatchObject({ passages: 3, added: 1, updated: 1, unchanged: 1, removed: 1 })
    expect(await run('library/facts.jsonl')).toMatchObject({ passages: 5, added: 2, removed: 0 })
    await rm(join(work.path, 'books', 'emu.md'))
    expect(summary(await inWork('index', 'books', '--out', 'second', '--json', '-q', '--no-prune'))).toMatchObject({
      passages: 5,
      removed: 0,
    })
    expect(await run('books')).toMatchObject({ passages: 4, removed: 1 })
  })

  it('remembers how the index was made', async () => {
    const made = await inWork(
      'index',
      'library',
      '--out',
      'third',
      '--pool-factor',
      '2',
      '--document-length',
      '64',
      '--passage-tokens',
      '20',
      '-q',
    )
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(await readFile(join(work.path, 'third', 'serotine.json'), 'utf8'))).toEqual({
      version: 1,
      options: { documentLength: 64, poolFactor: 2 },
      root: '..',
      passages: { maxTokens: 20 },
    })
    expect((await inWork('search', 'largest egg', '--index', 'third', '-k', '1')).stdout).toContain('kiwi.md:6')
    expect(summary(await inWork('index', 'library', '--out', 'third', '--json', '-q'))).toMatchObject({
      added: 0,
      updated: 0,
      removed: 0,
    })
  })

  it('refuses another model until told to rebuild', async () => {
    const model = join(work.path, '..', 'no-such-model')
    expect(await inWork('index', 'library', '--out', 'third', '-m', model)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no-such-model'),
    })
    const other = await inWork('index', 'library', '--out', 'third', '--query-length', '16')
    expect(other.code).toBe(1)
    expect(other.stderr).toMatch(/^serotine: .*model.* Or start over with --rebuild\.\n$/)
    const rebuilt = summary(
      await inWork('index', 'library', '--out', 'third', '--query-length', '16', '--rebuild', '--json', '-q'),
    )
    expect(rebuilt).toMatchObject({ passages: 5, added: 5 })
  })

  // On Windows `kill` ends a process at once, whatever the signal.
  it.skipIf(process.platform === 'win32')(
    'stops at Ctrl-C with what was committed, and goes on from there',
    async () => {
      // The long text is in the third batch of 256, and is warned of when that begins.
      const text = (i: number): string =>
        i === 600 ? 'A text that does not fit is cut, and a warning says so. '.repeat(60) : `Text number ${i}.`
      const lines = Array.from({ length: 2000 }, (_, i) => JSON.stringify({ id: `d${i}`, text: text(i) }))
      await writeFile(join(work.path, 'many.jsonl'), lines.join('\n'))
      const args = ['index', 'many.jsonl', '--no-split', '--workers', '0', '--out', 'stopped']
      const stopped = await serotine(args, { cwd: work.path, interrupt: { whenStderr: /did not fit/ } })
      expect(stopped.code).toBe(130)
      expect(stopped.stderr).toMatch(/run the same command again to continue\.\nserotine: interrupted\n$/)
      const kept = Number(/stopped keeps ([\d,]+) passages?;/.exec(stopped.stderr)![1]!.replace(',', ''))
      expect(kept).toBeGreaterThanOrEqual(512)
      expect(kept).toBeLessThan(2000)
      const inspected = JSON.parse((await inWork('inspect', 'stopped', '--json')).stdout) as { documents: number }
      expect(inspected.documents).toBe(kept)
      const completed = JSON.parse((await inWork(...args, '--json', '-q')).stdout) as object
      expect(completed).toMatchObject({ passages: 2000, unchanged: kept, added: 2000 - kept, updated: 0 })
    },
  )
})
