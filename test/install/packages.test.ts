// The packages as users get them: packed, checked file by file, and loaded both ways.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importsOf, packageOf } from './imports.js'
import { ownRuntime, packAll, root, type Packed } from './packed.js'

// Of the runtimes only this platform's: the others differ in their binaries alone.
const names = readdirSync(join(root, 'packages')).filter((name) => !name.startsWith('runtime-') || name === ownRuntime)
/** Entries of core that are files to point at, not modules to import. */
const FILES_NOT_MODULES = ['--exclude-entrypoints', 'worker', 'ort-wasm-simd-threaded.wasm.gz']
const hasCode = (name: string) => existsSync(join(root, 'packages', name, 'src'))
/** It has entries; a package that is a command only has none. */
const isLibrary = (name: string) => hasCode(name) && name !== 'create-serotine'

/** Bytes to download at most: a bound that is passed asks what came in. */
const MOST_BYTES: Record<string, number> = {
  'ai-sdk': 15_000,
  // Readers of HTML, Markdown, PDF and DOCX, each in a chunk of its own, the report of an evaluation, following files, the tools for agents.
  cli: 330_000,
  // Templates; the largest file is a screenshot.
  'create-serotine': 250_000,
  // ONNX Runtime's WebAssembly is most of it; stemmers of 20 languages, each in a chunk of its own, are 0.1 MB. 5.54 MB since residual codes
  // are a codec of their own.
  core: 5_700_000,
  langchain: 90_000,
  llamaindex: 30_000,
  // Source maps of code and comments, for import and for require.
  pgvector: 230_000,
  'model-micro': 4_200_000,
  // Its weights are whole bytes, which hardly compress.
  'model-small': 25_000_000,
  // Most are the source maps, of code and its comments; the page, as text, is in the code and in its maps, for import and for require.
  server: 260_000,
  // The protocol's messages are written out; most are the source maps.
  weaviate: 220_000,
  // Linux on x64 is the largest of the five.
  [ownRuntime]: 19_000_000,
}

const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })

let folder: string
let all: Map<string, Packed>

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-pack-'))
  all = packAll(folder)
}, 240_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const local = (path: string) => posix.normalize(path)

/** Each file that a manifest names: what is exported, run and loaded by old resolvers. */
function entriesOf({ manifest, files }: Packed): string[] {
  const conditions = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string'
      ? [target]
      : Object.values(target).flatMap((paths) => (typeof paths === 'string' ? [paths] : Object.values(paths))),
  )
  const { main, module, types, bin = {}, sideEffects } = manifest
  return [...conditions, main, module, types, ...Object.values(bin), ...(Array.isArray(sideEffects) ? sideEffects : [])]
    .filter((path) => path !== undefined)
    .map(local)
    .flatMap((path) =>
      path.endsWith('*') ? [...files.keys()].filter((file) => file.startsWith(path.slice(0, -1))) : path,
    )
}

/** The file of a package that a relative import, a worker's URL or a source map's comment means. */
function referencesOf(path: string, text: string): string[] {
  const relative = importsOf(text).filter((specifier) => specifier.startsWith('.'))
  const urls = [...text.matchAll(/new URL\([`'"](\.\/[\w.-]+\.\w+)[`'"]/g)].map(([, url]) => url!)
  const maps = [...text.matchAll(/^\/\/# sourceMappingURL=(.+)$/gm)].map(([, url]) => url!)
  return [...relative, ...urls, ...maps].map((target) => {
    const file = local(posix.join(posix.dirname(path), target))
    // Types are beside the code that a declaration names.
    return /\.d\.c?ts$/.test(path) ? file.replace(/\.(c?)js$/, '.d.$1ts') : file
  })
}

/** Every file reached from the entries; a reference that leads nowhere is among them too. */
function reachable(packed: Packed): Set<string> {
  const reached = new Set<string>()
  const queue = entriesOf(packed)
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    const file = packed.files.get(path)
    if (file !== undefined && /\.([cm]?js|d\.c?ts)$/.test(path)) queue.push(...referencesOf(path, file.toString()))
  }
  return reached
}

it('packs every package, within a size', () => {
  const sizes = names.map((name) => [name, all.get(name)!.size] as const)
  console.info(sizes.map(([name, size]) => `${name} ${(size / 1000).toFixed(1)} kB`).join(' · '))
  expect([...all.keys()].sort()).toEqual(names)
  expect(sizes.filter(([name, size]) => size > MOST_BYTES[name]!)).toEqual([])
})

const RUNTIME_FILES =
  /^dist\/((lib|common)\/[\w-]+\.(d\.ts|js)|bin\/napi-v6\/\w+\/\w+\/(onnxruntime_binding\.node|(lib)?onnxruntime\.(so\.1|1\.dylib|dll)))$/

it.each(names.filter((name) => name === ownRuntime))(
  'packages/%s holds the library, its binding and no more',
  (name) => {
    const files = [...all.get(name)!.files.keys()].filter((path) => path.startsWith('dist/'))
    expect(files.filter((path) => !RUNTIME_FILES.test(path))).toEqual([])
    expect(files.filter((path) => path.includes('/bin/'))).toHaveLength(2)
  },
)

describe.each(names)('packages/%s', (name) => {
  it('packs its licence, its README and nothing that is not meant for users', () => {
    const listing = [...all.get(name)!.files.keys()]
    expect(listing).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    expect(
      listing.filter(
        (path) =>
          !/^(bin|dist|model)\/|^(LICENSE|NOTICE|README\.md|CHANGELOG\.md|package\.json|index\.(js|cjs|d\.ts|d\.cts))$/.test(
            path,
          ),
      ),
    ).toEqual([])
    expect(listing.filter((path) => /\.(tsx|mts)$|(?<!\.d)\.c?ts$|\.test\.|(^|\/)\./.test(path))).toEqual([])
  })

  it.runIf(name !== ownRuntime)('has every file it refers to, and no other', () => {
    const packed = all.get(name)!
    const reached = reachable(packed)
    expect([...reached].filter((path) => !packed.files.has(path))).toEqual([])
    const code = [...packed.files.keys()].filter((path) => /^(bin|dist|model)\//.test(path))
    // The bundler writes types for each entry, also for those that are run and not imported.
    const ofEntry = (path: string) => reached.has(path.replace(/\.d\.(c?)ts$/, '.$1js'))
    expect(code.filter((path) => !reached.has(path) && !ofEntry(path))).toEqual([])
  })

  it('has source maps that hold their sources, which are not packed', () => {
    for (const [path, content] of all.get(name)!.files) {
      if (!path.endsWith('.map')) continue
      const { sources, sourcesContent } = JSON.parse(content.toString()) as Record<string, (string | null)[]>
      expect(sourcesContent, path).toHaveLength(sources!.length)
      expect(sourcesContent!.filter((text) => typeof text !== 'string')).toEqual([])
      expect(sources!.filter((source) => posix.isAbsolute(source!))).toEqual([])
    }
  })

  it('says who made it, under which licence, and where it is kept', () => {
    const { manifest, files } = all.get(name)!
    const home = 'https://github.com/serotine-search/serotine'
    const license = name === ownRuntime ? 'MIT' : 'Apache-2.0'
    expect(manifest).toMatchObject({
      license,
      author: 'The Serotine authors',
      homepage: `${home}/tree/main/packages/${name}#readme`,
      bugs: { url: `${home}/issues` },
      repository: { type: 'git', url: `git+${home}.git`, directory: `packages/${name}` },
      publishConfig: { access: 'public', provenance: true },
      engines: { node: '>=20.19' },
    })
    if (license === 'MIT') expect(files.get('LICENSE')!.toString()).toContain('Copyright (c) Microsoft Corporation')
    else expect(files.get('LICENSE')!.equals(readFileSync(join(root, 'LICENSE')))).toBe(true)
    expect(files.get('README.md')!.toString()).toMatch(/^# \S/m)
    // A link that leaves the package leads nowhere on a reader's disk.
    expect(files.get('README.md')!.toString()).not.toMatch(/\]\(\.\.\//)
  })

  it('packs its changelog as soon as a release has written one', () => {
    const path = join(root, 'packages', name, 'CHANGELOG.md')
    const { files } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as {
      files: string[]
    }
    expect(files).toContain('CHANGELOG.md')
    expect(all.get(name)!.files.has('CHANGELOG.md')).toBe(existsSync(path))
  })

  it('runs nothing when it is installed', () => {
    const { scripts = {} } = all.get(name)!.manifest
    expect(Object.keys(scripts).filter((script) => /^(pre|post)?(install|prepare)$/.test(script))).toEqual([])
  })

  it('declares every package it imports, and no workspace or catalog version', () => {
    const { files, manifest } = all.get(name)!
    const declared = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies }
    const imported = [...files]
      .filter(([path]) => /\.(c?js|d\.c?ts)$/.test(path))
      .flatMap(([, content]) => importsOf(content.toString()))
      .map(packageOf)
      .filter((imported) => imported !== undefined)
    expect([...new Set(imported)].filter((imported) => !(imported in declared) && imported !== manifest.name)).toEqual(
      [],
    )
    expect(Object.values(declared).filter((range) => /^(workspace|catalog|file|link):/.test(range))).toEqual([])
  })

  it.runIf(isLibrary(name))('has code and types for import and require behind each export', () => {
    const { exports, sideEffects } = all.get(name)!.manifest
    for (const [path, target] of Object.entries(exports)) {
      if (typeof target === 'string') continue
      // A script that is run, not imported, needs no types; it is among the files with effects.
      const scripts = Object.values(target).filter((file) => typeof file === 'string')
      expect(scripts.filter((file) => !Array.isArray(sideEffects) || !sideEffects.includes(file))).toEqual([])
      if (scripts.length > 0) continue
      for (const condition of ['import', 'require']) {
        const { types, default: code } = (target as Record<string, Record<string, string>>)[condition]!
        const end = condition === 'import' ? '' : 'c'
        expect([types, code], path).toEqual([
          expect.stringMatching(new RegExp(`\\.d\\.${end}ts$`)),
          expect.stringMatching(new RegExp(`\\.${end}js$`)),
        ])
        // Resolvers take the first condition that fits.
        expect(Object.keys((target as Record<string, object>)[condition]!)).toEqual(['types', 'default'])
      }
    }
  })

  it.runIf(isLibrary(name))('changes nothing of the process when imported, if it says so', () => {
    const packed = all.get(name)!
    const { sideEffects } = packed.manifest
    const named = Array.isArray(sideEffects) ? sideEffects.map(local) : []
    expect(sideEffects === false || named.length > 0).toBe(true)
    const silent = entriesOf(packed).filter((path) => /\.c?js$/.test(path) && !named.includes(path))
    expect(silent).not.toEqual([])
    // What a framework does when it is imported is not ours: it is loaded before. Optional ones may be missing.
    const others = [...packed.files]
      .filter(([path]) => path.endsWith('.js') && !named.includes(path))
      .flatMap(([, content]) => importsOf(content.toString()))
      .filter((specifier) => packageOf(specifier) !== undefined)
    const program = `
      const state = () => JSON.stringify([
        Object.getOwnPropertyNames(globalThis), process.eventNames(), process.env,
        [Object, Array, String, Promise, Map, Float32Array, Uint8Array].map((type) => Reflect.ownKeys(type.prototype).map(String)),
        process.getActiveResourcesInfo().filter((kind) => !/PipeWrap|TTY|FSReq|CloseReq/.test(kind)),
      ])
      for (const name of ${JSON.stringify(others)}) await import(name).catch(() => {})
      const before = state()
      for (const path of ${JSON.stringify(silent)}) await import('./' + path)
      process.stdout.write(state() === before ? 'unchanged' : 'changed: ' + before + ' -> ' + state())`
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: join(root, 'packages', name),
      encoding: 'utf8',
    })
    expect(output).toBe('unchanged')
  })

  it.runIf(hasCode(name))('passes publint', () => {
    expect(run('npx', ['publint', 'run', all.get(name)!.tarball, '--strict'], root)).toMatch(/All good/)
  })

  it.runIf(isLibrary(name))('has types that resolve for ESM, CommonJS and bundlers', () => {
    run('npx', ['attw', all.get(name)!.tarball, '--profile', 'node16', ...FILES_NOT_MODULES], root)
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
})
