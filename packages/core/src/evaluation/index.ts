export { readBeir, readBeirCorpus } from './collections/beir.js'
export type { ReadBeirOptions } from './collections/beir.js'
export { readCollection } from './collections/read-collection.js'
export type { ReadCollectionOptions } from './collections/read-collection.js'
export type {
  CollectionDocument,
  CollectionLayout,
  CollectionQuery,
  TestCollection,
} from './collections/test-collection.js'
export { readQrels } from './formats/qrels.js'
export { checkTrecIds, formatTrecRun, readTrecRun, writeTrecRun } from './formats/trec.js'
export type { Qrels, Run, ScoredDocument, TieRule } from './run.js'
export { evaluateRun } from './metrics.js'
export type { MetricsOptions, MetricsResult } from './metrics.js'
export { distillationDivergence, pylateRetrievalMetrics, tripletAccuracy } from './pylate.js'
export type { PylateRetrievalOptions } from './pylate.js'
export { indexMethod } from './retrieval-method.js'
export type { EvaluationQuery, RetrievalMethod, RetrievedDocuments } from './retrieval-method.js'
export { evaluateRetrieval, shareOfTop } from './evaluate.js'
export type { EvaluateRetrievalOptions, MethodEvaluation, RetrievalEvaluation } from './evaluate.js'
export { worstQueries } from './worst-queries.js'
export type { QueryReport } from './worst-queries.js'
