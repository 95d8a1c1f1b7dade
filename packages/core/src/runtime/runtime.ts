import { checkInteger, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import type { BertConfig, Checkpoint, ModernBertConfig, OnnxEncoderConfig } from '../checkpoint/types.js'
import { buildEncoderGraphs, LONG_TEXT } from '../graph/encoder.js'
import type { EncoderGraphOptions } from '../graph/encoder.js'
import { PROBE_INPUTS, SATURATION_SUM, saturationProbe } from '../graph/quantize.js'
import type { ModelInput } from '../text/template.js'
import { checkFinite } from '../embeddings.js'
import { checkInput, packBatch, planBatches } from './batch.js'
import type { Batch } from './batch.js'
import { openNetwork } from './network.js'
import type { Network, NetworkPlan } from './network.js'
import { loadOrt } from './ort.js'
import type { LoadedOrt, RuntimeKind } from './ort.js'
import { openPool } from './pool.js'
import { isDynamicallyQuantized } from './dynamic-quantization.js'
import { Session } from './session.js'

/** Where and how the network runs. */
export interface RuntimeOptions {
  /** `int8` quantises the encoder's weights at load time, or runs a folder's `model_int8.onnx`. Default `fp32`. */
  dtype?: 'fp32' | 'int8'
  /** Worker threads, each with its own session of `threads` threads. 0, the default, runs on the calling thread. */
  workers?: number
  /** Threads of one ONNX Runtime session. Default 1. */
  threads?: number
  /** Most texts per ONNX Runtime call. A token budget cuts batches further. Default 32. */
  batchSize?: number
  /**
   * ModernBERT rows whose whole attention window is masked (far expansion tokens): `zeros` as transformers 5 computes
   * them, the default, or `uniform` as transformers 4 does.
   */
  maskedAttention?: 'zeros' | 'uniform'
  /**
   * Where the worker entry is: a copy of `worker.mjs` of this package. Default: next to the built module, where the
   * bundler put it, or in the installed package.
   */
  workerUrl?: URL
  /**
   * `native` is the library of this platform, an optional dependency; `wasm` a WebAssembly build inside this package,
   * which runs everywhere, several times slower and on one thread. `auto`, the default, takes `wasm` only where `native`
   * cannot be loaded, with a warning `RUNTIME_WASM`.
   */
  runtime?: 'auto' | 'native' | 'wasm'
  /** ONNX Runtime, already imported (other builds). Default: see `runtime`. */
  ort?: unknown
  onWarning?: OnWarning
}

export interface RunOptions {
  /** L2-normalise each row. */
  normalize: boolean
  batchSize?: number
  signal?: AbortSignal
  /** Called after each batch with the texts done so far and the tokens of that batch. */
  onBatch?: (done: number, tokens: number) => void
}

/** Token ids in, token vectors out. */
export interface Runtime {
  readonly dim: number
  /** Which build of ONNX Runtime computes. */
  readonly kind: RuntimeKind
  /** Names the arithmetic: `fp32`, `int8`, or `int8 (7-bit weights)` on processors that saturate. */
  readonly variant: string
  /** The kept rows of each input, row-major `[kept × dim]`, in input order. */
  run(inputs: readonly ModelInput[], options: RunOptions): Promise<Float32Array[]>
  close(): Promise<void>
}

const DEFAULT_BATCH_SIZE = 32
/** Tokens per batch, padding included, found best on one core: small encoders gain from wider matrices. */
const TOKEN_BUDGET = { small: 1024, large: 512 }
const SMALL_HIDDEN_SIZE = 128

/**
 * Opens a checkpoint's network on this thread or in worker threads.
 *
 * @throws RUNTIME_MISSING, MODEL_CORRUPT, MODEL_FILES_MISSING (no graph of that dtype), WORKER_FAILED, INVALID_ARGUMENT
 */
export async function createRuntime(checkpoint: Checkpoint, options: RuntimeOptions = {}): Promise<Runtime> {
  const { workers, threads, batchSize, dtype, maskedAttention, workerUrl, ...choice } = checkRuntimeOptions(options)
  const ort = await loadOrt({ ...choice, onWarning: options.onWarning })
  const { encoder, dim, queryLength, documentLength } = checkpoint.config
  const maxLength = encoder.modelType === 'bert' ? encoder.maxPositions : Math.max(queryLength, documentLength)
  const weightBits =
    dtype === 'int8' && encoder.modelType !== 'onnx' ? await safeWeightBits(ort, options.onWarning) : undefined
  const source: NetworkPlan['source'] =
    encoder.modelType === 'onnx'
      ? { kind: 'onnx', file: readyMadeFile(checkpoint.folder, encoder, dtype) }
      : {
          kind: 'built',
          ...(await buildGraphs(checkpoint, encoder, { masked: maskedAttention, maxLength, weightBits })),
        }
  const { kind, wasmFile } = ort
  const plan: NetworkPlan = { dim, threads, runtime: kind, source, ...(wasmFile !== undefined && { wasmFile }) }
  const network = workers > 0 ? await openPool(plan, workers, workerUrl) : await openNetwork(plan, ort)
  const small = encoder.modelType !== 'onnx' && encoder.hiddenSize <= SMALL_HIDDEN_SIZE
  return new BatchingRuntime(network, {
    dim,
    kind: ort.kind,
    variant: weightBits === 7 ? 'int8 (7-bit weights)' : dtype,
    limits: { maxLength, vocabSize: encoder.modelType === 'onnx' ? Infinity : encoder.vocabSize },
    batchSize,
    tokenBudget: small ? TOKEN_BUDGET.small : TOKEN_BUDGET.large,
    aloneFrom: source.kind === 'built' && source.long ? source.longFrom : Infinity,
    oneByOne: source.kind === 'onnx' && (await isDynamicallyQuantized(source.file)),
  })
}

interface Settings {
  readonly dim: number
  readonly kind: RuntimeKind
  readonly variant: string
  readonly limits: { readonly maxLength: number; readonly vocabSize: number }
  readonly batchSize: number
  readonly tokenBudget: number
  readonly aloneFrom: number
  /** Each text in a batch of its own, whatever batch size is asked for. */
  readonly oneByOne: boolean
}

class BatchingRuntime implements Runtime {
  readonly dim: number
  readonly kind: RuntimeKind
  readonly variant: string
  readonly #network: Network
  readonly #settings: Settings
  /** Running batches; a session must not be freed under them. */
  readonly #running = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  constructor(network: Network, settings: Settings) {
    this.#network = network
    this.#settings = settings
    this.dim = settings.dim
    this.kind = settings.kind
    this.variant = settings.variant
  }

  async run(
    inputs: readonly ModelInput[],
    { normalize, batchSize, signal, onBatch }: RunOptions,
  ): Promise<Float32Array[]> {
    this.#requireOpen()
    inputs.forEach((input, i) => checkInput(input, i, this.#settings.limits))
    const size = batchSize === undefined ? this.#settings.batchSize : checkInteger('batchSize', batchSize, 1)
    const batches = planBatches(inputs, {
      ...this.#settings,
      batchSize: this.#settings.oneByOne ? 1 : size,
    }).values()
    const results: Float32Array[] = []
    results.length = inputs.length
    let done = 0
    let failed = false
    const lane = async () => {
      for (const positions of batches) {
        // Session.run blocks its thread: let timers, aborts and other calls have a turn in between.
        await new Promise(setImmediate)
        signal?.throwIfAborted()
        if (failed) return
        const members = positions.map((i) => inputs[i]!)
        const rows = await this.#runBatch(packBatch(members, 0), normalize)
        this.#split(rows, positions, inputs, results)
        done += positions.length
        onBatch?.(
          done,
          members.reduce((sum, input) => sum + input.ids.length, 0),
        )
      }
    }
    const lanes = Array.from({ length: this.#network.lanes }, () =>
      lane().catch((error: unknown) => {
        failed = true
        throw error
      }),
    )
    await Promise.all(lanes)
    return results
  }

  /** Calling it twice is fine. */
  close(): Promise<void> {
    return (this.#closed ??= Promise.allSettled(this.#running).then(() => this.#network.close()))
  }

  #requireOpen(): void {
    if (this.#closed) throw new SerotineError('CLOSED', 'The model was closed. Load it again to encode.')
  }

  async #runBatch(batch: Batch, normalize: boolean): Promise<Float32Array> {
    this.#requireOpen()
    const running = this.#network.run(batch, normalize)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /** Rows of a batch → one array per text. @throws NOT_FINITE naming text and token */
  #split(
    rows: Float32Array,
    positions: readonly number[],
    inputs: readonly ModelInput[],
    results: Float32Array[],
  ): void {
    let begin = 0
    for (const i of positions) {
      const end = begin + inputs[i]!.kept.length * this.dim
      const own = rows.slice(begin, end)
      checkFinite(own, this.dim, `texts[${i}]`)
      results[i] = own
      begin = end
    }
  }
}

async function buildGraphs(
  checkpoint: Checkpoint,
  encoder: BertConfig | ModernBertConfig,
  options: EncoderGraphOptions,
) {
  const { batch, long } = await buildEncoderGraphs(checkpoint, options)
  return { batch, long, window: encoder.modelType === 'modernbert' ? encoder.window : 0, longFrom: LONG_TEXT }
}

function readyMadeFile(folder: string, { files }: OnnxEncoderConfig, dtype: 'fp32' | 'int8'): string {
  const file = files[dtype]
  if (file !== undefined) return file
  const [wanted, other] = dtype === 'int8' ? ['model_int8.onnx', 'fp32'] : ['model.onnx', 'int8']
  throw new SerotineError(
    'MODEL_FILES_MISSING',
    `${folder} has no ${wanted}. Pass dtype: '${other}' to use the graph that is there.`,
  )
}

/** 8, unless this processor's int8 kernels saturate. */
async function safeWeightBits(ort: LoadedOrt, onWarning: OnWarning | undefined): Promise<7 | 8> {
  const session = await Session.open({ model: await saturationProbe(), folder: undefined, files: [] }, 1, ort)
  const { data } = await session.run({
    x: { type: 'uint8', data: new Uint8Array(4 * PROBE_INPUTS).fill(255), dims: [4, PROBE_INPUTS] },
  })
  await session.close()
  if ((data as Int32Array).every((sum) => sum === SATURATION_SUM)) return 8
  onWarning?.({
    code: 'INT8_SATURATES',
    message:
      "This processor's int8 kernels saturate at full range; weights get 7 bits instead of 8. " +
      'Vectors differ slightly from those of other machines.',
  })
  return 7
}

function checkRuntimeOptions(options: RuntimeOptions) {
  const {
    dtype = 'fp32',
    maskedAttention = 'zeros',
    workers = 0,
    threads = 1,
    batchSize = DEFAULT_BATCH_SIZE,
    workerUrl,
    runtime = 'auto',
    ort,
  } = options
  if (dtype !== 'fp32' && dtype !== 'int8')
    throw new SerotineError('INVALID_ARGUMENT', `dtype must be 'fp32' or 'int8', got ${describe(dtype)}.`)
  if (maskedAttention !== 'zeros' && maskedAttention !== 'uniform') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `maskedAttention must be 'zeros' or 'uniform', got ${describe(maskedAttention)}.`,
    )
  }
  if (runtime !== 'auto' && runtime !== 'native' && runtime !== 'wasm') {
    throw new SerotineError('INVALID_ARGUMENT', `runtime must be 'auto', 'native' or 'wasm', got ${describe(runtime)}.`)
  }
  checkInteger('workers', workers, 0)
  checkInteger('threads', threads, 1)
  checkInteger('batchSize', batchSize, 1)
  if (workers > 0 && ort !== undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The ort option cannot be sent to worker threads. Use workers: 0, or a workerUrl whose module imports that build.',
    )
  }
  return { dtype, maskedAttention, workers, threads, batchSize, workerUrl, runtime, ort } as const
}
