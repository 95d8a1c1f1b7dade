export { readBeir, readBeirCorpus } from './beir.js'
export type { BeirDataset, BeirDocument, BeirQuery, ReadBeirOptions } from './beir.js'
export { readCollection } from './collection.js'
export type { Collection, CollectionLayout, ReadCollectionOptions } from './collection.js'
export { evaluateRetrieval, indexStage, shareOfTop } from './evaluate.js'
export type {
  EvaluateRetrievalOptions,
  EvaluationQuery,
  RetrievalEvaluation,
  RetrievalStage,
  RetrievedDocuments,
  StageEvaluation,
} from './evaluate.js'
export { LONG_EMBED_LENGTHS, generateNeedles, generatePasskeys } from './long-embed.js'
export type { LongEmbedOptions, Needle } from './long-embed.js'
export { evaluateRun } from './metrics.js'
export type { MetricsOptions, MetricsResult } from './metrics.js'
export { distillationDivergence, pylateRetrievalMetrics, tripletAccuracy } from './pylate.js'
export type { PylateRetrievalOptions } from './pylate.js'
export type { Qrels, Run, ScoredDocument, TieRule } from './run.js'
export { readQrels } from './qrels.js'
export { checkTrecIds, formatTrecRun, readTrecRun, writeTrecRun } from './trec.js'
export { worstQueries } from './worst-queries.js'
export type { QueryReport } from './worst-queries.js'
export { formatReport } from './report.js'
export type { EvaluationReport, ReportDataset, ReportStage } from './report.js'
