import type { TextConfig } from '../text/template.js'

/** Functions between a Dense layer's weights and its output, by the names of this package. */
export type Activation =
  | 'identity'
  | 'tanh'
  | 'relu'
  | 'relu6'
  | 'gelu'
  | 'silu'
  | 'sigmoid'
  | 'leaky_relu'
  | 'elu'
  | 'celu'
  | 'selu'
  | 'mish'
  | 'softplus'
  | 'softsign'
  | 'hardtanh'
  | 'hardsigmoid'
  | 'hardswish'

/** Activations inside the encoder: `gelu` is the exact (erf) one. */
export type EncoderActivation = 'gelu' | 'gelu_tanh' | 'relu' | 'silu'

/** One projection after the encoder: `y = act(x·Wᵀ + b)`, then `+ x` (or `+ x·W_resᵀ`) when `useResidual`. */
export interface DenseConfig {
  /** Sub-folder of the checkpoint, `linear` (stanford) or `projection` (given by the caller). */
  readonly path: string
  /** Numbers it takes per token. */
  readonly inFeatures: number
  /** Numbers it makes per token. */
  readonly outFeatures: number
  /** There is a `b`. */
  readonly bias: boolean
  readonly activation: Activation
  /** What comes in is added to what comes out, through `W_res` where the two differ in size. */
  readonly useResidual: boolean
}

/** BERT, and RoBERTa, XLM-RoBERTa and DistilBERT, which compute the same. */
export interface BertConfig {
  readonly modelType: 'bert'
  /** Numbers per token between layers; a multiple of `heads`. */
  readonly hiddenSize: number
  readonly layers: number
  /** Attention heads of a layer. */
  readonly heads: number
  /** Width of a layer's feed-forward part. */
  readonly intermediateSize: number
  /** Rows of the table of word embeddings. */
  readonly vocabSize: number
  /** Tokens of the longest input: BERT has a table of position embeddings. */
  readonly maxPositions: number
  /**
   * RoBERTa's padding token. Positions count from the row after it, and tokens that are it stand at its own row. Absent
   * where positions count from 0.
   */
  readonly positionsAfter?: number
  readonly activation: EncoderActivation
  /** Added to the variance by layer normalisation. */
  readonly epsilon: number
}

/** ModernBERT: rotary positions, layers that attend to everything among layers that look at their neighbours. */
export interface ModernBertConfig {
  readonly modelType: 'modernbert'
  /** Numbers per token between layers; a multiple of `heads`. */
  readonly hiddenSize: number
  readonly layers: number
  /** Attention heads of a layer. */
  readonly heads: number
  /** Width of a layer's feed-forward part, and of the part that gates it. */
  readonly intermediateSize: number
  /** Rows of the table of word embeddings. */
  readonly vocabSize: number
  /** What the config states. Rotary positions have no table, so longer inputs work. */
  readonly maxPositions: number
  readonly activation: EncoderActivation
  /** Added to the variance by layer normalisation. */
  readonly epsilon: number
  /** Per layer: attends to every token, or only to tokens at most `window` away. */
  readonly layerTypes: readonly ('global' | 'local')[]
  /** In tokens, to either side; half of `local_attention` in config.json. */
  readonly window: number
  /** Base of the rotary positions, in global and in local layers. */
  readonly globalTheta: number
  readonly localTheta: number
  /** Which of the layers' parts have a bias. */
  readonly attentionBias: boolean
  readonly mlpBias: boolean
  readonly normBias: boolean
}

/** A ready-made ONNX graph: text in, token vectors out; nothing is known of its inside. */
export interface OnnxEncoderConfig {
  readonly modelType: 'onnx'
  /** Absolute paths of the graphs that are there. */
  readonly files: { readonly fp32?: string; readonly int8?: string }
}

/** The network before the projections, by `modelType`. */
export type EncoderConfig = BertConfig | ModernBertConfig | OnnxEncoderConfig

/** By whom the folder was written: which of its files were found and count. */
export type Layout = 'pylate' | 'sentence-transformers' | 'stanford' | 'plain' | 'onnx'

/** Everything a checkpoint says about itself, with overrides applied. */
export interface ColBERTConfig extends TextConfig {
  readonly layout: Layout
  readonly encoder: EncoderConfig
  /** Projections after the encoder, in the order in which they are applied; empty for ONNX folders, which have them inside. */
  readonly dense: readonly DenseConfig[]
  /** Components per token vector. */
  readonly dim: number
  /**
   * Prompts that `encodeQueries` / `encodeDocuments` prepend when the caller names none. Only Sentence Transformers v6
   * `MultiVectorEncoder` folders have them; PyLate never applies a prompt by role.
   */
  readonly rolePrompts?: { readonly query: string; readonly document: string }
}

/** A projection for checkpoints that have none. */
export interface Projection {
  /** Row-major `[outFeatures × hidden]`. */
  weight: Float32Array
  /** Components per token vector that it makes. */
  outFeatures: number
  /** `[outFeatures]`. Default: none. */
  bias?: Float32Array
}

/** What a caller can set instead of the checkpoint. Names are PyLate's, in camelCase. Default: what the checkpoint says, else PyLate's. */
export interface ConfigOverrides {
  /** A token (not text) put after [CLS]; `''` for none. PyLate's default `[Q] ` and `[D] `. */
  queryPrefix?: string
  documentPrefix?: string
  /** Tokens at most, special and prefix tokens included. PyLate's default 32 and 180. */
  queryLength?: number
  documentLength?: number
  /** Fill queries up to `queryLength` with mask tokens, whose vectors count. PyLate's default true. */
  doQueryExpansion?: boolean
  /** Let other tokens attend to the expansion. PyLate's default false. */
  attendToExpansionTokens?: boolean
  /** Document tokens without a vector: exact vocabulary items. PyLate's default: ASCII punctuation. */
  skiplistWords?: readonly string[]
  /** Texts put in front of each text, by name: what `promptName` names. */
  prompts?: Readonly<Record<string, string>>
  /** The prompt of calls that name none; null: none. */
  defaultPromptName?: string | null
  /** Lower-cases the text before the tokenizer sees it. */
  doLowerCase?: boolean
  /** By Dense folder name, e.g. `{ '2_Dense': { useResidual: true } }`. */
  denseOverrides?: Readonly<Record<string, { useResidual?: boolean; activation?: string }>>
  /** For checkpoints that have none; PyLate would make up a random one. */
  projection?: Projection
}

/** Where one tensor lies. */
export interface TensorInfo {
  readonly dtype: string
  readonly shape: readonly number[]
  /** Absolute path; undefined for a tensor that exists only in memory. */
  readonly file: string | undefined
  /** Byte range in the file. */
  readonly begin: number
  readonly end: number
}

/** Named tensors: of a safetensors file, of a shard index, or in memory. */
export interface Tensors {
  /** For messages. */
  readonly name: string
  /** In the order of the file. */
  names(): string[]
  has(name: string): boolean
  /** @throws MODEL_CORRUPT when there is no such tensor */
  info(name: string): TensorInfo
  /** The numbers as fp32 (F16 and BF16 are widened exactly, I8 is multiplied by the tensor `<name>.scale`, one number per row). */
  f32(name: string): Float32Array
}

/** A checkpoint that was read and checked; the weights stay on disk until a graph needs them. */
export interface Checkpoint {
  /** Absolute path. */
  readonly folder: string
  readonly config: ColBERTConfig
  /** tokenizer.json, parsed; undefined where the folder has none and the caller brings a tokenizer. */
  readonly tokenizerJson: unknown
  /** tokenizer_config.json, with what special_tokens_map.json and added_tokens.json add to it. */
  readonly tokenizerConfig: unknown
  /** `model_type` and `tokenizer_class` of config.json, which decide how the tokenizer is made. */
  readonly modelType: string | undefined
  readonly modelTokenizerClass: string | undefined
  readonly weights: {
    /** Encoder tensors, names without a `bert.` or `model.` prefix. Empty for ONNX folders. */
    readonly encoder: Tensors
    /** One per `config.dense`. */
    readonly dense: readonly Tensors[]
  }
  /** sha256 over weights, tokenizer and every setting that changes vectors, as 64 hex digits. */
  readonly fingerprint: string
}
