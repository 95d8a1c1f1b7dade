import type { OnWarning } from '../errors.js'
import type { Checkpoint } from '../checkpoint/config.js'
import type { ModelInput } from '../text/template.js'

export interface RuntimeOptions {
  /** `int8` quantises the encoder's weights at load time, or runs a folder's `model_int8.onnx`. Default `fp32`. */
  dtype?: 'fp32' | 'int8'
  /** Worker threads, each with its own session of `threads` threads. 0, the default, runs on the calling thread. */
  workers?: number
  /** Threads of one ONNX Runtime session. Default 1. */
  threads?: number
  /** Texts per ONNX Runtime call at most. A token budget cuts batches further. Default 32. */
  batchSize?: number
  /**
   * ModernBERT rows whose whole attention window is masked (far expansion tokens): `zeros` as transformers 5 computes
   * them, the default, or `uniform` as transformers 4 does.
   */
  maskedAttention?: 'zeros' | 'uniform'
  /** Where the worker entry lies, for bundlers. Default: `worker.js` beside the built module. */
  workerUrl?: URL
  /** ONNX Runtime, already imported (bundlers, other builds). Default: `import('onnxruntime-node')`. */
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
  /** The kept rows of each input, row-major `[kept × dim]`, in input order. */
  run(inputs: readonly ModelInput[], options: RunOptions): Promise<Float32Array[]>
  close(): Promise<void>
}

export async function createRuntime(_checkpoint: Checkpoint, _options: RuntimeOptions = {}): Promise<Runtime> {
  throw new Error('being written')
}
