// Core's entries from its packed package in an empty folder: imported, required, bundled and type-checked each on its own.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packAll, root } from './packed.js'
import type { Packed } from './packed.js'

/** A value and a type of each entry; `''`: it has no types of its own. */
const ENTRIES: Readonly<Record<string, { readonly value: string; readonly type: string }>> = {
  '@serotine/core': { value: 'MultiVectorIndex', type: 'SearchOptions' },
  '@serotine/core/store': { value: 'EmbeddedStore', type: 'Store' },
  '@serotine/core/muvera': { value: 'FdeEncoder', type: 'FdeConfig' },
  '@serotine/core/scoring': { value: 'MaxSimScorer', type: 'TokenMatch' },
  '@serotine/core/highlight': { value: 'matchedWords', type: 'MatchedWord' },
  '@serotine/core/checkpoint': { value: 'readCheckpoint', type: 'ColBERTConfig' },
  '@serotine/core/options': { value: 'checkOptions', type: '' },
  '@serotine/core/evaluation': { value: 'evaluateRun', type: 'Qrels' },
}
const entries = Object.entries(ENTRIES)

let folder: string
let app: string
let core: Packed
let small: Packed
const unpack = ({ files, manifest }: Packed) => {
  for (const [path, content] of files) {
    const file = join(app, 'node_modules', manifest.name, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-entries-'))
  app = join(folder, 'app')
  const all = packAll(join(folder, 'tarballs'))
  core = all.get('core')!
  small = all.get('model-small')!
  for (const packed of [core, all.get('model-micro')!]) unpack(packed)
  // What a package manager would have put beside it.
  const others = Object.keys(core.manifest.dependencies!).filter((name) => !name.startsWith('@serotine/'))
  for (const name of [...others, '@types/node']) {
    const from = join(root, name.startsWith('@types/') ? '' : 'packages/core', 'node_modules', name)
    const to = join(app, 'node_modules', name)
    mkdirSync(dirname(to), { recursive: true })
    symlinkSync(realpathSync(from), to, 'junction')
  }
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true }')
}, 240_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program of the app prints; on stderr nothing may come. */
function run(name: string, source: string): string {
  const file = join(app, name)
  writeFileSync(file, source)
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: app, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

it('are all that the manifest exports, but for files and the manifest itself', () => {
  const exported = Object.entries(core.manifest.exports).filter(([, target]) => typeof target === 'object')
  expect(exported.map(([path]) => `@serotine/core${path.slice(1)}`).sort()).toEqual(Object.keys(ENTRIES).sort())
})

describe.each(entries)('%s', (entry, { value }) => {
  it('is imported and required by itself, with the same names and no word printed', () => {
    const esm = run('only.mjs', `import * as all from '${entry}'\nconsole.log(Object.keys(all).sort().join())`)
    const cjs = run('only.cjs', `console.log(Object.keys(require('${entry}')).sort().join())`)
    expect(esm.trim().split(',')).toContain(value)
    expect(cjs).toBe(esm)
  })

  it.each(['esm', 'cjs'] as const)('is bundled alone (%s) and runs where no package is', async (format) => {
    const place = join(folder, 'bundled', entry.replaceAll('/', '-'), format)
    const outfile = join(place, format === 'esm' ? 'main.mjs' : 'main.cjs')
    await build({
      stdin: { contents: `import { ${value} } from '${entry}'; console.log(typeof ${value})`, resolveDir: app },
      bundle: true,
      platform: 'node',
      external: ['@serotine/runtime-*', 'onnxruntime-node', 'hnswlib-node'],
      logLevel: 'silent',
      format,
      outfile,
    })
    expect(execFileSync(process.execPath, [outfile], { cwd: place, encoding: 'utf8' })).toBe('function\n')
    // Only ColBERT runs a network.
    expect(readFileSync(outfile, 'utf8').includes('onnxruntime')).toBe(false)
  })
})

it('have types for modules, for CommonJS and for bundlers', () => {
  const imports = entries.map(
    ([entry, { value, type }], i) =>
      `import { ${value} as value${i}${type ? `, type ${type} as Type${i}` : ''} } from '${entry}'\n` +
      `export const known${i} = value${i}\n${type ? `export type Known${i} = Type${i}\n` : ''}` +
      // A name that is not there is an error: without types it would be any.
      `// @ts-expect-error\nexport { noSuchName as no${i} } from '${entry}'\n`,
  )
  for (const [file, module, moduleResolution] of [
    ['types.mts', ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
    ['types.cts', ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
    ['types.ts', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  ] as const) {
    const path = join(app, file)
    writeFileSync(path, imports.join(''))
    const program = ts.createProgram([path], {
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module,
      moduleResolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      types: ['node'],
      typeRoots: [join(app, 'node_modules/@types')],
      noEmit: true,
    })
    // Node's own types disagree with TypeScript's strictest options; ours must not.
    const complaints = ts.getPreEmitDiagnostics(program).filter(({ file: at }) => !at?.fileName.includes('/@types/'))
    expect(complaints.map(({ file: at, messageText }) => [at?.fileName, messageText])).toEqual([])
  }
}, 180_000)

it('are parts of one library: what one makes another knows, whichever way they are loaded', () => {
  const body = `
    const index = await MultiVectorIndex.open(await EmbeddedStore.open())
    const embeddings = { data: new Float32Array([1, 0, 0, 1]), length: 2, dim: 2 }
    await index.upsert([{ id: 'kiwi', embeddings }])
    const [hit] = await index.search(embeddings)
    const refused = await index.search(embeddings, { where: { lang: { like: 'x' } } }).catch((error) => error)
    const encoder = new FdeEncoder(resolveFdeConfig({ dim: 2 }))
    const isOurs = [refused, attempt(() => compileWhere({ lang: { like: 'x' } })), attempt(() => checkOptions('f()', { b: 1 }, ['a']))]
    console.log(hit.id, hit.score, isOurs.every((error) => error instanceof SerotineError), encoder.encodeDocument(embeddings).length)
    await index.close()
    function attempt(call) {
      try { call() } catch (error) { return error }
    }`
  const names = {
    '@serotine/core': 'MultiVectorIndex, SerotineError',
    '@serotine/core/store': 'EmbeddedStore, compileWhere',
    '@serotine/core/muvera': 'FdeEncoder, resolveFdeConfig',
    '@serotine/core/options': 'checkOptions',
  }
  const esm = Object.entries(names).map(([entry, list]) => `import { ${list} } from '${entry}'`)
  const cjs = Object.entries(names).map(([entry, list]) => `const { ${list} } = require('${entry}')`)
  expect(run('one.mjs', `${esm.join('\n')}\n${body}`)).toBe('kiwi 2 true 1280\n')
  expect(run('one.cjs', `${cjs.join('\n')}\n;(async () => {${body}})()`)).toBe('kiwi 2 true 1280\n')
})

it('load the small model once it is installed, and say before how that is done', () => {
  const body = (name: string) => `
    const model = await ColBERT.load('${name}').catch((error) => error)
    if (model instanceof Error) console.log(model.code, model.message)
    else {
      const [best] = await model.rerank('flightless birds', ['Penguins swim.', 'Kiwis are birds that cannot fly.'])
      console.log(model.name, model.dim, model.config.documentLength, best.index)
      await model.close()
    }`
  const load = (name: string) => run('small.mjs', `import { ColBERT } from '@serotine/core'\n${body(name)}`)
  expect(load('small')).toMatch(
    /^MODEL_FILES_MISSING The model "small" is not installed\. Install it \("npm install @serotine\/model-small"\)/,
  )
  expect(load('micro')).toBe('@serotine/model-micro 128 300 1\n')
  unpack(small)
  expect(load('small')).toBe('@serotine/model-small 128 512 1\n')
  const required = `const { ColBERT } = require('@serotine/core');\n(async () => {${body('small')}})()`
  expect(run('small.cjs', required)).toBe('@serotine/model-small 128 512 1\n')
})
