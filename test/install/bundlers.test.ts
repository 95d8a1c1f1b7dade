// What bundlers and file tracers need from the packages, in seconds; `npm run matrix` tries the bundlers themselves.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { builtinModules, createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { nodeFileTrace } from '@vercel/nft'
import { build } from 'esbuild'
import type { BuildOptions } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
// @ts-expect-error a script without types
import { CELLS } from './matrix/cells.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const core = join(root, 'packages/core')
const fixtures = join(root, 'test/install/matrix/fixtures')
const model = join(root, 'packages/model-micro')

/** Every file of the model's package, as its two entries name them. */
const modelFiles = async () => {
  const esm = (await import(pathToFileURL(join(model, 'index.js')).href)) as { modelFiles(): Record<string, URL> }
  const cjs = createRequire(import.meta.url)(join(model, 'index.cjs')) as typeof esm
  return { esm: esm.modelFiles(), cjs: cjs.modelFiles() }
}

const NATIVE = /^(@serotine\/runtime-[\w-]+|onnxruntime-node)$/

describe('the worker entry', () => {
  it('is one file: it imports only Node and ONNX Runtime', () => {
    const source = readFileSync(join(core, 'dist/worker.mjs'), 'utf8')
    const imported = [...source.matchAll(/(?:^import [^\n]*from |(?<!`await )\bimport\(\s*)["']([^"'\n]+)["']/gm)].map(
      (match) => match[1]!,
    )
    expect(imported.length).toBeGreaterThan(3)
    expect(
      imported.filter((name) => !builtinModules.includes(name.replace(/^node:/, '')) && !NATIVE.test(name)),
    ).toEqual([])
  })
})

describe('the embedded model', () => {
  it('names every file of its folder, the same for import and require', async () => {
    const listing = execFileSync('git', ['ls-files', 'model'], { cwd: model, encoding: 'utf8' }).trim().split('\n')
    const { esm, cjs } = await modelFiles()
    expect(Object.keys(esm).toSorted()).toEqual(listing.map((path) => path.slice('model/'.length)).toSorted())
    expect(Object.entries(esm).map(([name, url]) => [name, url.href])).toEqual(
      Object.entries(cjs).map(([name, url]) => [name, url.href]),
    )
  })
})

describe('a file tracer (@vercel/nft)', () => {
  it.each(['index.js', 'index.cjs'])('finds model, worker, WebAssembly and library from %s', async (entry) => {
    const { fileList } = await nodeFileTrace([join(core, 'dist', entry)], { base: root })
    const traced = new Set([...fileList].map((path) => path.split(sep).join('/')))
    const { esm } = await modelFiles()
    const needed = [
      ...Object.keys(esm).map((name) => `packages/model-micro/model/${name}`),
      'packages/core/dist/worker.mjs',
      'packages/core/dist/ort-wasm-simd-threaded.wasm.gz',
    ]
    expect(needed.filter((path) => !traced.has(path))).toEqual([])
    if (process.platform === 'linux') {
      const library = new RegExp(
        `runtime-linux-${process.arch}/dist/bin/napi-v6/linux/${process.arch}/libonnxruntime\\.so`,
      )
      expect([...traced].some((path) => library.test(path))).toBe(true)
    }
    // A URL or path it cannot read makes a tracer take whole folders, types included, and Turbopack fails on those.
    expect([...traced].filter((path) => /core\/(?:src|test)\/|\.d\.c?ts$/.test(path))).toEqual([])
  })
})

describe('a bundle of everything but the native packages', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'serotine-bundle-'))
    mkdirSync(join(folder, 'node_modules'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const options = (outfile: string, format: 'esm' | 'cjs'): BuildOptions & { outfile: string } => ({
    entryPoints: [join(fixtures, 'main.mjs')],
    // From where the fixture's imports are found.
    nodePaths: [join(root, 'node_modules')],
    bundle: true,
    platform: 'node',
    external: ['@serotine/runtime-*', 'onnxruntime-node', 'hnswlib-node'],
    logLevel: 'silent',
    format,
    outfile,
  })
  const run = (script: string, ...tries: object[]) =>
    execFileSync(process.execPath, [script, ...tries.map((each) => JSON.stringify(each))], {
      encoding: 'utf8',
      // A model that is installed where the program runs would be found.
      cwd: dirname(script),
      // pnpm's commands point NODE_PATH at the packages of this checkout.
      env: { ...process.env, NODE_PATH: '' },
    })
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id?: string; runtime?: string; error?: string })

  it.each(['esm', 'cjs'] as const)('%s: finds the files where the packages are installed', async (format) => {
    const outfile = join(
      core,
      `node_modules/.cache/serotine-test/bundle-${format}/main.${format === 'esm' ? 'mjs' : 'cjs'}`,
    )
    await build(options(outfile, format))
    const results = run(
      outfile,
      { runtime: 'native' },
      { runtime: 'native', workers: 1 },
      { runtime: 'wasm', workers: 1 },
    )
    expect(results).toMatchObject([
      { id: 'kiwi', runtime: 'native' },
      { id: 'kiwi', runtime: 'native' },
      { id: 'kiwi', runtime: 'wasm' },
    ])
    rmSync(dirname(outfile), { recursive: true })
  })

  it.each(['esm', 'cjs'] as const)(
    '%s, alone in a folder: says what to copy, and runs once it is there',
    async (format) => {
      const place = join(folder, format)
      const outfile = join(place, `main.${format === 'esm' ? 'mjs' : 'cjs'}`)
      await build(options(outfile, format))
      const errorOf = (tries: object) => run(outfile, tries)[0]!.error
      expect(errorOf({})).toMatch(
        /MODEL_FILES_MISSING.*copy the folder node_modules\/@serotine\/model-micro\/model next to/,
      )
      cpSync(join(model, 'model'), join(place, 'model'), { recursive: true })
      expect(errorOf({ runtime: 'wasm' })).toMatch(
        /RUNTIME_MISSING.*ort-wasm-simd-threaded\.wasm\.gz.*Copy it there from/,
      )
      cpSync(join(core, 'dist/ort-wasm-simd-threaded.wasm.gz'), join(place, 'ort-wasm-simd-threaded.wasm.gz'))
      expect(errorOf({ workers: 1 })).toMatch(/WORKER_FAILED.*Copy .*worker\.mjs there, .*workerUrl/)
      cpSync(join(core, 'dist/worker.mjs'), join(place, 'worker.mjs'))
      expect(run(outfile, { workers: 1 })).toMatchObject([{ id: 'kiwi', runtime: 'wasm' }])
    },
  )
})

describe('docs/bundlers.md', () => {
  const page = readFileSync(join(root, 'docs/bundlers.md'), 'utf8')

  it('shows the configuration files that the matrix runs', () => {
    const shown = [...page.matchAll(/```js\n\/\/ ([\w./-]+)\n([\s\S]*?)```/g)].map(([, name, code]) => [name, code])
    expect(shown.length).toBeGreaterThanOrEqual(6)
    for (const [name, code] of shown) expect([name, code]).toEqual([name, readFileSync(join(fixtures, name!), 'utf8')])
  })

  it('shows the commands that the matrix runs', () => {
    const commands = (CELLS as { build?: string[] }[]).map(({ build: command }) => command?.join(' '))
    const shown = [...page.matchAll(/^npx (.+)$/gm)].map((match) => match[1]!)
    expect(shown.length).toBeGreaterThanOrEqual(2)
    expect(shown.filter((command) => !commands.includes(command))).toEqual([])
  })

  it('names every cell of the matrix', () => {
    const names = (CELLS as { name: string }[]).map(({ name }) => name)
    expect(names.filter((name) => !page.includes(`| ${name} |`))).toEqual([])
  })
})
