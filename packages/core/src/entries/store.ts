export { EmbeddedStore } from '../embedded/embedded-store.js'
export type { EmbeddedOptions } from '../embedded/options.js'
export { replaceIndex } from '../embedded/commit/replace.js'
export type { ReplaceOptions } from '../embedded/commit/replace.js'
export { verifyIndex } from '../embedded/verify/verify-index.js'
export type { VerifiedSection, VerifyReport } from '../embedded/verify/verify-index.js'

export { SPEC_VERSION } from '../store/store.js'
export type {
  CandidateQuery,
  Candidates,
  CollectionSpec,
  EncodeQueries,
  EstimatedSize,
  FirstStage,
  FirstStageName,
  FirstStageStats,
  GetOptions,
  HashedDocument,
  NativeHit,
  NewDocument,
  PrepareOptions,
  ScanOptions,
  Store,
  StoreCapabilities,
  StoredDocument,
  StoreHealth,
  StoreProblem,
  StoreReader,
  StoreStats,
  Suitability,
  TokenSink,
} from '../store/store.js'
export type { KeywordMatch, KeywordQuery, KeywordSettings, KeywordStats } from '../store/keywords.js'
export { copyCollection } from '../store/copy.js'
export type { CopyOptions, CopyResult } from '../store/copy.js'
export { exactScores } from '../store/exact-scores.js'
export type { ExactScores } from '../store/exact-scores.js'
export { constantAnswer, parseWhere } from '../store/filter.js'
export type {
  FieldConditions,
  FieldFilter,
  Filter,
  FilteredDocument,
  FilterOperator,
  Where,
  WhereFields,
} from '../store/filter.js'
export { compileWhere, filterPredicate } from '../store/filter-predicate.js'
export { decodeRecord, encodeRecord, recordBytes, TOKEN_CODECS } from '../store/records.js'
export type { TokenCodec } from '../store/records.js'

/** For stores that engines keep: the checks, the order of changes, what is measured of first stages, and the words of texts, as the embedded one has them. */
export { checkFirstStage } from '../store/first-stage.js'
export { checkSameModel } from '../store/same-model.js'
export { checkWritable } from '../store/writable.js'
export {
  candidatesWanted,
  pieceOrigins,
  piecesAsQueries,
  suitabilityIsDue,
  unsuitable,
} from '../store/suitability/rules.js'
export type { MeasuredSuitability, Whole } from '../store/suitability/rules.js'
export { measureSuitability, recordsOf } from '../store/suitability/measure.js'
export type { MeasuredStage, Piece, ReadableDocuments } from '../store/suitability/measure.js'
export { evenly } from '../math/evenly.js'
export { Turns } from '../store/turns.js'
export { untilAborted } from '../store/until-aborted.js'
export { checkKeywords } from '../store/keywords.js'
export { loadStemmer } from '../keywords/stemmers.js'
export type { KeywordLanguage } from '../keywords/stemmers.js'
export { wordsOf } from '../keywords/words.js'
export type { Stemmer, Word } from '../keywords/words.js'
export { holdsAll, parseKeywordQuery } from '../keywords/query.js'
export type { KeywordQueryParts, Phrase, QueryWord } from '../keywords/query.js'
