import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import { loadOrt } from '../../../packages/core/src/runtime/ort.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import { builtWorker } from './built-worker.js'
import { concat, goldenFolder, goldenInputs, maxDifference, readGolden } from './golden.js'

/** As the core resolves them: the tests' own folder has no such packages. */
const resolveFromCore = createRequire(new URL('../../../packages/core/package.json', import.meta.url)).resolve
const NATIVE = [`@serotine/runtime-${process.platform}-${process.arch}`, 'onnxruntime-node'].map((name) =>
  resolveFromCore(name),
)
const core = new URL('../../../packages/core/dist/index.js', import.meta.url)
const inputs = goldenInputs(readGolden('bert-tiny').cases[1]!)
const checkpoint = () => readCheckpoint(`${goldenFolder('bert-tiny')}/model`)
let workerUrl: URL
let scratch: string

beforeAll(async () => {
  workerUrl = await builtWorker('ort')
  scratch = mkdtempSync(join(tmpdir(), 'serotine-ort-'))
})
afterAll(() => rmSync(scratch, { recursive: true }))

describe('where the native library cannot be loaded', () => {
  afterEach(() => {
    for (const path of NATIVE) vi.doUnmock(path)
    vi.resetModules()
  })

  it('auto takes WebAssembly, and says why and what to do', async () => {
    for (const path of NATIVE) {
      vi.doMock(path, () => {
        throw new Error("Cannot find module '../bin/napi-v6/darwin/x64/onnxruntime_binding.node'")
      })
    }
    const warnings: Warning[] = []
    const { kind } = await loadOrt({ onWarning: (warning) => warnings.push(warning) })
    expect(kind).toBe('wasm')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({
      code: 'RUNTIME_WASM',
      message: expect.stringMatching(/cannot be loaded on.*optional dependency.*WebAssembly/s),
    })
  })

  it('takes onnxruntime-node where only that is installed', async () => {
    vi.doMock(NATIVE[0]!, () => {
      throw new Error('Cannot find package')
    })
    const onWarning = vi.fn()
    expect((await loadOrt({ onWarning })).kind).toBe('native')
    expect(onWarning).not.toHaveBeenCalled()
  })

  it('native is an error, and wasm asks nobody', async () => {
    for (const path of NATIVE) vi.doMock(path, () => ({ default: {} }))
    await expect(loadOrt({ runtime: 'native' })).rejects.toMatchObject({ code: 'RUNTIME_MISSING' })
    const onWarning = vi.fn()
    expect((await loadOrt({ runtime: 'wasm', onWarning })).kind).toBe('wasm')
    expect(onWarning).not.toHaveBeenCalled()
  })
})

describe('WebAssembly', () => {
  it('works in worker threads too', async () => {
    const native = await createRuntime(await checkpoint())
    const wasm = await createRuntime(await checkpoint(), { runtime: 'wasm', workers: 2, workerUrl, batchSize: 3 })
    expect([native.kind, wasm.kind]).toEqual(['native', 'wasm'])
    const [expected, rows] = await Promise.all([
      native.run(inputs, { normalize: true }),
      wasm.run(inputs, { normalize: true }),
    ])
    await Promise.all([native.close(), wasm.close()])
    expect(maxDifference(concat(rows), concat(expected))).toBeLessThanOrEqual(5e-5)
  })

  it('gives a text the same vector alone and in a batch', async () => {
    const runtime = await createRuntime(await checkpoint(), { runtime: 'wasm' })
    const together = await runtime.run(inputs, { normalize: true })
    const alone = await Promise.all(inputs.map((input) => runtime.run([input], { normalize: true })))
    await runtime.close()
    expect(maxDifference(concat(together), concat(alone.flat()))).toBeLessThanOrEqual(1e-5)
  })

  it('quantises to int8', async () => {
    const runtimes = await Promise.all(
      (['native', 'wasm'] as const).map(async (runtime) =>
        createRuntime(await checkpoint(), { runtime, dtype: 'int8' }),
      ),
    )
    const [native, wasm] = await Promise.all(runtimes.map((runtime) => runtime.run(inputs, { normalize: true })))
    await Promise.all(runtimes.map((runtime) => runtime.close()))
    // The native kernels of some processors leave one bit of the weights out.
    expect(maxDifference(concat(wasm!), concat(native!))).toBeLessThanOrEqual(0.1)
  })
})

it('rejects other values of runtime', async () => {
  await expect(createRuntime(await checkpoint(), { runtime: 'gpu' as 'wasm' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: "runtime must be 'auto', 'native' or 'wasm', got \"gpu\".",
  })
})

describe('the telemetry of ONNX Runtime', () => {
  const program = (inThread: boolean) => `
    import { Worker, isMainThread } from 'node:worker_threads'
    if (isMainThread && ${inThread}) new Worker(new URL(import.meta.url))
    else {
      const { ColBERT } = await import(${JSON.stringify(core.href)})
      const warnings = []
      const model = await ColBERT.load(undefined, { onWarning: ({ code }) => warnings.push(code) })
      await model.encodeQueries(['birds'])
      await model.close()
      console.log(JSON.stringify({ runtime: model.runtime, warnings, switch: process.env.ORT_DISABLE_TELEMETRY ?? null }))
    }`
  const run = (inThread: boolean, env: Record<string, string> = {}) => {
    const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env
    const url = `data:text/javascript,${encodeURIComponent(program(inThread))}`
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', `await import(${JSON.stringify(url)})`],
      {
        encoding: 'utf8',
        env: { ...inherited, ...env },
      },
    )
    expect(stderr).toBe('')
    return JSON.parse(stdout) as unknown
  }

  it('is switched off before the library is loaded', () => {
    expect(run(false)).toEqual({ runtime: 'native', warnings: [], switch: '1' })
  })

  it('keeps the native library out of a thread that cannot switch it off', () => {
    expect(run(true)).toEqual({ runtime: 'wasm', warnings: ['RUNTIME_WASM'], switch: null })
    expect(run(true, { ORT_DISABLE_TELEMETRY: '1' })).toEqual({ runtime: 'native', warnings: [], switch: '1' })
  })
})

it('the built package says where its WebAssembly lies', () => {
  expect(fileURLToPath(import.meta.resolve?.('@serotine/core/ort-wasm-simd-threaded.wasm.gz') ?? core)).toMatch(
    /core.dist/,
  )
})
