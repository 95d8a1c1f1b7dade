// A misspelt option is an error that names the call, in every public call of every package. Each export must appear here:
// with the calls of it that take options, or among those that take none.
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as core from '@serotine/core'
import * as checkpoints from '@serotine/core/checkpoint'
import * as evaluation from '@serotine/core/evaluation'
import * as muvera from '@serotine/core/muvera'
import * as options from '@serotine/core/options'
import * as highlight from '@serotine/core/highlight'
import * as scoring from '@serotine/core/scoring'
import * as stores from '@serotine/core/store'
import { Document } from '@langchain/core/documents'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as aiSdk from '../../packages/ai-sdk/src/index.js'
import * as aiSdkMastra from '../../packages/ai-sdk/src/mastra.js'
import * as cli from '../../packages/cli/src/index.js'
import * as langchain from '../../packages/langchain/src/index.js'
import * as weaviate from '../../packages/weaviate/src/index.js'
import * as langchainMemory from '../../packages/langchain/src/memory.js'
import * as llamaindex from '../../packages/llamaindex/src/index.js'
import * as pgvector from '../../packages/pgvector/src/index.js'
import * as llamaindexRetriever from '../../packages/llamaindex/src/retriever.js'
import * as server from '../../packages/server/src/index.js'
import * as mcp from '../../packages/server/src/mcp/index.js'

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
const config = () => muvera.resolveFdeConfig({ dim: 4 })
const embeddings = () => new langchain.MuveraEmbeddings({ model })
const retriever = () => new langchain.ColBERTRetriever({ index })
const store = () => new langchain.ColBERTVectorStore(embeddings(), { index })
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
      similarities: (wrong) => model.similarities('a', 'a', wrong),
    },
    MultiVectorIndex: {
      'MultiVectorIndex.open()': (wrong) => core.MultiVectorIndex.open(undefined, wrong),
      'MultiVectorIndex.open() of a store': async (wrong) =>
        core.MultiVectorIndex.open(await stores.EmbeddedStore.open(), wrong),
      'The fde of MultiVectorIndex.open()': (wrong) => core.MultiVectorIndex.open(undefined, { fde: wrong }),
      'upsert()': (wrong) => index.upsert([], wrong),
      'insert()': (wrong) => index.insert([], wrong),
      'document "a"': (wrong) => index.upsert([{ id: 'a', text: 'a', ...(wrong as object) }]),
      'delete()': (wrong) => index.delete(wrong),
      'delete() ': (wrong) => index.delete('a', wrong),
      'get()': (wrong) => index.get('a', wrong),
      'scan()': (wrong) => index.scan(wrong),
      'estimate()': (wrong) => index.estimate([], wrong),
      'search()': (wrong) => index.search('a', wrong),
      'searchDetailed()': (wrong) => index.searchDetailed('a', wrong),
      'searchMany()': (wrong) => index.searchMany(['a'], wrong),
      'prepare()': (wrong) => index.prepare(wrong),
      'verify()': (wrong) => index.verify(wrong),
      'repair()': (wrong) => index.repair(wrong),
      'compact()': (wrong) => index.compact(wrong),
      'close()': (wrong) => index.close(wrong),
      'where.lang': (wrong) => index.search('a', { where: { lang: wrong } }),
    },
    reciprocalRankFusion: { reciprocalRankFusion: (wrong) => core.reciprocalRankFusion([], wrong) },
    relativeScoreFusion: { relativeScoreFusion: (wrong) => core.relativeScoreFusion([], wrong) },
    standardScoreFusion: { standardScoreFusion: (wrong) => core.standardScoreFusion([], wrong) },
  },
  '@serotine/core/store': {
    EmbeddedStore: { 'EmbeddedStore.open()': (wrong) => stores.EmbeddedStore.open(undefined, wrong) },
    copyCollection: {
      'copyCollection()': async (wrong) =>
        stores.copyCollection(await stores.EmbeddedStore.open(), await stores.EmbeddedStore.open(), wrong),
    },
    checkKeywords: { 'The keywords of MultiVectorIndex.open()': (wrong) => stores.checkKeywords(wrong) },
    replaceIndex: { replaceIndex: (wrong) => stores.replaceIndex(folder, folder, wrong) },
    verifyIndex: { verifyIndex: (wrong) => stores.verifyIndex(folder, wrong) },
    compileWhere: { 'where.lang': (wrong) => stores.compileWhere({ lang: wrong }) },
    parseWhere: { 'where.lang': (wrong) => stores.parseWhere({ lang: wrong }) },
  },
  '@serotine/core/muvera': {
    resolveFdeConfig: { resolveFdeConfig: (wrong) => muvera.resolveFdeConfig(fde(wrong)) },
    FdeEncoder: {
      'The config of an FdeEncoder': (wrong) => new muvera.FdeEncoder({ ...config(), ...(wrong as object) }),
      'The matrices of an FdeEncoder': (wrong) => new muvera.FdeEncoder(config(), wrong),
      'The means of an FdeEncoder': (wrong) => new muvera.FdeEncoder(config(), {}, wrong),
    },
    learnFde: {
      learnFde: (wrong) => muvera.learnFde([matrix], { dim: 4 }, wrong),
      'learnFde ': (wrong) => muvera.learnFde([matrix], fde(wrong)),
    },
    measureRecall: {
      measureRecall: (wrong) => muvera.measureRecall([matrix], [matrix], new muvera.FdeEncoder(config()), wrong),
    },
  },
  '@serotine/core/scoring': {
    maxSimMany: { maxSimMany: (wrong) => scoring.maxSimMany(matrix, [matrix], wrong) },
  },
  '@serotine/core/highlight': {},
  '@serotine/core/checkpoint': {
    readCheckpoint: { readCheckpoint: (wrong) => checkpoints.readCheckpoint(model.folder, wrong) },
    resolveCheckpoint: { resolveCheckpoint: (wrong) => checkpoints.resolveCheckpoint(undefined, wrong) },
  },
  '@serotine/core/options': {},
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
      ColBERTVectorStore: (wrong) => new langchain.ColBERTVectorStore(embeddings(), wrong),
      'ColBERTVectorStore.open': (wrong) => langchain.ColBERTVectorStore.open(embeddings(), wrong),
      'ColBERTVectorStore.fromDocuments': (wrong) =>
        langchain.ColBERTVectorStore.fromDocuments([], embeddings(), wrong),
      'ColBERTVectorStore.fromTexts': (wrong) => langchain.ColBERTVectorStore.fromTexts([], {}, embeddings(), wrong),
      'ColBERTVectorStore.fromExistingIndex': (wrong) =>
        langchain.ColBERTVectorStore.fromExistingIndex(embeddings(), wrong),
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
  '@serotine/weaviate': {
    WeaviateStore: { 'WeaviateStore.open()': (wrong) => weaviate.WeaviateStore.open(wrong) },
    openStore: { 'WeaviateStore.open()': (wrong) => weaviate.openStore('weaviate://localhost/Birds', wrong) },
  },
  '@serotine/langchain/memory': {
    ColBERTMemoryStore: { ColBERTMemoryStore: (wrong) => new langchainMemory.ColBERTMemoryStore(wrong) },
  },
  '@serotine/ai-sdk': {
    colbertReranker: { colbertReranker: (wrong) => aiSdk.colbertReranker(wrong) },
    createSerotine: { createSerotine: (wrong) => aiSdk.createSerotine(wrong) },
  },
  '@serotine/ai-sdk/mastra': {
    relevanceScorer: { relevanceScorer: (wrong) => aiSdkMastra.relevanceScorer(wrong) },
  },
  '@serotine/pgvector': {
    PgvectorStore: { 'PgvectorStore.open()': (wrong) => pgvector.PgvectorStore.open('pglite://', wrong) },
    openStore: { 'PgvectorStore.open()': (wrong) => pgvector.openStore('pglite://', wrong) },
  },
  '@serotine/server': {
    createServer: {
      createServer: (wrong) => server.createServer(wrong),
      'The limits of createServer': (wrong) => server.createServer({ limits: wrong }),
      listen: (wrong) => server.createServer().listen(wrong),
      close: (wrong) => server.createServer().close(wrong),
    },
  },
  '@serotine/server/mcp': {
    createMcpServer: {
      createMcpServer: (wrong) => mcp.createMcpServer(wrong),
      'The limits of createMcpServer': (wrong) => mcp.createMcpServer({ limits: wrong }),
    },
    serveMcpOverStdio: { serveMcpOverStdio: (wrong) => mcp.serveMcpOverStdio(wrong) },
  },
  serotine: {
    readTexts: { readTexts: (wrong) => cli.readTexts([folder], wrong).next() },
    readSentFile: {
      readSentFile: (wrong) => cli.readSentFile({ name: 'a.txt', source: 'a', bytes: Buffer.from('a') }, wrong),
    },
    splitPassages: { splitPassages: (wrong) => cli.splitPassages('a', wrong) },
    openIndexAt: { 'MultiVectorIndex.open()': (wrong) => cli.openIndexAt(undefined, wrong) },
    formatReport: { formatReport: (wrong) => cli.formatReport(wrong) },
  },
}

const WITHOUT_OPTIONS: Record<string, readonly string[]> = {
  '@serotine/core': ['SerotineError', 'tokenEmbeddings', 'maxSim'],
  '@serotine/core/store': [
    'SPEC_VERSION',
    'TOKEN_CODECS',
    'exactScores',
    'constantAnswer',
    'filterPredicate',
    'decodeRecord',
    'encodeRecord',
    'recordBytes',
    'candidatesWanted',
    'checkFirstStage',
    'checkSameModel',
    'checkWritable',
    'evenly',
    'holdsAll',
    'loadStemmer',
    'measureSuitability',
    'parseKeywordQuery',
    'pieceOrigins',
    'piecesAsQueries',
    'recordsOf',
    'suitabilityIsDue',
    'Turns',
    'unsuitable',
    'untilAborted',
    'wordsOf',
  ],
  '@serotine/core/muvera': [
    'FDE_PRESETS',
    'FIT_SAMPLE',
    'LEARNING_TOKENS',
    'choosePreparation',
    'documentsFit',
    'estimateMeans',
    'fdeLength',
    'learningDue',
    'measurePartitions',
    'partitionFit',
    'restoreMeans',
    'stillFits',
    'storeMeans',
    'withLearnedPartitions',
  ],
  '@serotine/core/scoring': ['MaxSimScorer', 'matchTokens', 'maxSimPairwise', 'poolEmbeddings'],
  '@serotine/core/highlight': ['bestStretch', 'commonWords', 'matchedWords'],
  '@serotine/core/checkpoint': ['embeddedName', 'encodeSafetensors', 'readSafetensors'],
  '@serotine/core/options': [
    'ENCODE_OPTIONS',
    'LOAD_OPTIONS',
    'checkInteger',
    'checkOptions',
    'checkString',
    'describe',
    'nearestName',
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
  '@serotine/langchain/memory': [],
  '@serotine/ai-sdk': ['serotine'],
  '@serotine/pgvector': [],
  '@serotine/ai-sdk/mastra': [],
  '@serotine/weaviate': [],
  '@serotine/server': [],
  '@serotine/server/mcp': [],
  serotine: ['estimateTokens', 'isAddress'],
}

const PACKAGES: Record<string, object> = {
  '@serotine/core': core,
  '@serotine/core/store': stores,
  '@serotine/core/muvera': muvera,
  '@serotine/core/scoring': scoring,
  '@serotine/core/highlight': highlight,
  '@serotine/core/checkpoint': checkpoints,
  '@serotine/core/options': options,
  '@serotine/core/evaluation': evaluation,
  '@serotine/langchain': langchain,
  '@serotine/llamaindex': llamaindex,
  '@serotine/llamaindex/retriever': llamaindexRetriever,
  '@serotine/langchain/memory': langchainMemory,
  '@serotine/ai-sdk': aiSdk,
  '@serotine/pgvector': pgvector,
  '@serotine/ai-sdk/mastra': aiSdkMastra,
  '@serotine/server': server,
  '@serotine/weaviate': weaviate,
  '@serotine/server/mcp': mcp,
  serotine: cli,
}

it('knows every entry of core', () => {
  const { exports } = createRequire(import.meta.url)('@serotine/core/package.json') as { exports: object }
  const entries = Object.entries(exports).filter(([, target]) => typeof target === 'object')
  const names = entries.map(([path]) => `@serotine/core${path.slice(1)}`)
  expect(names.sort()).toEqual(
    Object.keys(PACKAGES)
      .filter((name) => name.startsWith('@serotine/core'))
      .sort(),
  )
})

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
