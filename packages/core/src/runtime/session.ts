import { lstat, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SerotineError } from '../errors.js'
import type { Feed, LoadedOrt, Ort, OrtSession } from './ort.js'

/** A model in memory, with the folder and names of the files that hold its external data, or a `.onnx` file. */
export type ModelSource =
  | {
      readonly model: Uint8Array | ArrayBuffer
      readonly folder: string | undefined
      readonly files: readonly string[]
    }
  | { readonly file: string }

/** ONNX Runtime logs to stderr; the library never prints, and errors are thrown anyway. */
const LOG_FATAL = 4

/**
 * One ONNX Runtime session on the CPU.
 *
 * @throws MODEL_CORRUPT
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

  static async open(source: ModelSource, threads: number, loaded: LoadedOrt): Promise<Session> {
    const options = {
      executionProviders: [loaded.readsFiles ? 'cpu' : 'wasm'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: LOG_FATAL,
    }
    const { model, data } = await (loaded.readsFiles ? asFiles(source) : inMemory(source))
    try {
      return new Session(loaded.ort, await loaded.ort.InferenceSession.create(model, { ...options, ...data }))
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

/** What `InferenceSession.create` takes: a model, and where its external data is. */
interface Created {
  readonly model: Uint8Array | string
  readonly data: object
}
interface ExternalFile {
  readonly path: string
  readonly data: Uint8Array
}

/**
 * ONNX Runtime maps the files itself. Data files of a `.onnx` file that are symlinks, as in the Hub cache, it refuses to
 * follow out of the folder, so they are handed over in memory.
 */
async function asFiles(source: ModelSource): Promise<Created> {
  if ('file' in source) {
    const externalData = await dataFiles(source.file, (found) => found.isSymbolicLink())
    return { model: source.file, data: externalData.length > 0 ? { externalData } : {} }
  }
  const { folder } = source
  const model = bytesOf(source.model)
  const session = folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }
  return { model, data: { extra: { session } } }
}

async function inMemory(source: ModelSource): Promise<Created> {
  if ('file' in source) {
    return { model: await readFile(source.file), data: { externalData: await dataFiles(source.file, () => true) } }
  }
  const { folder, files } = source
  const model = bytesOf(source.model)
  const externalData = await Promise.all(
    files.map(async (path): Promise<ExternalFile> => ({ path, data: await readFile(join(folder ?? '', path)) })),
  )
  return { model, data: { externalData } }
}

const bytesOf = (model: Uint8Array | ArrayBuffer): Uint8Array =>
  model instanceof Uint8Array ? model : new Uint8Array(model)

/** The data files of a `.onnx` file, by the two names exporters give them. */
async function dataFiles(
  file: string,
  wanted: (found: Awaited<ReturnType<typeof lstat>>) => boolean,
): Promise<ExternalFile[]> {
  const found: ExternalFile[] = []
  for (const path of [`${file}.data`, `${file}_data`]) {
    const entry = await lstat(path).catch(() => undefined)
    if (entry && wanted(entry)) found.push({ path: basename(path), data: await readFile(path) })
  }
  return found
}
