import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { hereUrl, OUT_OF_THE_BUNDLE, shippedFile } from '../shipped.js'
import { switchTelemetryOff, TELEMETRY_SWITCH } from './telemetry.js'

/** Which build of ONNX Runtime computes: the native library, WebAssembly, or the one the caller passed in. */
export type RuntimeKind = 'native' | 'wasm' | 'given'

/** One tensor that goes into a session. */
export interface Feed {
  readonly type: 'int32' | 'int64' | 'float32' | 'uint8'
  readonly data: Int32Array | BigInt64Array | Float32Array | Uint8Array
  readonly dims: readonly number[]
}

/** The part of ONNX Runtime's interface used here. */
export interface Ort {
  InferenceSession: { create(model: Uint8Array | string, options: object): Promise<OrtSession> }
  Tensor: new (type: string, data: Feed['data'], dims: readonly number[]) => OrtTensor
  env?: { versions?: { node?: string; web?: string }; wasm?: { numThreads?: number; wasmBinary?: Uint8Array } }
}
export interface OrtSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>
  release(): Promise<void>
}
interface OrtTensor {
  readonly data: unknown
  readonly dims: readonly number[]
}

/** ONNX Runtime, loaded. */
export interface LoadedOrt {
  readonly ort: Ort
  readonly kind: RuntimeKind
  /** Opens model files itself; WebAssembly cannot and is handed their bytes. */
  readonly readsFiles: boolean
  /** Where the WebAssembly came from: workers, whose module a bundler may have moved elsewhere, take the same. */
  readonly wasmFile?: string
}

export interface OrtChoice {
  readonly runtime?: 'auto' | 'native' | 'wasm' | undefined
  /** ONNX Runtime as imported by the caller. */
  readonly ort?: unknown
  readonly wasmFile?: string | undefined
  readonly onWarning?: OnWarning | undefined
}

/** Those with a package of their own. */
const PLATFORMS = ['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']
const WASM_FILE = 'ort-wasm-simd-threaded.wasm.gz'
const unpack = promisify(gunzip)

/**
 * Loads ONNX Runtime: what the caller imported, else the native library of this platform, else the WebAssembly build
 * that comes with this package.
 *
 * @throws RUNTIME_MISSING
 */
export async function loadOrt({ runtime = 'auto', ort: given, wasmFile, onWarning }: OrtChoice): Promise<LoadedOrt> {
  if (given !== undefined) return loadGiven(given)
  if (runtime === 'wasm') return loadWasm(wasmFile)
  try {
    return await loadNative()
  } catch (error) {
    if (runtime === 'native') throw error
    const loaded = await loadWasm(wasmFile)
    onWarning?.({
      code: 'RUNTIME_WASM',
      message: `${(error as Error).message} Encoding runs on WebAssembly meanwhile, several times slower.`,
    })
    return loaded
  }
}

function loadGiven(given: unknown): LoadedOrt {
  const ort = ortOf(given)
  if (!ort) {
    throw new SerotineError(
      'RUNTIME_MISSING',
      `The ort option is not ONNX Runtime (got ${describe(given)}): it has no InferenceSession and Tensor. ` +
        'Pass `await import("onnxruntime-node")` or `await import("onnxruntime-web")`.',
    )
  }
  const { node, web } = ort.env?.versions ?? {}
  return { ort, kind: 'given', readsFiles: node !== undefined || web === undefined }
}

async function loadNative(): Promise<LoadedOrt> {
  if (!switchTelemetryOff()) {
    throw new SerotineError(
      'RUNTIME_MISSING',
      `The native ONNX Runtime is not loaded in a worker thread of yours, or in Bun on Windows, unless the process was ` +
        `started with ${TELEMETRY_SWITCH}=1: its telemetry cannot be switched off from there. Set that variable, or ` +
        'load a model on the main thread before starting the worker.',
    )
  }
  const platform = `${process.platform}-${process.arch}`
  const failures: string[] = []
  const ort = (await ofPlatform(platform, failures)) ?? (await ofOnnxruntimeNode(failures))
  if (ort) return { ort, kind: 'native', readsFiles: true }
  throw new SerotineError(
    'RUNTIME_MISSING',
    `The native ONNX Runtime cannot be loaded on ${platform}${failures.length > 0 ? ` (${failures.join('; ')})` : ''}. ` +
      `It comes as the optional dependency @serotine/runtime-<platform>, for ${PLATFORMS.join(', ')} (glibc): install ` +
      "with optional dependencies there and leave it out of bundles; elsewhere use runtime: 'wasm'.",
  )
}

/**
 * The library of a platform. Specifiers are spelt out, since bundlers and file tracers follow nothing else, and stand
 * inside `try`, where those take a package that is not installed for an optional one.
 */
async function ofPlatform(platform: string, failures: string[]): Promise<Ort | undefined> {
  try {
    if (platform === 'darwin-arm64') return ortOf(await import('@serotine/runtime-darwin-arm64'))
    if (platform === 'linux-arm64') return ortOf(await import('@serotine/runtime-linux-arm64'))
    if (platform === 'linux-x64') return ortOf(await import('@serotine/runtime-linux-x64'))
    if (platform === 'win32-arm64') return ortOf(await import('@serotine/runtime-win32-arm64'))
    if (platform === 'win32-x64') return ortOf(await import('@serotine/runtime-win32-x64'))
  } catch (error) {
    failures.push(firstLine((error as Error).message))
  }
  return undefined
}

/** The package they are taken from, where the user has it anyway. */
async function ofOnnxruntimeNode(failures: string[]): Promise<Ort | undefined> {
  try {
    return ortOf(await import('onnxruntime-node'))
  } catch (error) {
    failures.push(firstLine((error as Error).message))
    return undefined
  }
}

/** @param file the packed WebAssembly; undefined = where this package has it */
async function loadWasm(file: string = wasmFile()): Promise<LoadedOrt> {
  const ort = ortOf(await import('onnxruntime-web/wasm'))
  const settings = ort?.env?.wasm
  if (!ort || !settings) throw new SerotineError('RUNTIME_MISSING', 'The WebAssembly build of ONNX Runtime is damaged.')
  settings.numThreads = 1
  settings.wasmBinary ??= await unpack(await readFile(file))
  return { ort, kind: 'wasm', readsFiles: false, wasmFile: file }
}

/** The module's own file lies next to this one; from sources, or where a bundler moved this one, the package knows it. */
function wasmFile(): string {
  // A statement each: @vercel/nft skips the body of an arrow function.
  function beside(): URL {
    return new URL('./ort-wasm-simd-threaded.wasm.gz', import.meta.url)
  }
  const found = shippedFile(
    [beside, () => new URL('./ort-wasm-simd-threaded.wasm.gz', hereUrl())],
    `@serotine/core/${WASM_FILE}`,
  )
  if (found !== undefined) return found
  throw new SerotineError(
    'RUNTIME_MISSING',
    `${WASM_FILE} is not next to ${hereUrl() ?? 'the program'}: a bundler has left it behind. Copy it there from ` +
      `node_modules/@serotine/core/dist, or ${OUT_OF_THE_BUNDLE}.`,
  )
}

/** A module namespace, or its default export where CommonJS was wrapped. */
function ortOf(module: unknown): Ort | undefined {
  for (const candidate of [module, (module as { default?: unknown } | undefined)?.default]) {
    const ort = candidate as Partial<Ort> | undefined
    if (ort?.InferenceSession && ort.Tensor) return ort as Ort
  }
  return undefined
}

const firstLine = (message: string): string => message.split('\n', 1)[0]!.replace(/\.$/, '')
