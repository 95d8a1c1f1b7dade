export { readCheckpoint } from '../checkpoint/config.js'
export type {
  Activation,
  BertConfig,
  Checkpoint,
  ColBERTConfig,
  ConfigOverrides,
  DenseConfig,
  EncoderConfig,
  Layout,
  ModernBertConfig,
  OnnxEncoderConfig,
  Projection,
} from '../checkpoint/types.js'
export { embeddedName } from '../hub/embedded-model.js'
export type { EmbeddedName } from '../hub/embedded-model.js'
export { resolveCheckpoint } from '../hub/resolve.js'
export type { ResolveOptions } from '../hub/resolve.js'
export { encodeSafetensors, readSafetensors } from '../checkpoint/safetensors.js'
export type { RuntimeOptions } from '../runtime/runtime.js'
export type { ExternalTokenizer } from '../text/external-tokenizer.js'
export type { ModelInput, TextConfig } from '../text/template.js'
