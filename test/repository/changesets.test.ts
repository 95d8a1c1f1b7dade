// Every changeset can be released: it names packages that exist, says something, and what a release does to the
// repository is what `changeset version` does to a copy of its manifests.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const changesets = join(root, '.changeset')
const files = readdirSync(changesets).filter((name) => name.endsWith('.md') && name !== 'README.md')

interface Manifest {
  name: string
  version: string
  private?: boolean
  dependencies?: Record<string, string>
}
const manifest = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
const foldersOf = (from: string, parent: string) =>
  readdirSync(join(from, parent))
    .filter((name) => existsSync(join(from, parent, name, 'package.json')))
    .map((name) => join(from, parent, name))
/** The native runtimes bear the version of the ONNX Runtime that is in them, and are published when it changes. */
const isRuntime = (folder: string) => basename(folder).startsWith('runtime-')
const published = foldersOf(root, 'packages')
  .filter((folder) => !isRuntime(folder))
  .map(manifest)
const names = published.map(({ name }) => name)

const COMMAND = join(dirname(createRequire(import.meta.url).resolve('@changesets/cli/package.json')), 'bin.js')
const changeset = (cwd: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { cwd, encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

/** What is wrong with a changeset, as a sentence for each fault. */
function faultsOf(text: string): string[] {
  const [, head, body] = /^---\r?\n([\s\S]*?)---\r?\n([\s\S]*)$/.exec(text) ?? []
  if (head === undefined || body === undefined) return ['has no front matter']
  const releases = (parse(head) ?? {}) as Record<string, string>
  return [
    ...Object.keys(releases)
      .filter((name) => !names.includes(name))
      .map((name) => `names ${name}, which is none of ${names.join(', ')}`),
    ...Object.values(releases)
      .filter((bump) => !['major', 'minor', 'patch'].includes(bump))
      .map((bump) => `asks for a ${bump} release`),
    ...(Object.keys(releases).length > 0 && body.trim() === '' ? ['says nothing to the user'] : []),
  ]
}

describe('changesets', () => {
  it.each(files)('%s names packages of this workspace and says what changed', (name) => {
    expect(faultsOf(readFileSync(join(changesets, name), 'utf8'))).toEqual([])
  })

  it('would be refused for a package that is not there, a bump that does not exist, and silence', () => {
    expect(faultsOf("---\n'@serotine/cli': minor\n---\n\nText.\n")).toEqual([
      expect.stringMatching(/^names @serotine\/cli/),
    ])
    expect(faultsOf("---\n'serotine': mayor\n---\n\nText.\n")).toEqual(['asks for a mayor release'])
    expect(faultsOf("---\n'serotine': patch\n---\n\n")).toEqual(['says nothing to the user'])
    expect(faultsOf('Text.\n')).toEqual(['has no front matter'])
    expect(faultsOf('---\n---\n')).toEqual([])
  })

  it('release every package of ours together, and no example', () => {
    const { fixed, access, baseBranch, ignore } = JSON.parse(readFileSync(join(changesets, 'config.json'), 'utf8'))
    expect(fixed).toHaveLength(1)
    const matches = (name: string) =>
      fixed[0].some((glob: string) => glob === name || glob === name.replace(/\/.*/, '/*'))
    expect(fixed[0]).toContain('!@serotine/runtime-*')
    expect(names.filter((name) => !matches(name))).toEqual([])
    const examples = foldersOf(root, 'examples').map(manifest)
    expect(examples.filter(({ name }) => matches(name)).map(({ name }) => name)).toEqual([])
    expect(examples.filter((example) => !example.private)).toEqual([])
    expect({ access, baseBranch, ignore }).toEqual({ access: 'public', baseBranch: 'main', ignore: [] })
  })
})

describe('the next release, made in a copy of the manifests', () => {
  let copy: string
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.org', ...args], { cwd: copy })

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'serotine-release-'))
    for (const name of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml'])
      cpSync(join(root, name), join(copy, name))
    cpSync(changesets, join(copy, '.changeset'), { recursive: true })
    for (const folder of [...foldersOf(root, 'packages'), ...foldersOf(root, 'examples')]) {
      const target = join(copy, folder.slice(root.length))
      mkdirSync(target, { recursive: true })
      cpSync(join(folder, 'package.json'), join(target, 'package.json'))
    }
    // One more, so that this is tested after a release too, when no changeset is left.
    writeFileSync(join(copy, '.changeset/one-more.md'), "---\n'@serotine/core': minor\n---\n\nSearches faster.\n")
    git('init', '--quiet', '--initial-branch', 'main')
    git('add', '.')
    git('commit', '--quiet', '--message', 'A copy')
  })
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  it('passes `changeset status`, which finds every package', () => {
    const { status, output } = changeset(copy, 'status', '--output', 'plan.json')
    expect(output).not.toMatch(/error/)
    expect(status).toBe(0)
    const { releases } = JSON.parse(readFileSync(join(copy, 'plan.json'), 'utf8')) as {
      releases: { name: string; type: string }[]
    }
    const released = releases.filter(({ type }) => type !== 'none').map(({ name }) => name)
    expect(released.sort()).toEqual([...names].sort())
  })

  it('gives all packages one new version and a changelog, and the examples its range', () => {
    const { status, output } = changeset(copy, 'version')
    expect(output).not.toMatch(/error/)
    expect(status).toBe(0)
    const folders = foldersOf(copy, 'packages').filter((folder) => !isRuntime(folder))
    const [version, ...others] = new Set(folders.map((folder) => manifest(folder).version))
    expect(others).toEqual([])
    expect(version).not.toBe(published[0]!.version)
    for (const folder of folders) expect(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')).toContain(`## ${version}`)
    expect(readFileSync(join(copy, 'packages/core/CHANGELOG.md'), 'utf8')).toContain('Searches faster.')

    for (const folder of foldersOf(copy, 'packages').filter(isRuntime)) {
      expect(manifest(folder).version).toBe(manifest(join(root, 'packages', basename(folder))).version)
    }

    for (const folder of foldersOf(copy, 'examples')) {
      const ours = Object.entries(manifest(folder).dependencies!).filter(([name]) => names.includes(name))
      expect(ours).not.toEqual([])
      expect(ours.filter(([, range]) => range !== `^${version}`)).toEqual([])
      expect(existsSync(join(folder, 'CHANGELOG.md'))).toBe(false)
    }
  })
})

/** A shallow clone has no main to compare with; the copy above is tested there all the same. */
const hasMain = spawnSync('git', ['merge-base', 'main', 'HEAD'], { cwd: root }).status === 0
it.runIf(hasMain)('`changeset status` passes in this repository', () => {
  const { status, output } = changeset(root, 'status')
  expect(output).not.toMatch(/error/)
  expect(status).toBe(0)
})
