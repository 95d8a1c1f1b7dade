export { ColBERT } from './colbert.js'
export { ENCODE_OPTIONS, LOAD_OPTIONS } from './load-options.js'
export type { LoadOptions } from './load-options.js'
export type { RankedDocument, RerankOptions, TextMatch } from './colbert.js'

export { MultiVectorIndex } from './index/multi-vector-index.js'
export type { PrepareIndexOptions } from './index/multi-vector-index.js'
export type { OpenOptions } from './index/open.js'
export type { DocumentSource, IndexedDocument } from './index/input.js'
export type { SearchHit, SearchOptions, SearchResult, SearchTimings } from './index/search.js'
export type { IndexStats } from './index/stats.js'
export type { UpsertOptions, UpsertResult } from './index/upsert.js'
export type { FirstStage, FirstStageName, FirstStageStats, StoredDocument, Suitability } from './store/store.js'
export type { TokenCodec } from './store/records.js'
export { replaceIndex } from './embedded/commit/replace.js'
export type { ReplaceOptions } from './embedded/commit/replace.js'
export { compileWhere } from './store/filter-predicate.js'
export type { FieldConditions, Where, WhereFields } from './store/filter.js'

export { maxSim, maxSimMany, maxSimPairwise, MaxSimScorer } from './scoring/maxsim.js'
export type { MaxSimOptions } from './scoring/maxsim.js'
export { matchTokens } from './scoring/explain.js'
export type { TokenMatch } from './scoring/explain.js'
export { reciprocalRankFusion, relativeScoreFusion, standardScoreFusion } from './scoring/fuse.js'
export type { FusionOptions, Scored } from './scoring/fuse.js'
export { poolEmbeddings } from './pooling.js'

export { FDE_PRESETS, fdeLength, resolveFdeConfig } from './fde/config.js'
export type { FdeConfig, FdeOptions, FdePreset } from './fde/config.js'
export { FdeEncoder } from './fde/encode.js'
export { learnFde } from './fde/learn.js'
export type { LearnedFdeParts } from './fde/learn.js'
export { choosePreparation, estimateMeans, measurePartitions, measureRecall } from './fde/suitability.js'
export type { CollectionMeans, FdeRecall, PartitionStatistics } from './fde/suitability.js'
export type { FdeMeans, FdePartitions } from './fde/encode.js'
export type { FdeMatrices } from './fde/matrices.js'

export { readCheckpoint } from './checkpoint/config.js'
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
} from './checkpoint/config.js'
export { resolveCheckpoint } from './hub/resolve.js'
export type { ResolveOptions } from './hub/resolve.js'
export { encodeSafetensors, readSafetensors } from './checkpoint/safetensors.js'
export type { RuntimeOptions } from './runtime/runtime.js'
export type { ExternalTokenizer } from './text/external-tokenizer.js'
export type { ModelInput, TextConfig } from './text/template.js'

export { SerotineError } from './errors.js'
/** Checks of options and values, with the messages of the core: for packages built on it. */
export { checkInteger, checkOptions, checkString, describe, nearestName } from './options.js'
export type { ErrorCode, OnWarning, Truncation, Warning } from './errors.js'
export { tokenEmbeddings } from './embeddings.js'
export type { EncodeOptions, Encoder, OnProgress, Progress } from './encoder.js'
export type { Json, Metadata } from './store/metadata.js'
export type { TokenEmbeddings } from './embeddings.js'
