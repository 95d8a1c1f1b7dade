import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import * as fc from '../../support/fast-check.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readTexts } from '../../../packages/cli/src/index.js'
import type { Skipped } from '../../../packages/cli/src/index.js'
import { findFiles } from '../../../packages/cli/src/input/walk.js'
import type { WalkOptions } from '../../../packages/cli/src/input/walk.js'

let root: string
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'serotine-walk-')))
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function put(files: Record<string, string>, at = root): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(at, name)), { recursive: true })
    await writeFile(join(at, name), text)
  }
}
async function walk(
  paths: readonly string[] = [root],
  options: WalkOptions = {},
): Promise<{ names: string[]; skipped: string[]; reasons: string[] }> {
  const skipped: Skipped[] = []
  const { files } = await findFiles(paths, { root, onSkip: (each) => skipped.push(each), ...options })
  return {
    names: files.map(({ path }) => relative(root, path)),
    skipped: skipped.map(({ message }) => message).sort(),
    reasons: skipped.map(({ reason, place }) => `${place}: ${reason}`).sort(),
  }
}

describe('.gitignore', () => {
  it('counts, nested ones too, with negation; each says which line', async () => {
    await put({
      '.gitignore': '# built\n/out/\n*.log.md\n!keep.log.md\n',
      'a.md': '',
      'x.log.md': '',
      'keep.log.md': '',
      'out/b.md': '',
      'sub/out/c.md': '',
      'sub/.gitignore': '!x.log.md\n/d.md\ntmp/**\n',
      'sub/x.log.md': '',
      'sub/d.md': '',
      'sub/deep/d.md': '',
      'sub/tmp/e.md': '',
    })
    const { names, skipped } = await walk()
    expect(names).toEqual(['a.md', 'keep.log.md', 'sub/deep/d.md', 'sub/out/c.md', 'sub/x.log.md'])
    const shown = skipped.map((message) => message.replaceAll(`${root}/`, ''))
    expect(shown).toEqual([
      '.gitignore begins with a dot',
      'out/ is ignored by .gitignore:2',
      'sub/.gitignore begins with a dot',
      'sub/d.md is ignored by sub/.gitignore:2',
      'sub/tmp/e.md is ignored by sub/.gitignore:3',
      'x.log.md is ignored by .gitignore:3',
    ])
    expect((await walk([root], { gitignore: false })).names).toHaveLength(9)
  })

  it('of the folders around count inside a repository, not outside', async () => {
    await put({ 'repo/.git/info/exclude': 'private.md\n', 'repo/.gitignore': 'gen/\n*.tmp.md\n' })
    await put({ 'repo/docs/a.md': '', 'repo/docs/b.tmp.md': '', 'repo/docs/gen/c.md': '', 'repo/docs/private.md': '' })
    await put({ '.gitignore': '*.md\n' })
    expect((await walk([join(root, 'repo/docs')])).names).toEqual(['repo/docs/a.md'])
    // Asked for by name, what is ignored is read, by the rules inside.
    expect((await walk([join(root, 'repo/docs/gen')])).names).toEqual(['repo/docs/gen/c.md'])
    expect((await walk([join(root, 'repo/docs/b.tmp.md')])).names).toEqual(['repo/docs/b.tmp.md'])
  })

  const hasGit = spawnSync('git', ['--version']).status === 0
  it.runIf(hasGit)('agrees with Git on any tree and rules', async () => {
    const name = fc.constantFrom('a', 'b', 'c.md', 'd.md', 'x[1].md', 'e f.md')
    const pattern = fc
      .tuple(
        fc.constantFrom('', '!', '/', '!/', '**/', 'a/'),
        fc.constantFrom(
          'a',
          'b',
          '*.md',
          'c.*',
          'a/**',
          'b/*',
          '**/d.md',
          '?.md',
          '[ab]',
          'x\\[1\\].md',
          'e f.md',
          '*',
          'a/b',
        ),
        fc.constantFrom('', '/', '  ', '\r'),
      )
      .map((parts) => parts.join(''))
    const tree = fc.record({
      files: fc.uniqueArray(
        fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `${parts.join('/')}.md`),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
      ignores: fc.array(
        fc.tuple(fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }), fc.array(pattern, { maxLength: 4 })),
        { maxLength: 3 },
      ),
    })
    let number = 0
    await fc.assert(
      fc.asyncProperty(tree, async ({ files, ignores }) => {
        const at = join(root, `repo${number++}`)
        await mkdir(at)
        execFileSync('git', ['init', '-q', at])
        for (const file of files) await put({ [file]: 'x' }, at).catch(() => {})
        for (const [folder, patterns] of ignores)
          await put({ [join(...folder, '.gitignore')]: `${patterns.join('\n')}\n` }, at).catch(() => {})
        const listed = execFileSync(
          'git',
          [
            '-c',
            'core.excludesFile=/dev/null',
            '-c',
            'core.ignorecase=false',
            'ls-files',
            '-z',
            '--others',
            '--exclude-standard',
          ],
          { cwd: at, encoding: 'utf8' },
        )
        const wanted = listed.split('\0').filter((file) => file !== '' && !file.includes('.gitignore'))
        const { files: found } = await findFiles([at])
        expect(found.map(({ path }) => relative(at, path)).sort()).toEqual(wanted.sort())
      }),
      { numRuns: 60, seed: 11 },
    )
  })
})

describe('exclude', () => {
  it('takes patterns of the folder given and of the current folder, and whole paths; it counts for files named as well', async () => {
    await put({ 'docs/a.md': '', 'docs/drafts/b.md': '', 'docs/x.test.md': '', 'docs/en/c.md': '', 'docs/de/c.md': '' })
    const docs = join(root, 'docs')
    const names = async (...exclude: string[]): Promise<string[]> => (await walk([docs], { exclude })).names
    expect(await names('drafts/')).not.toContain('docs/drafts/b.md')
    expect(await names('*.test.md')).not.toContain('docs/x.test.md')
    expect(await names('/de/*.md', '/en')).toEqual(['docs/a.md', 'docs/drafts/b.md', 'docs/x.test.md'])
    expect(await names('*', '!a.md')).toEqual(['docs/a.md'])
    expect(await names(join(docs, 'drafts'))).not.toContain('docs/drafts/b.md')
    const cwd = process.cwd()
    process.chdir(root)
    try {
      expect(await names('docs/en')).not.toContain('docs/en/c.md')
      expect(await names('./docs/en/c.md')).not.toContain('docs/en/c.md')
    } finally {
      process.chdir(cwd)
    }
    const { names: named, reasons } = await walk([join(docs, 'a.md'), join(docs, 'x.test.md')], {
      exclude: ['*.test.md'],
    })
    expect(named).toEqual(['docs/a.md'])
    expect(reasons).toEqual(['docs/x.test.md: excluded'])
  })
})

describe('what is passed over', () => {
  it('is told with its reason', async () => {
    await put({ 'a.md': '', 'b.ts': '', '.c.md': '', 'node_modules/d.md': '', '.e/f.md': '' })
    await symlink(root, join(root, 'circle'))
    await symlink(join(root, 'nowhere'), join(root, 'dangling.md'))
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(root, 'pipe.md')])
    const { reasons } = await walk([root], { exclude: ['a.md'] })
    expect(reasons).toEqual(
      [
        '.c.md: hidden',
        '.e/: hidden',
        'a.md: excluded',
        'b.ts: other-kind',
        'circle/: link',
        'dangling.md: link',
        'node_modules/: hidden',
        ...(process.platform === 'win32' ? [] : ['pipe.md: special']),
      ].sort(),
    )
  })
})

describe('what cannot be read', () => {
  it.runIf(process.platform !== 'win32')('does not stop a walk that says so, and stops any other', async () => {
    await put({ 'a.md': 'x', 'sub/b.md': 'x' })
    await symlink('loop.md', join(root, 'loop.md'))
    await writeFile(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9]), Buffer.from('.md')]), 'x')
    await mkdir(Buffer.concat([Buffer.from(`${root}/dir`), Buffer.from([0xe9])]))
    await mkdir(join(root, 'closed'))
    await put({ 'closed/c.md': 'x' })
    await chmod(join(root, 'closed'), 0)
    const isRoot = process.getuid?.() === 0
    const { names, skipped, reasons } = await walk([root], { skipUnreadable: true })
    await chmod(join(root, 'closed'), 0o755)
    expect(names).toEqual(isRoot ? ['a.md', 'closed/c.md', 'sub/b.md'] : ['a.md', 'sub/b.md'])
    expect(reasons).toEqual(
      [
        'caf\ufffd.md: unreadable',
        'dir\ufffd/: unreadable',
        'loop.md: unreadable',
        ...(isRoot ? [] : ['closed/: unreadable']),
      ].sort(),
    )
    expect(skipped).toContain('caf\ufffd.md cannot be read (its name is not valid UTF-8; rename it)')
    expect(skipped.join('\n')).toMatch(/loop\.md cannot be read \(ELOOP: [^,]*\)/)
    await expect(walk()).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('cannot be read'),
    })
  })

  it('does not stop the reading of the other files', async () => {
    await put({
      'a.md': 'Kiwis cannot fly.',
      'b.md': 'x',
      'c.jsonl': '{"text":"Penguins swim."}',
      'd.jsonl': 'x',
      'e.jsonl.gz': 'no gzip',
    })
    await put({ 'f.md': 'Owls hunt.' })
    const read = async (skipUnreadable: boolean): Promise<{ ids: string[]; skipped: Skipped[] }> => {
      const skipped: Skipped[] = []
      const ids: string[] = []
      const texts = readTexts([root], { root, skipUnreadable, onSkip: (each) => skipped.push(each) })
      for await (const { id } of texts) {
        ids.push(id)
        // Gone, or a folder by now, between being found and being read.
        if (id === 'a.md#1' && skipUnreadable) {
          await rm(join(root, 'b.md'))
          await rm(join(root, 'd.jsonl'))
          await mkdir(join(root, 'd.jsonl'))
        }
      }
      return { ids, skipped }
    }
    const { ids, skipped } = await read(true)
    expect(ids).toEqual(['a.md#1', 'c.jsonl:1', 'f.md#1'])
    expect(skipped).toEqual([
      { reason: 'unreadable', place: 'b.md', message: 'b.md cannot be read (ENOENT: no such file or directory)' },
      { reason: 'unreadable', place: 'd.jsonl', message: expect.stringContaining('d.jsonl cannot be read (EISDIR') },
      { reason: 'unreadable', place: 'e.jsonl.gz', message: expect.stringContaining('e.jsonl.gz cannot be read (') },
    ])
    await rm(join(root, 'd.jsonl'), { recursive: true })
    await expect(read(false)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('e.jsonl.gz'),
    })
    // What is given itself is an error all the same.
    const named = readTexts([root, join(root, 'e.jsonl.gz')], { root, skipUnreadable: true })
    const drain = async (): Promise<void> => {
      for await (const { id } of named) expect(id).not.toBe('')
    }
    await expect(drain()).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('e.jsonl.gz'),
    })
  })

  it.runIf(process.platform !== 'win32')('stops the walk when it is given itself', async () => {
    await symlink('loop.md', join(root, 'loop.md'))
    await expect(walk([join(root, 'loop.md')], { skipUnreadable: true })).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('cannot be read (ELOOP). Check the path.'),
    })
  })
})
