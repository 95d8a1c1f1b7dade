// The rules of ARCHITECTURE.md, read from the imports themselves.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { circlesIn, importsIn, importsOf, sourcesBelow, targetOf } from './support/imports.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const core = join(root, 'packages/core/src')

/**
 * Arrows may be followed to the left only, over any distance, and not between neighbours that a comma separates. What
 * stands on several lines may import what is left of it on each.
 */
const ARROWS = `
  errors ← options ← embeddings ← encoder ← math ← scoring, pooling, centroids, keywords ← fde ← store ← embedded ← index ← evaluation
  errors ← options ← text ← checkpoint ← graph ← runtime ← load-options ← colbert
  errors ← options, shipped ← encoder ← hub ← load-options ← colbert
  embeddings, shipped ← runtime
  embeddings, scoring, pooling ← colbert
  errors ← highlight
  embedded/files ← embedded/format ← embedded/commit ← embedded/stages ← embedded/keywords ← embedded/reader ← embedded/embedded-store
  embedded/stages ← embedded/options, embedded/stats ← embedded/embedded-store
  embedded/files ← embedded/format ← embedded/options, embedded/stats
  embedded/commit, embedded/options ← embedded/stats
  embedded/files ← embedded/format ← embedded/commit ← embedded/new-documents ← embedded/embedded-store
  embedded/files ← embedded/format ← embedded/commit ← embedded/verify ← embedded/embedded-store
`

/** The same for the folders and files of packages/server/src. */
const SERVER_ARROWS = `
  options, metrics ← http ← rerank ← index ← mcp, openapi, operations ← create-server
  http ← page ← create-server
`

/** The same for those of packages/pgvector/src. */
const PGVECTOR_ARROWS = `
  escaping, errors ← database ← options ← schema ← reading ← writing ← upkeep ← pgvector-store ← open-store
`

/** Packages of ours that a package may import; those that are not here import core only. */
const PACKAGE_ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: ['model-micro', 'model-small', 'runtime'],
  cli: ['core', 'server'],
  'create-serotine': [],
}

/** Faults that are known: until embedded/ exists as a whole and index/ and evaluation/ have been cut to size. */
const UNTIL = {
  arrows: [] as string[],
  circles: /core\/src\/evaluation\//,
  folders: ['packages/core/src/evaluation'],
}

/** Packages that one file, or one folder, alone may know. */
const ONLY_IN: [RegExp, RegExp][] = [
  [/^(onnxruntime-|@serotine\/runtime-)/, /^runtime\/ort\.ts$/],
  [/^hnswlib-node$/, /^embedded\/stages\/hnsw\//],
  [/^(@orama\/stemmers|stemmer)(\/|$)/, /^keywords\/stemmers\.ts$/],
  [/^re2js$/, /^text\/pipeline\/expression\.ts$/],
  [/^@huggingface\/hub$/, /^hub\//],
  [/^@bufbuild\/protobuf/, /^graph\/onnx\.ts$/],
  // Optional peers: users hand over what they make.
  [/^@huggingface\/(transformers|tokenizers)$/, /(?!)/],
]

const MOST_LINES = 400
const MOST_FILES = 14

const packages = readdirSync(join(root, 'packages'))
const sources = packages.flatMap((name) => sourcesBelow(join(root, 'packages', name, 'src')))
const imports = sources.flatMap(importsOf)
const inCore = imports.filter(({ from }) => from.startsWith(core))
const name = (path: string) => relative(root, path).replaceAll('\\', '/')
const arrow = (from: string, to: string) => `${name(from)} → ${name(to)}`

/** For each part, the parts that it may import. */
function readArrows(text: string): Map<string, Set<string>> {
  const allowed = new Map<string, Set<string>>()
  for (const line of text.trim().split('\n')) {
    const left: string[] = []
    for (const group of line.split('←')) {
      const parts = group.split(',').map((part) => part.trim())
      for (const part of parts) allowed.set(part, new Set([...(allowed.get(part) ?? []), ...left]))
      left.push(...parts)
    }
  }
  return allowed
}
const allowed = readArrows(ARROWS)

/** The part of core that a file belongs to: its folder, or its own name at the top. Folders of embedded/ are parts, too. */
function partOf(path: string): string {
  const [first, second] = relative(core, path).replace(/\.ts$/, '').split(/[\\/]/)
  return first === 'embedded' ? `${first}/${second}` : first!
}

function mayImport(part: string, other: string): boolean {
  if (part === other || allowed.get(part)?.has(other)) return true
  const [outer, otherOuter] = [part.split('/')[0]!, other.split('/')[0]!]
  return outer !== otherOuter && allowed.get(outer)?.has(otherOuter) === true
}

/** A file that is nothing but `export … from`: an entry of the package, which may name any part. */
function isEntry(path: string): boolean {
  const { statements } = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest)
  return statements.every((statement) => ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined)
}
const entries = new Set(sourcesBelow(core).filter(isEntry))

describe('the reader of imports', () => {
  it('sees every way to name a module', () => {
    const text = `
      import a, {
        b,
        type C,
      } from './several-lines.js'
      import type { D } from './type.js'
      import './effect.js'
      import * as e from "./star.js"
      import f = require('./equals.cjs')
      import type g = require('./type-equals.cjs')
      export { h } from './names.js'
      export type { I } from './types.js'
      export * from './everything.js'
      export * as j from './namespace.js'
      let k: import('./type-expression.js').K<typeof import('./typeof.js')>
      const l = async () => [await import('./dynamic.js'), import(\`./quoted.js\`), require('./required.cjs')]
      // import m from './comment.js'
      /* export * from './comment.js' */
      const n = "import o from './string.js'"
    `
    const short = ({ specifier, dynamic, typeOnly }: (typeof imports)[number]) =>
      `${specifier}${dynamic ? ' dynamic' : ''}${typeOnly ? ' type' : ''}`
    expect(importsIn('a.ts', text).map(short)).toEqual([
      './several-lines.js',
      './type.js type',
      './effect.js',
      './star.js',
      './equals.cjs',
      './type-equals.cjs type',
      './names.js',
      './types.js type',
      './everything.js',
      './namespace.js',
      './type-expression.js type',
      './typeof.js type',
      './dynamic.js dynamic',
      './quoted.js dynamic',
      './required.cjs',
    ])
  })

  it('finds the sources, folders in folders included, and the file that each import means', () => {
    expect(sources.length).toBeGreaterThan(200)
    expect(sources.map(name)).toContain('packages/core/src/text/unicode/forms.ts')
    expect(imports.length).toBeGreaterThan(1000)
    expect(imports.filter(({ typeOnly }) => typeOnly).length).toBeGreaterThan(300)
    const from = join(core, 'colbert.ts')
    const target = (specifier: string) => targetOf({ from, specifier, dynamic: false, typeOnly: false })
    expect(target('./hub/resolve.js')).toBe(join(core, 'hub/resolve.ts'))
    expect(target('node:fs')).toBeUndefined()
    expect(() => target('./hub/nowhere.js')).toThrow('no such file')
  })

  it('finds circles, each group once and by its shortest way', () => {
    const graph = new Map([
      ['start', ['a']],
      ['a', ['b', 'c']],
      ['b', ['c']],
      ['c', ['a', 'end']],
      ['end', []],
      ['self', ['self']],
    ])
    expect(circlesIn(graph)).toEqual([
      ['a', 'c', 'a'],
      ['self', 'self'],
    ])
  })

  it('understands the arrows', () => {
    const [fde, embedded, commit] = [allowed.get('fde')!, allowed.get('embedded')!, allowed.get('embedded/commit')!]
    expect([...fde].sort()).toEqual(
      ['centroids', 'embeddings', 'encoder', 'errors', 'keywords', 'math', 'options', 'pooling', 'scoring'].sort(),
    )
    expect([embedded.has('store'), embedded.has('index'), commit.has('embedded/stages')]).toEqual([true, false, false])
    expect(partOf(join(core, 'embedded/stages/hnsw/graph.ts'))).toBe('embedded/stages')
    expect(partOf(join(core, 'embedded/embedded-store.ts'))).toBe('embedded/embedded-store')
    expect([mayImport('embedded/format', 'store'), mayImport('embedded/format', 'index')]).toEqual([true, false])
    expect([mayImport('index', 'embedded/stages'), mayImport('scoring', 'pooling')]).toEqual([true, false])
  })
})

describe('core', () => {
  it('imports in one direction, types included', () => {
    const wrong: string[] = []
    for (const one of inCore) {
      const target = targetOf(one)
      if (target === undefined || entries.has(one.from)) continue
      const [part, other] = [partOf(one.from), partOf(target)]
      if (mayImport(part, other) || UNTIL.arrows.includes(`${part} → ${other}`)) continue
      wrong.push(arrow(one.from, target))
    }
    expect(wrong).toEqual([])
  })

  it('has no part without a place in that order', () => {
    const parts = new Set(
      sourcesBelow(core)
        .filter((path) => !isEntry(path))
        .map(partOf),
    )
    expect([...parts].filter((part) => !allowed.has(part))).toEqual([])
  })

  it('keeps native and heavy packages behind one file each, loaded when needed', () => {
    const wrong: string[] = []
    for (const { from, specifier, dynamic, typeOnly } of inCore) {
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

  it('has entries of names only, which nothing in it imports', () => {
    expect([...entries].map(name)).toContain('packages/core/src/index.ts')
    const targets = inCore.map((one) => [one.from, targetOf(one)] as const)
    const wrong = targets.flatMap(([from, target]) => (target && entries.has(target) ? [arrow(from, target)] : []))
    expect(wrong).toEqual([])
  })
})

describe.each([
  ['server', SERVER_ARROWS],
  ['pgvector', PGVECTOR_ARROWS],
])('the package %s', (folder, order) => {
  it('imports in one direction, types included', () => {
    const own = join(root, 'packages', folder, 'src')
    const arrows = readArrows(order)
    const partOf = (path: string): string => relative(own, path).replace(/\.ts$/, '').split(/[\\/]/)[0]!
    const inPackage = sourcesBelow(own).filter((path) => relative(own, path) !== 'index.ts')
    expect(inPackage.map(partOf).filter((part) => !arrows.has(part))).toEqual([])
    const wrong = inPackage.flatMap(importsOf).flatMap((one) => {
      const target = targetOf(one)
      if (target === undefined) return []
      const [part, other] = [partOf(one.from), partOf(target)]
      return part === other || arrows.get(part)!.has(other) ? [] : [arrow(one.from, target)]
    })
    expect(wrong).toEqual([])
  })
})

describe('every package', () => {
  it('imports core, and of the other packages what its place allows', () => {
    const wrong = imports.filter(({ from, specifier }) => {
      const [, other] =
        /^@serotine\/(core|server|langchain|llamaindex|ai-sdk|pgvector|model-micro|model-small|runtime)/.exec(
          specifier,
        ) ?? []
      const own = relative(join(root, 'packages'), from).split(/[\\/]/)[0]!
      return other !== undefined && other !== own && !(PACKAGE_ARROWS[own] ?? ['core']).includes(other)
    })
    expect(wrong.map(({ from, specifier }) => `${name(from)} → ${specifier}`)).toEqual([])
    expect(imports.some(({ specifier }) => specifier === '@serotine/server')).toBe(true)
  })

  it('has no circle among its files, types included', () => {
    const graph = new Map(sources.map((path) => [path, [] as string[]]))
    for (const one of imports) {
      const target = targetOf(one)
      if (target !== undefined && graph.has(target)) graph.get(one.from)!.push(target)
    }
    const circles = circlesIn(graph).map((circle) => circle.map(name).join(' → '))
    expect(circles.filter((circle) => !UNTIL.circles.test(circle))).toEqual([])
  })

  it(`has no folder of more than ${MOST_FILES} files, and no file of more than ${MOST_LINES} lines`, () => {
    const folders = new Map<string, number>()
    for (const path of sources) folders.set(dirname(path), (folders.get(dirname(path)) ?? 0) + 1)
    const large = [...folders].filter(([path, files]) => files > MOST_FILES && !UNTIL.folders.includes(name(path)))
    expect(large.map(([path, files]) => `${name(path)} has ${files} files`)).toEqual([])
    const long = sources
      .map((path) => [name(path), readFileSync(path, 'utf8').split('\n').length] as const)
      .filter(([path, lines]) => lines > MOST_LINES && !path.endsWith('simd-bytes.ts'))
    expect(long).toEqual([])
  })

  it('reaches core by its public names only', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const wrong = imports.filter(({ from, specifier }) => {
      if (from.startsWith(core)) return false
      const [, path] = /^@serotine\/core(?:\/(.*))?$/.exec(specifier) ?? []
      return /core\/(src|dist)/.test(specifier) || (path !== undefined && !(`./${path}` in exports))
    })
    expect(wrong).toEqual([])
  })
})

describe('every library package', () => {
  const libraries = packages.filter((name) => name !== 'cli' && name !== 'create-serotine')
  const library = libraries.flatMap((name) => sourcesBelow(join(root, 'packages', name, 'src')))

  it('never prints', () => {
    const printing = library.filter((path) =>
      /\bconsole\.|process\.(stdout|stderr)\b/.test(
        readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
      ),
    )
    expect(printing.map(name)).toEqual([])
  })

  it('names no file or folder after what it is not', () => {
    const vague = library
      .map((path) => name(path).replace(/^packages\/[^/]+\/src\//, ''))
      .filter((path) => /utils?\b|helpers?\b|manager/i.test(path))
    expect(vague).toEqual([])
  })
})

describe('the workspace', () => {
  it('has one version of ONNX Runtime: a process cannot load two', () => {
    const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
    const locked = lockfile.slice(lockfile.indexOf('\npackages:'), lockfile.indexOf('\nsnapshots:'))
    const runtimes = [...locked.matchAll(/^ {2}'?(onnxruntime-[^:']+)/gm)].map((match) => match[1])
    expect(runtimes).toEqual(['common', 'node', 'web'].map((name) => `onnxruntime-${name}@1.30.0`))
  })
})
