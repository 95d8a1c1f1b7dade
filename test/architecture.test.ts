// The rules of ARCHITECTURE.md, read from the imports themselves.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const core = join(root, 'packages/core/src')

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? sourcesBelow(path) : entry.name.endsWith('.ts') ? [path] : []
  })
}

interface Import {
  from: string
  specifier: string
  dynamic: boolean
  typeOnly: boolean
}

function importsOf(path: string): Import[] {
  const source = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  for (const match of source.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^'"]*?\s+from\s+)?['"]([^'"]+)['"]/g,
  )) {
    found.push({ from: path, specifier: match[2]!, dynamic: false, typeOnly: match[1] !== undefined })
  }
  for (const match of source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)) {
    found.push({ from: path, specifier: match[1]!, dynamic: true, typeOnly: false })
  }
  return found
}

/** The part of core a file belongs to: its folder, or its own name at the top. */
const partOf = (path: string) =>
  relative(core, path)
    .replaceAll('\\', '/')
    .replace(/\/.*|\.ts$/g, '')

/** Each part, and the parts it may import. Everything may import errors, types and shipped. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  errors: [],
  types: [],
  shipped: [],
  math: [],
  text: [],
  hub: ['encoder'],
  checkpoint: ['text'],
  scoring: ['math'],
  fde: ['math', 'scoring'],
  centroids: ['math'],
  pooling: ['math'],
  graph: ['checkpoint', 'text'],
  runtime: ['graph', 'checkpoint', 'text'],
  'load-options': ['runtime', 'checkpoint', 'hub', 'text'],
  colbert: ['load-options', 'runtime', 'checkpoint', 'hub', 'text', 'scoring', 'pooling'],
  index: ['math', 'scoring', 'fde', 'centroids'],
  evaluation: ['math', 'scoring', 'fde', 'index'],
}

/** Packages that one file, or one folder, alone may know. */
const ONLY_IN: [RegExp, RegExp][] = [
  [/^(onnxruntime-|@serotine\/runtime-)/, /^runtime\/ort\.ts$/],
  [/^hnswlib-node$/, /^index\/hnsw\.ts$/],
  [/^re2js$/, /^text\/pipeline\/expression\.ts$/],
  [/^@huggingface\/hub$/, /^hub\//],
  [/^@bufbuild\/protobuf/, /^graph\/onnx\.ts$/],
  // An optional peer: users hand over what it makes.
  [/^@huggingface\/transformers$/, /(?!)/],
]

const files = sourcesBelow(core)
const imports = files.flatMap(importsOf)

describe('core', () => {
  it('has sources to look at', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(imports.length).toBeGreaterThan(100)
  })

  it('imports in one direction', () => {
    const wrong: string[] = []
    for (const { from, specifier } of imports) {
      if (!specifier.startsWith('.')) continue
      const target = join(dirname(from), specifier.replace(/\.js$/, '.ts'))
      const [part, other] = [partOf(from), partOf(target)]
      if (from === join(core, 'index.ts') || part === other) continue
      if (['errors', 'types', 'shipped'].includes(other)) continue
      if (!MAY_IMPORT[part]?.includes(other)) wrong.push(`${relative(root, from)} imports ${relative(root, target)}`)
    }
    expect(wrong).toEqual([])
  })

  it('keeps native and heavy packages behind one file each, loaded when needed', () => {
    const wrong: string[] = []
    for (const { from, specifier, dynamic, typeOnly } of imports) {
      for (const [packageName, place] of ONLY_IN) {
        if (!packageName.test(specifier)) continue
        const path = relative(core, from).replaceAll('\\', '/')
        if (!place.test(path)) wrong.push(`${path} imports ${specifier}`)
        const native = /^(onnxruntime-|@serotine\/runtime-|hnswlib-)/.test(specifier)
        if (native && !dynamic && !typeOnly) wrong.push(`${path} imports ${specifier} statically`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('has an index.ts of names only', () => {
    const source = readFileSync(join(core, 'index.ts'), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    expect(source.replace(/export\s+(type\s+)?(\{[^}]*\}|\*)\s+from\s+'[^']+'/g, '').trim()).toBe('')
  })
})

describe('every library package', () => {
  const libraries = readdirSync(join(root, 'packages')).filter(
    (name) => name !== 'cli' && !/^(model|runtime)-/.test(name),
  )
  const sources = libraries.flatMap((name) => sourcesBelow(join(root, 'packages', name, 'src')))

  it('never prints', () => {
    const printing = sources.filter((path) =>
      /\bconsole\.|process\.(stdout|stderr)\b/.test(
        readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
      ),
    )
    expect(printing.map((path) => relative(root, path))).toEqual([])
  })

  it('reaches core by its public name only', () => {
    const wrong = libraries
      .filter((name) => name !== 'core')
      .flatMap((name) => sourcesBelow(join(root, 'packages', name, 'src')))
      .flatMap(importsOf)
      .filter(
        ({ specifier }) => /core\/(src|dist)/.test(specifier) || /@serotine\/core\/(?!evaluation$)/.test(specifier),
      )
    expect(wrong).toEqual([])
  })

  it('keeps files under 400 lines', () => {
    const all = [...sources, ...sourcesBelow(join(root, 'packages/cli/src'))]
    const long = all
      .map((path) => [relative(root, path), readFileSync(path, 'utf8').split('\n').length] as const)
      .filter(([path, lines]) => lines > 400 && !path.endsWith('simd-bytes.ts'))
    expect(long).toEqual([])
  })

  it('names no file after what it is not', () => {
    const vague = sources
      .map((path) => relative(root, path))
      .filter((path) => /utils?\.ts$|helpers?|manager/i.test(path))
    expect(vague).toEqual([])
  })
})

describe('the workspace', () => {
  it('has one version of ONNX Runtime: a process cannot load two', () => {
    const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
    const packages = lockfile.slice(lockfile.indexOf('\npackages:'), lockfile.indexOf('\nsnapshots:'))
    const runtimes = [...packages.matchAll(/^ {2}'?(onnxruntime-[^:']+)/gm)].map((match) => match[1])
    expect(runtimes).toEqual(['common', 'node', 'web'].map((name) => `onnxruntime-${name}@1.30.0`))
  })
})
