// The packages as users get them: packed, checked, installed into an empty folder and loaded both ways.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { packageManager: string }
const names = readdirSync(join(root, 'packages'))
const manifests = new Map(
  names.map((name) => [name, JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))]),
)
const hasCode = (name: string) => manifests.get(name).exports['.'] !== undefined

const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })

let folder: string
const tarballs = new Map<string, string>()

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-pack-'))
  for (const name of names) {
    const before = new Set(readdirSync(folder))
    run('npx', ['--yes', packageManager, 'pack', '--pack-destination', folder], join(root, 'packages', name))
    tarballs.set(
      name,
      join(
        folder,
        readdirSync(folder).find((file) => !before.has(file))!,
      ),
    )
  }
}, 240_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.each(names)('packages/%s', (name) => {
  it('packs its licence, its README and nothing that is not meant for users', () => {
    const listing = run('tar', ['-tzf', tarballs.get(name)!], folder)
      .trim()
      .split('\n')
      .map((path) => path.slice('package/'.length))
    expect(listing).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    expect(
      listing.filter(
        (path) =>
          !/^(bin|dist|model)\/|^(LICENSE|NOTICE|README\.md|CHANGELOG\.md|package\.json|index\.(js|cjs|d\.ts|d\.cts))$/.test(
            path,
          ),
      ),
    ).toEqual([])
  })

  it('declares no workspace or catalog version once packed', () => {
    const packed = run('tar', ['-xzOf', tarballs.get(name)!, 'package/package.json'], folder)
    expect(packed).not.toMatch(/"(workspace|catalog):/)
  })

  it.runIf(hasCode(name))('passes publint', () => {
    expect(run('npx', ['publint', 'run', tarballs.get(name)!, '--strict'], root)).toMatch(/All good/)
  })

  it.runIf(hasCode(name))('has types that resolve for ESM, CommonJS and bundlers', () => {
    // Two of core's are files to be started or read, not to be imported.
    const files = name === 'core' ? ['--exclude-entrypoints', 'worker', 'ort-wasm-simd-threaded.wasm.gz'] : []
    run('npx', ['attw', tarballs.get(name)!, '--profile', 'node16', ...files], root)
  })
})

describe('core and the embedded model, loaded from a folder of their own', () => {
  const load = (flags: string[], script: string) =>
    execFileSync(process.execPath, [...flags, '-e', script], {
      cwd: join(root, 'test'),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const body = `
    const model = await ColBERT.load()
    const [best] = await model.rerank('flightless birds', ['Penguins swim.', 'Kiwis are birds that cannot fly.'])
    await model.close()
    process.stdout.write(String(best.index))`

  it('imports as ESM', () => {
    expect(load(['--input-type=module'], `import { ColBERT } from '@serotine/core'; ${body}`)).toBe('1')
  })
  it('requires as CommonJS', () => {
    expect(load([], `const { ColBERT } = require('@serotine/core'); (async () => { ${body} })()`)).toBe('1')
  })
  it('prints nothing when imported', () => {
    const script = join(folder, 'silent.mjs')
    writeFileSync(script, '')
    const output = load(
      ['--input-type=module'],
      `await import('@serotine/core'); await import('@serotine/core/evaluation')`,
    )
    expect(output).toBe('')
  })
})
