// Two real runs over a folder of 300 mixed files, one with things that cannot be read, one interrupted while rebuilding; and
// what else happens to an index between its first run and its last.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { canRunUnprivileged, giveAway, serotine, workFolder } from './run-cli.js'
import type { Outcome, RunOptions } from './run-cli.js'

const work = workFolder('library')
const inWork = (...args: string[]): Promise<Outcome> => serotine(args, { cwd: work.path })
const runIn = (args: string[], options: RunOptions): Promise<Outcome> => serotine(args, { cwd: work.path, ...options })

interface Summary {
  files: number
  passages: number
  added: number
  removed: number
  unchanged: number
  skipped: Record<string, number>
  unreadable: string[]
  skippedList?: { reason: string; place: string; message: string }[]
}
const summaryOf = ({ stdout }: Outcome): Summary => JSON.parse(stdout) as Summary

async function put(name: string, text: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(work.path, name)), { recursive: true })
  await writeFile(join(work.path, name), text)
}
async function idsFor(index: string, query = 'kiwi'): Promise<string[]> {
  const { stdout, stderr } = await inWork('search', query, '--json', '-k', '1000', '--index', index)
  expect(stderr).toBe('')
  return (JSON.parse(stdout) as { hits: { id: string }[] }).hits.map(({ id }) => id).sort()
}

/** READMEs of installed packages, and files of all other kinds; 300 in all, of which 244 are read. */
async function mixedFolder(name: string): Promise<void> {
  const packages = fileURLToPath(new URL('../../node_modules/.pnpm', import.meta.url))
  let real = 0
  for (const folder of readdirSync(packages).sort()) {
    if (real === 100) break
    // `@scope+name@version` holds node_modules/@scope/name.
    const path = join(packages, folder, 'node_modules', folder.replace(/(?<=.)@.*/, '').replace('+', '/'), 'README.md')
    const size = existsSync(path) ? (await stat(path)).size : 0
    if (size < 50 || size > 3000) continue
    await put(`${name}/packages/p${real++}/README.md`, await readFile(path))
  }
  if (real < 100) throw new Error(`only ${real} packages have a short README`)
  for (let i = 0; i < 50; i++) {
    await put(
      `${name}/html/page${i}.html`,
      `<title>Page ${i}</title><h1>Bird ${i}</h1><p>Bird number ${i} nests by the river.</p>`,
    )
    await put(`${name}/notes/n${i % 5}/note ${i}.txt`, `Note ${i}.\n\nThe ferry number ${i} leaves at noon.\n`)
    await put(`${name}/src/file${i}.ts`, `export const n${i} = ${i}\n`)
  }
  for (let i = 0; i < 20; i++) {
    const lines = Array.from({ length: 3 }, (_, n) =>
      JSON.stringify({ id: `r${i}-${n}`, text: `Record ${n} of file ${i}.`, lang: 'en' }),
    )
    const text = `${lines.join('\n')}\n`
    await put(i % 2 ? `${name}/data/d${i}.jsonl` : `${name}/data/d${i}.jsonl.gz`, i % 2 ? text : gzipSync(text))
  }
  for (let i = 0; i < 14; i++)
    await put(`${name}/guides/g${i}.rst`, `Guide ${i}\n=======\n\nHow to mend a net, part ${i}.\n`)
  for (let i = 0; i < 10; i++) await put(`${name}/closed/c${i}.md`, `# Closed ${i}\n\nOnly for some.\n`)
  for (let i = 0; i < 6; i++) await put(`${name}/assets/a${i}.txt`, new Uint8Array([0, 1, 2, 3, i]))
}

describe('a folder of 300 mixed files', () => {
  let outcome: Outcome
  beforeAll(async () => {
    await mixedFolder('mixed')
    outcome = await inWork('index', 'mixed', '--json', '-q', '--out', 'mixed-index')
  })

  it('is read', () => {
    const found = execFileSync('bash', ['-c', 'find mixed -type f | wc -l'], { cwd: work.path, encoding: 'utf8' })
    expect(found.trim()).toBe('300')
    expect([outcome.code, outcome.stderr]).toEqual([0, ''])
    const first = summaryOf(outcome)
    expect(first).toMatchObject({ files: 244, unreadable: [], skipped: { otherFiles: 50, binary: 6, unreadable: 0 } })
    expect(first.passages).toBe(first.added)
    expect(first.passages).toBeGreaterThan(300)
  })

  it.runIf(canRunUnprivileged())(
    'with a folder and files that cannot be read: named, counted, exit code 3, and nothing of them leaves the index',
    async () => {
      await cp(join(work.path, 'mixed'), join(work.path, 'partly'), { recursive: true })
      const index = ['index', 'partly', '--json', '-q', '--out', 'partly-index']
      expect((await inWork(...index)).code).toBe(0)
      const before = await idsFor('partly-index')
      await chmod(join(work.path, 'partly/closed'), 0)
      await chmod(join(work.path, 'partly/guides/g3.rst'), 0)
      await rm(join(work.path, 'partly/notes/n1/note 1.txt'))
      await symlink('note 1.txt', join(work.path, 'partly/notes/n1/note 1.txt'))
      await writeFile(
        Buffer.concat([Buffer.from(`${work.path}/partly/caf`), Buffer.from([0xe9]), Buffer.from('.md')]),
        'x',
      )
      execFileSync('mkfifo', [join(work.path, 'partly/pipe.md')])
      // Cut off in the middle.
      const gzip = await readFile(join(work.path, 'partly/data/d4.jsonl.gz'))
      await writeFile(join(work.path, 'partly/data/d4.jsonl.gz'), gzip.subarray(0, gzip.length - 12))
      // And this one is gone for good.
      await rm(join(work.path, 'partly/notes/n0/note 0.txt'))
      giveAway(work.path)
      const again = await runIn(index, { unprivileged: true })
      expect(again.code).toBe(3)
      const unreadable = [
        'partly/caf\ufffd.md',
        'partly/closed/',
        'partly/data/d4.jsonl.gz',
        'partly/guides/g3.rst',
        'partly/notes/n1/note 1.txt',
      ]
      expect(summaryOf(again)).toMatchObject({ removed: 1, added: 0, skipped: { unreadable: 5 } })
      expect(summaryOf(again).unreadable.sort()).toEqual(unreadable)
      // Named on standard error too, even with --quiet, since they ask for something to be done.
      for (const place of unreadable) expect(again.stderr).toContain(`warning ${place} cannot be read (`)
      expect(again.stderr).toContain('partly/closed/ cannot be read (EACCES: permission denied)')
      expect(await idsFor('partly-index')).toEqual(before.filter((id) => id !== 'partly/notes/n0/note 0.txt#1'))
      // Building anew would lose them, so it does not.
      const rebuilt = await runIn([...index, '--rebuild'], { unprivileged: true })
      expect(rebuilt.code).toBe(1)
      expect(rebuilt.stderr).toContain('partly-index holds passages of what cannot be read, so it stays as it was.')
      expect(await idsFor('partly-index')).toHaveLength(before.length - 1)
      expect(existsSync(join(work.path, 'partly-index/rebuild'))).toBe(false)
      const listed = await runIn(['index', 'partly', '--list-skipped', '-q', '--out', 'partly-index'], {
        unprivileged: true,
      })
      expect(listed.code).toBe(3)
      const lines = listed.stdout.trimEnd().split('\n')
      expect(lines).toHaveLength(50 + 6 + 5 + 1)
      expect(lines).toContain('partly/assets/a0.txt is binary: byte 0 is NUL; UTF-16 needs its byte order mark')
      expect(lines).toContain('partly/src/file0.ts is of another kind')
      expect(lines).toContain('partly/pipe.md is a pipe, a socket or a device')
      await chmod(join(work.path, 'partly/closed'), 0o755)
      await chmod(join(work.path, 'partly/guides/g3.rst'), 0o644)
    },
  )

  it.runIf(process.platform !== 'win32').each(['SIGINT', 'SIGKILL'] as const)(
    'stopped by %s while rebuilding: the old index answers, before and after',
    async (signal) => {
      const before = await idsFor('mixed-index')
      const during: string[][] = []
      const rebuild = ['index', 'mixed', '--rebuild', '--no-split', '--workers', '0', '--out', 'mixed-index']
      const stopped = await runIn(rebuild, {
        interrupt: {
          whenStderr: /did not fit/,
          signal,
          meanwhile: async () => {
            during.push(await idsFor('mixed-index'))
            // Whoever else would write is told to wait.
            const other = await inWork('index', 'mixed', '--out', 'mixed-index')
            expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('is being written by process') })
          },
        },
      })
      expect(during).toEqual([before])
      expect(await idsFor('mixed-index')).toEqual(before)
      expect(existsSync(join(work.path, 'mixed-index/rebuild'))).toBe(signal === 'SIGKILL')
      if (signal === 'SIGINT') {
        expect(stopped.code).toBe(130)
        expect(stopped.stderr).toContain(
          `mixed-index stays as it was, ${before.length.toLocaleString('en')} passages; nothing of the rebuild is kept.`,
        )
      }
      // The next run takes away what was left, and finds everything as it was: passages, not whole files.
      const next = summaryOf(await inWork('index', 'mixed', '--json', '-q', '--out', 'mixed-index'))
      expect(next).toMatchObject({ unchanged: before.length, added: 0, removed: 0 })
      expect(existsSync(join(work.path, 'mixed-index/rebuild'))).toBe(false)
      expect((await readdir(join(work.path, 'mixed-index'))).filter((name) => name.startsWith('lock'))).toEqual([])
    },
  )

  it('rebuilt otherwise, in one step', async () => {
    const rebuilt = summaryOf(
      await inWork('index', 'mixed', '--rebuild', '--no-split', '--json', '-q', '--out', 'mixed-index'),
    )
    // Whole files and JSONL lines.
    expect(rebuilt.passages).toBe(244 - 20 + 20 * 3)
    expect(await idsFor('mixed-index')).toHaveLength(rebuilt.passages)
    expect(JSON.parse(await readFile(join(work.path, 'mixed-index/serotine.json'), 'utf8'))).toMatchObject({
      passages: { split: false },
    })
    const left = (await readdir(join(work.path, 'mixed-index'))).filter(
      (name) => !/^\d{6}\.(tokens|texts|table|fde|deleted|keywords-codes)$/.test(name),
    )
    expect(left.sort()).toEqual(['manifest.json', 'serotine.json'])
  })
})

describe('emptied folders', () => {
  it('empty the index; other paths and --no-prune do not', async () => {
    await put('empty/a.md', 'Kiwis cannot fly.')
    await put('empty/sub/b.md', 'Owls hunt at night.')
    await put('other/c.md', 'Penguins swim.')
    const index = (...args: string[]): Promise<Outcome> => inWork('index', ...args, '--out', 'emptied', '--json', '-q')
    expect(summaryOf(await index('empty', 'other'))).toMatchObject({ passages: 3 })
    await rm(join(work.path, 'empty/a.md'))
    await rm(join(work.path, 'empty/sub/b.md'))
    const kept = await index('empty', '--no-prune')
    expect([kept.code, kept.stderr]).toEqual([1, expect.stringContaining('There are no texts in empty.')])
    expect(summaryOf(await index('empty'))).toMatchObject({ passages: 1, removed: 2, files: 0 })
    expect(await idsFor('emptied')).toEqual(['other/c.md#1'])
    // Nothing of it is left in the index: a slip in the path is told again.
    expect(await index('empty')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There are no texts in empty.'),
    })
    await rm(join(work.path, 'other/c.md'))
    expect(summaryOf(await index('other'))).toMatchObject({ passages: 0, removed: 1 })
    expect(await inWork('search', 'x', '--index', 'emptied')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'Nothing found for "x": the index is empty.\n',
    })
  })

  it('that are gone altogether are an error with the way out', async () => {
    await put('gone/a.md', 'Kiwis cannot fly.')
    await inWork('index', 'gone', 'library', '--out', 'with-gone', '-q')
    await rm(join(work.path, 'gone'), { recursive: true })
    const { code, stderr } = await inWork('index', 'gone', '--out', 'with-gone')
    expect(code).toBe(1)
    expect(stderr).toContain(
      'gone cannot be read (ENOENT). Check the path. If it is gone, take it out of the index with: serotine remove',
    )
    expect(await inWork('remove', 'gone', '--index', 'with-gone')).toMatchObject({
      code: 0,
      stderr: '✓ with-gone holds 5 passages: 1 passage removed\n',
    })
  })
})

describe('serotine remove', () => {
  it('takes out files, folders, ids and records that were cut', async () => {
    await put(
      'long.jsonl',
      `${JSON.stringify({ id: 'long', text: 'The ferry leaves at noon. '.repeat(120) })}\n{"id":"longer","text":"x"}\n`,
    )
    const { passages } = summaryOf(await inWork('index', 'library', 'long.jsonl', '--out', 'removed', '--json', '-q'))
    const before = await idsFor('removed')
    expect(before).toContain('long#2')
    const remove = async (...names: string[]): Promise<{ removed: number; passages: number }> => {
      const { code, stdout, stderr } = await inWork('remove', ...names, '--index', 'removed', '--json', '-q')
      expect([code, stderr]).toEqual([0, ''])
      return JSON.parse(stdout) as { removed: number; passages: number }
    }
    const nothing = await inWork('remove', 'library/birds', 'absent.md', '--index', 'removed')
    expect(nothing).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('removed has no passage of "absent.md"; nothing was removed.'),
    })
    expect(await idsFor('removed')).toEqual(before)
    const cut = before.filter((id) => id.startsWith('long#')).length
    expect(await remove('long')).toEqual({ index: 'removed', removed: cut, passages: passages - cut })
    expect(await remove('vol')).toMatchObject({ removed: 1 })
    expect(await remove('library/birds/')).toMatchObject({ removed: 2 })
    expect(await idsFor('removed')).toEqual(before.filter((id) => !/^(long#|vol$|library\/birds\/)/.test(id)))
    // From elsewhere: a path from there, or as it was indexed.
    const inBirds = { cwd: join(work.path, 'library', 'birds') }
    const elsewhere = await serotine(['remove', '../penguin.txt', '--index', '../../removed', '--json'], inBirds)
    expect(JSON.parse(elsewhere.stdout)).toMatchObject({ removed: 1 })
    const asIndexed = await serotine(['remove', 'long.jsonl', '--index', '../../removed', '--json'], inBirds)
    expect(JSON.parse(asIndexed.stdout)).toMatchObject({ removed: 1 })
    expect(await remove('.')).toMatchObject({ passages: 0 })
  })

  it('takes an id for an id and ./id for a path', async () => {
    await put('same/x.md', 'A file.')
    await put('same.jsonl', '{"id": "same", "text": "A record."}\n')
    await inWork('index', 'same', 'same.jsonl', '--out', 'twins', '-q')
    await inWork('remove', 'same', '--index', 'twins')
    expect(await idsFor('twins')).toEqual(['same/x.md#1'])
    await inWork('index', 'same', 'same.jsonl', '--out', 'twins', '-q')
    await inWork('remove', './same', '--index', 'twins')
    expect(await idsFor('twins')).toEqual(['same'])
  })
})

describe('what is read of a folder', () => {
  it('is remembered: endings, patterns, .gitignore', async () => {
    await put('tree/.gitignore', 'generated.md\n')
    for (const name of ['a.md', 'generated.md', 'b.ts', 'drafts/c.md', 'd.py'])
      await put(`tree/${name}`, `About ${name}.`)
    const index = async (...args: string[]): Promise<Summary> =>
      summaryOf(await inWork('index', 'tree', '--out', 'tree-index', '--json', '-q', ...args))
    expect(await index('--extensions', '.ts', '--exclude', 'drafts/', '--list-skipped')).toMatchObject({
      passages: 2,
      skipped: { ignored: 1, excluded: 1, otherFiles: 1 },
      skippedList: expect.arrayContaining([
        { reason: 'ignored', place: 'tree/generated.md', message: 'tree/generated.md is ignored by tree/.gitignore:1' },
        { reason: 'excluded', place: 'tree/drafts/', message: 'tree/drafts/ is excluded by drafts/' },
      ]),
    })
    expect(await index()).toMatchObject({ passages: 2, unchanged: 2, removed: 0 })
    expect((await inWork('inspect', 'tree-index')).stdout).toMatch(/read +also \.ts, without drafts\/\n/)
    expect(await index('--extensions', '.py')).toMatchObject({ passages: 3, added: 1 })
    expect(await index('--no-gitignore', '--exclude', '*.py', '--exclude', '*.ts')).toMatchObject({
      passages: 3,
      added: 2,
      removed: 2,
    })
    expect(await index('--exclude', '')).toMatchObject({ passages: 5 })
    expect(await index('--gitignore')).toMatchObject({ passages: 4, removed: 1 })
  })
})
