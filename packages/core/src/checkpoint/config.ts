import type { OnWarning } from '../errors.js'
import type { Checkpoint, ConfigOverrides } from './types.js'

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
} from './types.js'

export async function readCheckpoint(_folder: string, _overrides?: ConfigOverrides, _onWarning?: OnWarning): Promise<Checkpoint> {
  throw new Error('being written')
}
