import type { BertConfig, Checkpoint, ModernBertConfig } from '../checkpoint/types.js'
import { buildBert } from './bert.js'
import { buildHead, prepareHead } from './head.js'
import type { Head } from './head.js'
import { buildModernBert } from './modernbert.js'
import { DataType, OnnxGraph } from './onnx.js'
import { rowQuantizedLinear } from './quantize.js'
import type { QuantizedWeight } from './quantize.js'
import { floatLinear, TransformerGraph } from './transformer.js'
import { externalFiles, GraphWeights } from './weights.js'

/** One encoder graph, ready for a session. */
export interface EncoderGraph {
  readonly model: Uint8Array
  /** Folder of its external data; undefined when the model holds all its weights. */
  readonly folder: string | undefined
  /** The files with its external data, relative to `folder`. */
  readonly files: readonly string[]
}

export interface EncoderGraphOptions {
  readonly masked: 'zeros' | 'uniform'
  /** Longest input. */
  readonly maxLength: number
  /** Bits of the quantised weights; undefined = full precision. */
  readonly weightBits: 7 | 8 | undefined
}

/** ModernBERT texts longer than this run alone, through block-local attention. */
export const LONG_TEXT = 384

/**
 * Builds the graphs of a checkpoint: token ids to token vectors, not normalised.
 *
 * Inputs of `batch`: `ids [batch × length]`, `attended [batch]`, `keep [kept]` (positions in batch·length), and `sizes
 * [batch]` where masked rows are averaged. Of `long` (ModernBERT, one text): `ids`, `keep`, `blockKeys`. Both return
 * `vectors [kept × dim]`.
 */
export async function buildEncoderGraphs(
  checkpoint: Checkpoint,
  options: EncoderGraphOptions,
): Promise<{ batch: EncoderGraph; long?: EncoderGraph }> {
  const { encoder, dense } = checkpoint.config
  if (encoder.modelType === 'onnx') throw new TypeError('A ready-made graph needs no building.')
  const head = prepareHead(dense, checkpoint.weights.dense)
  const quantized = new Map<string, QuantizedWeight>()
  const build = (local: 'window' | 'blocks') => buildGraph(checkpoint, encoder, { head, quantized, local, ...options })
  const batch = await build('window')
  if (encoder.modelType === 'bert' || options.maxLength <= LONG_TEXT) return { batch }
  return { batch, long: await build('blocks') }
}

interface BuildOptions extends EncoderGraphOptions {
  readonly head: Head
  readonly quantized: Map<string, QuantizedWeight>
  readonly local: 'window' | 'blocks'
}

async function buildGraph(
  { weights: { encoder: tensors, dense }, config }: Checkpoint,
  encoder: BertConfig | ModernBertConfig,
  { head, quantized, local, masked, maxLength, weightBits }: BuildOptions,
): Promise<EncoderGraph> {
  const graph = new OnnxGraph()
  const stored = [tensors, ...dense].flatMap((source) => source.names().flatMap((name) => source.info(name).file ?? []))
  const files = externalFiles([...new Set(stored)])
  const weights = new GraphWeights(graph, files)
  const linear =
    weightBits === undefined ? floatLinear(graph, weights) : rowQuantizedLinear(graph, weightBits, quantized)
  const transformer = new TransformerGraph(graph, tensors, encoder, weights, linear)
  const rows =
    encoder.modelType === 'bert'
      ? buildBert(transformer, encoder)
      : buildModernBert(transformer, encoder, { local, masked, maxLength })
  graph.output('vectors', buildHead(graph, weights, head, rows), DataType.float, ['kept', config.dim])
  return { model: await graph.encode(), folder: files?.folder, files: [...weights.locations] }
}
