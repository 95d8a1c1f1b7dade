import { SerotineError } from '../errors.js'
import type { EncoderGraph } from '../graph/encoder.js'
import { blockKeys } from '../graph/local-blocks.js'
import type { Batch } from './batch.js'
import { loadOrt } from './ort.js'
import type { Feed, LoadedOrt, RuntimeKind } from './ort.js'
import { Session } from './session.js'

/** Everything a thread needs to run a model; it can be posted to a worker. */
export interface NetworkPlan {
  readonly dim: number
  readonly threads: number
  readonly runtime: RuntimeKind
  /** For `wasm`: the file it was loaded from. */
  readonly wasmFile?: string
  readonly source: BuiltSource | { readonly kind: 'onnx'; readonly file: string }
}

/** A graph; its bytes come as a bare buffer where they were posted to a worker. */
export type BuiltGraph = Omit<EncoderGraph, 'model'> & { readonly model: Uint8Array | ArrayBuffer }

/** Graphs built from a checkpoint. Texts longer than `longFrom` run alone on `long`, with blocks of `window` tokens. */
export interface BuiltSource {
  readonly kind: 'built'
  readonly batch: BuiltGraph
  readonly long: BuiltGraph | undefined
  readonly window: number
  readonly longFrom: number
}

/** Runs batches one after the other: in a worker, or on the caller's thread. */
export interface Network {
  /** Kept rows `[kept × dim]` of all texts of the batch. */
  run(batch: Batch, normalize: boolean): Promise<Float32Array<ArrayBuffer>>
  /** How many calls of `run` can usefully overlap. */
  readonly lanes: number
  close(): Promise<void>
}

/** A network on this thread. Sessions for long texts open when the first one comes. */
export async function openNetwork(plan: NetworkPlan, loaded?: LoadedOrt): Promise<Network> {
  const { wasmFile } = plan
  const ort = loaded ?? (await loadOrt({ runtime: plan.runtime === 'wasm' ? 'wasm' : 'native', wasmFile }))
  return plan.source.kind === 'onnx'
    ? ReadyMadeNetwork.open(plan.source.file, plan, ort)
    : BuiltNetwork.open(plan.source, plan, ort)
}

class BuiltNetwork implements Network {
  readonly lanes = 1
  #longSession: Promise<Session> | undefined

  private constructor(
    readonly dim: number,
    readonly batchSession: Session,
    readonly openLong: (() => Promise<Session>) | undefined,
    readonly longFrom: number,
    readonly window: number,
  ) {}

  static async open(source: BuiltSource, { dim, threads }: NetworkPlan, ort: LoadedOrt): Promise<BuiltNetwork> {
    const { batch, long, longFrom, window } = source
    // The closure holds the long model only: the other one's bytes can go once its session is open.
    const openLong = long && (() => Session.open(long, threads, ort))
    return new BuiltNetwork(dim, await Session.open(batch, threads, ort), openLong, longFrom, window)
  }

  async run(batch: Batch, normalize: boolean): Promise<Float32Array<ArrayBuffer>> {
    const { ids, texts, length, attended, sizes, keep } = batch
    const feeds: Record<string, Feed> = {
      ids: { type: 'int32', data: ids, dims: [texts, length] },
      keep: { type: 'int32', data: keep, dims: [keep.length] },
    }
    let session = this.batchSession
    if (this.openLong && texts === 1 && length > this.longFrom && attended[0] === length) {
      session = await (this.#longSession ??= this.openLong())
      if (session.inputNames.includes('blockKeys')) {
        feeds['blockKeys'] = { type: 'float32', ...blockKeys(length, this.window) }
      }
    } else {
      feeds['attended'] = { type: 'int32', data: attended, dims: [texts] }
      if (session.inputNames.includes('sizes')) feeds['sizes'] = { type: 'int32', data: sizes, dims: [texts] }
    }
    const { data } = await session.run(feeds)
    // A copy: the output's memory belongs to ONNX Runtime.
    const rows = new Float32Array(data as Float32Array)
    if (normalize) normalizeRows(rows, this.dim)
    return rows
  }

  async close(): Promise<void> {
    await this.batchSession.close()
    await (await this.#longSession)?.close()
  }
}

/**
 * An exported graph: `input_ids`, `attention_mask` and perhaps `token_type_ids` in, `[batch × length × dim]` normalised
 * vectors out.
 */
class ReadyMadeNetwork implements Network {
  readonly lanes = 1

  private constructor(
    readonly file: string,
    readonly dim: number,
    readonly session: Session,
  ) {}

  static async open(file: string, { threads, dim }: NetworkPlan, ort: LoadedOrt): Promise<ReadyMadeNetwork> {
    const session = await Session.open({ file }, threads, ort)
    const unknown = session.inputNames.find((name) => !['input_ids', 'attention_mask', 'token_type_ids'].includes(name))
    if (unknown === undefined) return new ReadyMadeNetwork(file, dim, session)
    await session.close()
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${file} has an input "${unknown}". Supported: input_ids, attention_mask, token_type_ids.`,
    )
  }

  async run({ ids, texts, length, attended, keep }: Batch, normalize: boolean): Promise<Float32Array<ArrayBuffer>> {
    const { dim, session, file } = this
    if (!normalize) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `${file} is a ready-made graph that normalises its vectors itself; ` +
          'normalize: false needs a checkpoint with safetensors weights.',
      )
    }
    const dims = [texts, length]
    const mask = new BigInt64Array(ids.length)
    for (let i = 0; i < texts; i++) mask.fill(1n, i * length, i * length + attended[i]!)
    const all: Record<string, Feed> = {
      input_ids: { type: 'int64', data: BigInt64Array.from(ids, BigInt), dims },
      attention_mask: { type: 'int64', data: mask, dims },
      token_type_ids: { type: 'int64', data: new BigInt64Array(ids.length), dims },
    }
    const output = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, all[name]!])))
    const expected = [texts, length, dim]
    if (output.dims.length !== 3 || output.dims.some((size, i) => size !== expected[i])) {
      throw new SerotineError(
        'MODEL_CORRUPT',
        `${file} returned [${output.dims.join(' × ')}]; its configuration says [${expected.join(' × ')}].`,
      )
    }
    const vectors = output.data as Float32Array
    const rows = new Float32Array(keep.length * dim)
    keep.forEach((row, i) => rows.set(vectors.subarray(row * dim, (row + 1) * dim), i * dim))
    normalizeRows(rows, dim)
    return rows
  }

  close(): Promise<void> {
    return this.session.close()
  }
}

/** x / max(‖x‖₂, 1e-12), as torch.nn.functional.normalize. */
export function normalizeRows(rows: Float32Array, dim: number): void {
  for (let begin = 0; begin < rows.length; begin += dim) {
    let squares = 0
    for (let i = begin; i < begin + dim; i++) squares += rows[i]! * rows[i]!
    const norm = Math.max(Math.sqrt(squares), 1e-12)
    for (let i = begin; i < begin + dim; i++) rows[i]! /= norm
  }
}
