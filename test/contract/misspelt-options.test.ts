// A misspelt option is an error that names the call, in every public call of every package. Each export must appear here:
// with the calls of it that take options, or among those that take none.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as core from '@serotine/core'
import * as evaluation from '@serotine/core/evaluation'
import { Document } from '@langchain/core/documents'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as aiSdk from '../../packages/ai-sdk/src/index.js'
import * as cli from '../../packages/cli/src/index.js'
import * as langchain from '../../packages/langchain/src/index.js'
import * as llamaindex from '../../packages/llamaindex/src/index.js'
import * as llamaindexRetriever from '../../packages/llamaindex/src/retriever.js'

/** `wrong` is what every call is given among its options. */
type Call = (wrong: never) => unknown

let folder: string
let model: core.ColBERT
let index: core.MultiVectorIndex
const matrix = core.tokenEmbeddings(new Float32Array([1, 0, 0, 1, 0, 1, 1, 0]), 4)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-options-'))
  model = await core.ColBERT.load()
  index = await core.MultiVectorIndex.open(undefined, { model })
})
afterAll(async () => {
  await index?.close()
  await model?.close()
  await rm(folder, { recursive: true, force: true })
})

const fde = (wrong: object) => ({ dim: 4, ...wrong })
const muvera = () => new langchain.MuveraEmbeddings({ model })
const retriever = () => new langchain.ColBERTRetriever({ index })
const store = () => new langchain.ColBERTVectorStore(muvera(), { index })
const document = () => new Document({ id: 'a', pageContent: 'a kiwi' })

const CALLS: Record<string, Record<string, Record<string, Call>>> = {
  '@serotine/core': {
    ColBERT: {
      'ColBERT.load': (wrong) => core.ColBERT.load(undefined, wrong),
      encodeQueries: (wrong) => model.encodeQueries(['a'], wrong),
      encodeDocuments: (wrong) => model.encodeDocuments(['a'], wrong),
      queryInput: (wrong) => model.queryInput('a', wrong),
      documentInput: (wrong) => model.documentInput('a', wrong),
      score: (wrong) => model.score('a', ['a'], wrong),
      rerank: (wrong) => model.rerank('a', ['a'], wrong),
      explain: (wrong) => model.explain('a', 'a', wrong),
    },
    MultiVectorIndex: {
      'MultiVectorIndex.open()': (wrong) => core.MultiVectorIndex.open(undefined, wrong),
      'The fde of MultiVectorIndex.open()': (wrong) => core.MultiVectorIndex.open(undefined, { fde: wrong }),
      'upsert()': (wrong) => index.upsert([], wrong),
      'insert()': (wrong) => index.insert([], wrong),
      'document "a"': (wrong) => index.upsert([{ id: 'a', text: 'a', ...(wrong as object) }]),
      'delete()': (wrong) => index.delete(wrong),
      'search()': (wrong) => index.search('a', wrong),
      'searchDetailed()': (wrong) => index.searchDetailed('a', wrong),
      'compact()': (wrong) => index.compact(wrong),
      'where.lang': (wrong) => index.search('a', { where: { lang: wrong } }),
    },
    compileWhere: { 'where.lang': (wrong) => core.compileWhere({ lang: wrong }) },
    replaceIndex: { replaceIndex: (wrong) => core.replaceIndex(folder, folder, wrong) },
    maxSimMany: { maxSimMany: (wrong) => core.maxSimMany(matrix, [matrix], wrong) },
    reciprocalRankFusion: { reciprocalRankFusion: (wrong) => core.reciprocalRankFusion([], wrong) },
    relativeScoreFusion: { relativeScoreFusion: (wrong) => core.relativeScoreFusion([], wrong) },
    standardScoreFusion: { standardScoreFusion: (wrong) => core.standardScoreFusion([], wrong) },
    resolveFdeConfig: { resolveFdeConfig: (wrong) => core.resolveFdeConfig(fde(wrong)) },
    FdeEncoder: {
      'The config of an FdeEncoder': (wrong) =>
        new core.FdeEncoder({ ...core.resolveFdeConfig({ dim: 4 }), ...(wrong as object) }),
      'The matrices of an FdeEncoder': (wrong) => new core.FdeEncoder(core.resolveFdeConfig({ dim: 4 }), wrong),
      'The means of an FdeEncoder': (wrong) => new core.FdeEncoder(core.resolveFdeConfig({ dim: 4 }), {}, wrong),
    },
    learnFde: {
      learnFde: (wrong) => core.learnFde([matrix], { dim: 4 }, wrong),
      'learnFde ': (wrong) => core.learnFde([matrix], fde(wrong)),
    },
    measureRecall: {
      measureRecall: (wrong) =>
        core.measureRecall([matrix], [matrix], new core.FdeEncoder(core.resolveFdeConfig({ dim: 4 })), wrong),
    },
    readCheckpoint: { readCheckpoint: (wrong) => core.readCheckpoint(model.folder, wrong) },
    resolveCheckpoint: { resolveCheckpoint: (wrong) => core.resolveCheckpoint(undefined, wrong) },
  },
  '@serotine/core/evaluation': {
    readBeir: { readBeir: (wrong) => evaluation.readBeir(folder, wrong) },
    readCollection: { readCollection: (wrong) => evaluation.readCollection(folder, wrong) },
    evaluateRetrieval: { evaluateRetrieval: (wrong) => evaluation.evaluateRetrieval(wrong) },
    indexMethod: { indexMethod: (wrong) => evaluation.indexMethod('exact', index, wrong) },
    evaluateRun: { evaluateRun: (wrong) => evaluation.evaluateRun(new Map(), new Map(), wrong) },
    distillationDivergence: { distillationDivergence: (wrong) => evaluation.distillationDivergence([], [], wrong) },
    pylateRetrievalMetrics: {
      pylateRetrievalMetrics: (wrong) => evaluation.pylateRetrievalMetrics(new Map(), new Map(), wrong),
    },
    worstQueries: {
      worstQueries: (wrong) => evaluation.worstQueries({} as never, { methods: [] } as never, wrong),
    },
  },
  '@serotine/langchain': {
    ColBERTRetriever: {
      ColBERTRetriever: (wrong) => new langchain.ColBERTRetriever(wrong),
      'ColBERTRetriever.fromDocuments': (wrong) => langchain.ColBERTRetriever.fromDocuments([], wrong),
      'ColBERTRetriever.fromDocuments ': (wrong) => langchain.ColBERTRetriever.fromTexts([], {}, wrong),
      'ColBERTRetriever.fromExistingIndex': (wrong) => langchain.ColBERTRetriever.fromExistingIndex(index, wrong),
    },
    ColBERTReranker: {
      ColBERTReranker: (wrong) => new langchain.ColBERTReranker(wrong),
      rerank: (wrong) => new langchain.ColBERTReranker({ model }).rerank(['a'], 'a', wrong),
    },
    RerankingRetriever: { RerankingRetriever: (wrong) => new langchain.RerankingRetriever(wrong) },
    ColBERTVectorStore: {
      ColBERTVectorStore: (wrong) => new langchain.ColBERTVectorStore(muvera(), wrong),
      'ColBERTVectorStore.open': (wrong) => langchain.ColBERTVectorStore.open(muvera(), wrong),
      'ColBERTVectorStore.fromDocuments': (wrong) => langchain.ColBERTVectorStore.fromDocuments([], muvera(), wrong),
      'ColBERTVectorStore.fromTexts': (wrong) => langchain.ColBERTVectorStore.fromTexts([], {}, muvera(), wrong),
      'ColBERTVectorStore.fromExistingIndex': (wrong) =>
        langchain.ColBERTVectorStore.fromExistingIndex(muvera(), wrong),
      addDocuments: (wrong) => store().addDocuments([document()], wrong),
      addVectors: (wrong) => store().addVectors([[1]], [document()], wrong),
      delete: (wrong) => store().delete(wrong),
      maxMarginalRelevanceSearch: (wrong) => store().maxMarginalRelevanceSearch('a', wrong),
    },
    MuveraEmbeddings: {
      MuveraEmbeddings: (wrong) => new langchain.MuveraEmbeddings(wrong),
      resolveFdeConfig: (wrong) => new langchain.MuveraEmbeddings({ fde: wrong }),
      'MuveraEmbeddings.fromSample': (wrong) => langchain.MuveraEmbeddings.fromSample(['a'], wrong),
    },
    createSourcesTool: { createSourcesTool: (wrong) => langchain.createSourcesTool(retriever(), wrong) },
  },
  '@serotine/llamaindex/retriever': {
    ColBERTRetriever: {
      ColBERTRetriever: (wrong) => new llamaindexRetriever.ColBERTRetriever(index, wrong),
      'ColBERTRetriever.fromNodes': (wrong) => llamaindexRetriever.ColBERTRetriever.fromNodes([], wrong),
    },
  },
  '@serotine/llamaindex': {
    ColBERTPostprocessor: { ColBERTPostprocessor: (wrong) => new llamaindex.ColBERTPostprocessor(wrong) },
  },
  '@serotine/ai-sdk': { colbertReranker: { colbertReranker: (wrong) => aiSdk.colbertReranker(wrong) } },
  serotine: {
    readTexts: { readTexts: (wrong) => cli.readTexts([folder], wrong).next() },
    splitPassages: { splitPassages: (wrong) => cli.splitPassages('a', wrong) },
    formatReport: { formatReport: (wrong) => cli.formatReport(wrong) },
  },
}

const WITHOUT_OPTIONS: Record<string, readonly string[]> = {
  '@serotine/core': [
    'ENCODE_OPTIONS',
    'LOAD_OPTIONS',
    'FDE_PRESETS',
    'MaxSimScorer',
    'SerotineError',
    'checkInteger',
    'checkOptions',
    'checkString',
    'describe',
    'nearestName',
    'choosePreparation',
    'estimateMeans',
    'fdeLength',
    'measurePartitions',
    'poolEmbeddings',
    'tokenEmbeddings',
    'maxSim',
    'maxSimPairwise',
    'matchTokens',
    'encodeSafetensors',
    'readSafetensors',
  ],
  '@serotine/core/evaluation': [
    'readBeirCorpus',
    'shareOfTop',
    'tripletAccuracy',
    'checkTrecIds',
    'formatTrecRun',
    'readQrels',
    'readTrecRun',
    'writeTrecRun',
  ],
  '@serotine/langchain': [],
  '@serotine/llamaindex': [],
  '@serotine/llamaindex/retriever': [],
  '@serotine/ai-sdk': [],
  serotine: ['estimateTokens'],
}

const PACKAGES: Record<string, object> = {
  '@serotine/core': core,
  '@serotine/core/evaluation': evaluation,
  '@serotine/langchain': langchain,
  '@serotine/llamaindex': llamaindex,
  '@serotine/llamaindex/retriever': llamaindexRetriever,
  '@serotine/ai-sdk': aiSdk,
  serotine: cli,
}

describe.each(Object.keys(PACKAGES))('%s', (name) => {
  it('has every export in one of the lists', () => {
    const listed = [...Object.keys(CALLS[name]!), ...WITHOUT_OPTIONS[name]!]
    expect(Object.keys(PACKAGES[name]!).sort()).toEqual(listed.sort())
  })

  const calls = Object.values(CALLS[name]!).flatMap((byName) => Object.entries(byName))
  it.each(calls)('%s refuses an option it does not know, by its name', async (call, run) => {
    const attempt = async (): Promise<unknown> => run({ misspeltOption: 1 } as never)
    await expect(attempt()).rejects.toMatchObject({
      code: 'UNKNOWN_OPTION',
      message: expect.stringContaining(`${call.trim()} has no option "misspeltOption".`),
    })
  })
})

describe('a call of a LangChain retriever', () => {
  it.each([
    ['topK', 'k'],
    ['where', 'filter'],
    ['filters', 'filter'],
    ['candidate', 'candidates'],
    ['score_threshold', 'scoreThreshold'],
  ])('refuses %s, which stands for %s', async (slip, meant) => {
    await expect(retriever().invoke('a', { [slip]: 3 } as never)).rejects.toMatchObject({
      code: 'UNKNOWN_OPTION',
      message: `ColBERTRetriever.invoke has no option "${slip}". Did you mean "${meant}"?`,
    })
  })

  it('lets the keys of other runnables pass', async () => {
    const config = {
      tags: ['x'],
      metadata: { a: 1 },
      runName: 'r',
      timeout: 10_000,
      recursionLimit: 3,
      writer: () => {},
    }
    await expect(retriever().invoke('a', config as never)).resolves.toEqual([])
  })
})
