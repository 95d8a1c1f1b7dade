import { readFileSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { basename } from 'node:path'
import { SerotineError } from '../errors.js'

/** One tensor that goes into a session. */
export interface Feed {
  readonly type: 'int32' | 'int64' | 'float32' | 'uint8'
  readonly data: Int32Array | BigInt64Array | Float32Array | Uint8Array
  readonly dims: readonly number[]
}

/** A model in memory, with the folder of its external data, or a `.onnx` file. */
export type ModelSource =
  | { readonly model: Uint8Array; readonly folder: string | undefined }
  | { readonly file: string }

/** The part of ONNX Runtime's interface used here. */
interface Ort {
  InferenceSession: { create(model: Uint8Array | string, options: object): Promise<OrtSession> }
  Tensor: new (type: string, data: Feed['data'], dims: readonly number[]) => OrtTensor
}
interface OrtSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>
  release(): Promise<void>
}
interface OrtTensor {
  readonly data: unknown
  readonly dims: readonly number[]
}

/** ONNX Runtime logs to stderr; the library never prints, and errors are thrown anyway. */
const LOG_FATAL = 4

/**
 * One ONNX Runtime session on the CPU.
 *
 * @throws RUNTIME_MISSING, MODEL_CORRUPT
 */
export class Session {
  readonly inputNames: readonly string[]
  readonly #ort: Ort
  readonly #session: OrtSession

  private constructor(ort: Ort, session: OrtSession) {
    this.#ort = ort
    this.#session = session
    this.inputNames = session.inputNames
  }

  /** @param injected ONNX Runtime as imported by the caller; undefined = `onnxruntime-node` */
  static async open(source: ModelSource, threads: number, injected?: unknown): Promise<Session> {
    const ort = await loadOrt(injected)
    const options = {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: LOG_FATAL,
    }
    try {
      if ('file' in source) {
        return new Session(
          ort,
          await ort.InferenceSession.create(source.file, { ...options, ...(await linkedData(source.file)) }),
        )
      }
      const folder = source.folder === undefined ? {} : { model_external_initializers_file_folder_path: source.folder }
      return new Session(
        ort,
        await ort.InferenceSession.create(source.model, { ...options, extra: { session: folder } }),
      )
    } catch (cause) {
      const what = 'file' in source ? source.file : `the model built from ${source.folder ?? 'the checkpoint'}`
      throw new SerotineError('MODEL_CORRUPT', `ONNX Runtime cannot load ${what}: ${(cause as Error).message}`, {
        cause,
      })
    }
  }

  /** The first output. */
  async run(feeds: Readonly<Record<string, Feed>>): Promise<{ data: unknown; dims: readonly number[] }> {
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new this.#ort.Tensor(type, data, dims)]),
    )
    const outputs = await this.#session.run(tensors)
    const { data, dims } = outputs[this.#session.outputNames[0]!]!
    return { data, dims }
  }

  close(): Promise<void> {
    return this.#session.release()
  }
}

async function loadOrt(injected: unknown): Promise<Ort> {
  const module: unknown =
    injected ??
    (await import('onnxruntime-node').catch((cause: unknown) => {
      throw new SerotineError(
        'RUNTIME_MISSING',
        `onnxruntime-node cannot be loaded: ${(cause as Error).message} Install it with "npm install onnxruntime-node" ` +
          '(with ONNXRUNTIME_NODE_INSTALL_CUDA=skip set, no CUDA files are downloaded), ' +
          'or pass an imported build as the ort option.',
        { cause },
      )
    }))
  for (const candidate of [module, (module as { default?: unknown }).default]) {
    const ort = candidate as Partial<Ort> | undefined
    if (ort?.InferenceSession && ort.Tensor) return ort as Ort
  }
  throw new SerotineError(
    'RUNTIME_MISSING',
    'The ort option is not ONNX Runtime: it lacks InferenceSession or Tensor. ' +
      'Pass `await import("onnxruntime-node")`.',
  )
}

/**
 * Data files of a `.onnx` file that are symlinks, as in the Hub cache: ONNX Runtime refuses to follow them out of the
 * folder, so they are handed over in memory.
 */
async function linkedData(file: string): Promise<{ externalData?: { path: string; data: Uint8Array }[] }> {
  const candidates = [`${file}.data`, `${file}_data`]
  const links = await Promise.all(
    candidates.map((path) =>
      lstat(path).then(
        (found) => found.isSymbolicLink(),
        () => false,
      ),
    ),
  )
  const externalData = candidates
    .filter((_, i) => links[i])
    .map((path) => ({ path: basename(path), data: readFileSync(path) }))
  return externalData.length > 0 ? { externalData } : {}
}
