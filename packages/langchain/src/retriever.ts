import { AsyncLocalStorage } from 'node:async_hooks'
import { parseCallbackConfigArg } from '@langchain/core/callbacks/manager'
import type { Callbacks, CallbackManagerForRetrieverRun } from '@langchain/core/callbacks/manager'
import type { DocumentInterface } from '@langchain/core/documents'
import { BaseRetriever } from '@langchain/core/retrievers'
import type { BaseRetrieverInput } from '@langchain/core/retrievers'
import { ensureConfig } from '@langchain/core/runnables'
import type { Runnable, RunnableConfig } from '@langchain/core/runnables'
import { ColBERT, MultiVectorIndex, SerotineError } from '@serotine/core'
import type { Encoder, OnProgress, OnWarning, SearchableIndex, Where } from '@serotine/core'
import { checkInteger, checkOptions, describe, nearestName } from '@serotine/core/options'
import { currentSignal, withSignal } from './abort.js'
import { checkQuery, documentFromHit, documentsOf, toIndexed } from './document.js'
import type { ScoreKind } from './document.js'

/** What one search can change. */
export interface ColBERTSearchOptions {
  /** How many documents to return. Default 4, LangChain's. */
  k?: number
  /** How many documents the first stage hands to exact MaxSim. Default: as many as the index measured that it needs. Never fewer than `k`. */
  candidates?: number
  /** Only documents for which this holds: `{ lang: 'en' }`, conditions, or a function. See `Where` of the core. */
  filter?: Where
  /** Words count, too: `true`, or `{ weight }`. See `SearchOptions.hybrid` of the core. Default: MaxSim alone. */
  hybrid?: boolean | { weight?: number }
  /** Documents scoring less are left out, on the scale of `score`. Default: all are kept. */
  scoreThreshold?: number
}

export interface ColBERTRetrieverInput<I extends SearchableIndex = SearchableIndex>
  extends ColBERTSearchOptions, BaseRetrieverInput {
  index: I
  /** What `metadata.relevanceScore` holds. Default `meanSimilarity` (−1 … 1, comparable between queries). */
  score?: ScoreKind
}

/** `invoke()` takes the search options too: `retriever.invoke(query, { k: 10, signal })`. */
export type ColBERTRetrieverCallOptions = RunnableConfig & ColBERTSearchOptions

/** Where and how the documents given to `fromDocuments` and `fromTexts` are indexed. */
export interface BuildOptions {
  /** Default: the embedded model, shared by the process. */
  model?: Encoder
  /** Folder to keep the index in. Default: memory. */
  folder?: string
  onProgress?: OnProgress
  onWarning?: OnWarning
  signal?: AbortSignal
}

type RetrieverOptions = Omit<ColBERTRetrieverInput, 'index'>

const SEARCH_OPTIONS = ['k', 'candidates', 'filter', 'hybrid', 'scoreThreshold'] as const
const RETRIEVER_OPTIONS = [...SEARCH_OPTIONS, 'score', 'index', 'callbacks', 'tags', 'metadata', 'verbose']
/** Those that a misspelling can be told by. */
const LONG_OPTIONS = ['candidates', 'filter', 'hybrid', 'scoreThreshold']
/** LangChain's own, which are never misspellings. */
const CONFIG_KEYS = new Set<string>([
  ...SEARCH_OPTIONS,
  'callbacks',
  'configurable',
  'context',
  'maxConcurrency',
  'metadata',
  'recursionLimit',
  'runId',
  'runName',
  'signal',
  'store',
  'tags',
  'timeout',
])
const BUILD_OPTIONS = ['model', 'folder', 'onProgress', 'onWarning', 'signal']
const ALIASES = {
  topK: 'k',
  topN: 'k',
  where: 'filter',
  threshold: 'scoreThreshold',
  fetchK: 'candidates',
  path: 'folder',
  directory: 'folder',
}

/**
 * Retrieves with late interaction: exact MaxSim of every document, or in large collections of a first stage's candidates.
 *
 * Returned documents are copies with `metadata.relevanceScore` and `metadata.rank`. An aborted or timed-out `invoke()`
 * stops the encoding and the search, not only the waiting.
 *
 * @example
 * const retriever = await ColBERTRetriever.fromTexts(['Kiwis cannot fly.', 'Penguins swim.'])
 * const [best] = await retriever.invoke('flightless birds', { k: 1 })
 */
export class ColBERTRetriever<I extends SearchableIndex = SearchableIndex> extends BaseRetriever {
  static override lc_name(): string {
    return 'ColBERTRetriever'
  }

  lc_namespace = ['serotine', 'langchain', 'retrievers']
  readonly index: I
  k: number
  candidates: number | undefined
  filter: Where | undefined
  hybrid: boolean | { weight?: number } | undefined
  scoreThreshold: number | undefined
  score: ScoreKind
  readonly #callOptions = new AsyncLocalStorage<ColBERTSearchOptions>()

  constructor(fields: ColBERTRetrieverInput<I>) {
    checkOptions('ColBERTRetriever', fields, RETRIEVER_OPTIONS, ALIASES)
    super(baseInput(fields))
    if (typeof fields.index?.search !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `index must be a MultiVectorIndex or have its search method, got ${describe(fields.index)}.`,
      )
    }
    const { k, candidates, filter, hybrid, scoreThreshold } = checkSearch(fields)
    this.index = fields.index
    this.k = k ?? 4
    this.candidates = candidates
    this.filter = filter
    this.hybrid = hybrid
    this.scoreThreshold = scoreThreshold
    this.score = checkScoreKind(fields.score)
  }

  /** Indexes documents and returns a retriever over them. Ids: the document's, else a new UUID. */
  static async fromDocuments(
    documents: readonly DocumentInterface[],
    options: BuildOptions & RetrieverOptions = {},
  ): Promise<ColBERTRetriever<MultiVectorIndex>> {
    const [build, fields] = splitOptions('ColBERTRetriever.fromDocuments', options)
    const items = toIndexed(documents)
    const { folder, model = await ColBERT.shared(), onWarning, signal, onProgress } = build
    signal?.throwIfAborted()
    const index = await MultiVectorIndex.open(folder, { model, ...(onWarning && { onWarning }) })
    try {
      const retriever = new ColBERTRetriever({ ...fields, index })
      await index.upsert(items, { ...(signal && { signal }), ...(onProgress && { onProgress }) })
      return retriever
    } catch (error) {
      await index.close()
      throw error
    }
  }

  /** `metadatas`: one per text, or one for all. */
  static async fromTexts(
    texts: readonly string[],
    metadatas: readonly Record<string, unknown>[] | Record<string, unknown> = {},
    options: BuildOptions & RetrieverOptions = {},
  ): Promise<ColBERTRetriever<MultiVectorIndex>> {
    return ColBERTRetriever.fromDocuments(documentsOf(texts, metadatas), options)
  }

  /** A retriever over an open index, or over a folder, which is opened for reading. */
  static async fromExistingIndex(
    indexOrFolder: MultiVectorIndex | string,
    options: Pick<BuildOptions, 'model' | 'onWarning'> & RetrieverOptions = {},
  ): Promise<ColBERTRetriever<MultiVectorIndex>> {
    const [{ model, onWarning }, fields] = splitOptions('ColBERTRetriever.fromExistingIndex', options)
    if (typeof indexOrFolder !== 'string') return new ColBERTRetriever({ ...fields, index: indexOrFolder })
    const index = await MultiVectorIndex.open(indexOrFolder, {
      model: model ?? (await ColBERT.shared()),
      create: false,
      readonly: true,
      ...(onWarning && { onWarning }),
    })
    return new ColBERTRetriever({ ...fields, index })
  }

  /** Like every runnable's `invoke`, with the search options next to the config's own keys. */
  override async invoke(input: string, options?: Partial<ColBERTRetrieverCallOptions>): Promise<DocumentInterface[]> {
    // Callers such as ContextualCompressionRetriever pass a CallbackManager where a config is expected.
    const config = ensureConfig(
      parseCallbackConfigArg(options as Callbacks | undefined) as Partial<ColBERTRetrieverCallOptions>,
    )
    config.signal?.throwIfAborted()
    checkCallOptions(config)
    const search = checkSearch(config)
    return withSignal(config.signal, () => this.#callOptions.run(search, () => super.invoke(input, config)))
  }

  /** A runnable whose searches use these options: `invoke`, `batch` and `stream` of the result take them too. */
  override withConfig(
    config: Partial<ColBERTRetrieverCallOptions>,
  ): Runnable<string, DocumentInterface[], ColBERTRetrieverCallOptions> {
    return super.withConfig(config)
  }

  override async _getRelevantDocuments(
    query: string,
    _runManager?: CallbackManagerForRetrieverRun,
  ): Promise<DocumentInterface[]> {
    const call = this.#callOptions.getStore()
    const k = call?.k ?? this.k
    const where = call?.filter ?? this.filter
    const threshold = call?.scoreThreshold ?? this.scoreThreshold ?? -Infinity
    const signal = currentSignal()
    signal?.throwIfAborted()
    const candidates = call?.candidates ?? this.candidates
    const hybrid = call?.hybrid ?? this.hybrid
    const hits = await this.index.search(checkQuery(query), {
      k,
      ...(candidates !== undefined && { candidates: Math.max(k, candidates) }),
      ...(where !== undefined && { where }),
      ...(hybrid !== undefined && { hybrid }),
      ...(signal && { signal }),
    })
    return hits
      .map((hit) => documentFromHit(hit, this.score))
      .filter((document) => (document.metadata['relevanceScore'] as number) >= threshold)
  }
}

/** What LangChain's base class is told. Not the index: constructor fields end up in traces. */
export function baseInput({ callbacks, tags, metadata, verbose }: BaseRetrieverInput): BaseRetrieverInput {
  return {
    ...(callbacks !== undefined && { callbacks }),
    ...(tags !== undefined && { tags }),
    ...(metadata !== undefined && { metadata }),
    ...(verbose !== undefined && { verbose }),
  }
}

/**
 * A config may hold keys of others (LangGraph's), so only what can be a slip for one of ours is refused.
 *
 * @throws UNKNOWN_OPTION
 */
function checkCallOptions(config: object): void {
  for (const key of Object.keys(config)) {
    if (CONFIG_KEYS.has(key)) continue
    const meant = Object.hasOwn(ALIASES, key) || nearestName(key, LONG_OPTIONS) !== undefined || key === 'K'
    if (meant) checkOptions('ColBERTRetriever.invoke', { [key]: true }, SEARCH_OPTIONS, { ...ALIASES, K: 'k' })
  }
}

/** The given search options, without those that are undefined. @throws INVALID_ARGUMENT */
function checkSearch({ k, candidates, filter, hybrid, scoreThreshold }: ColBERTSearchOptions): ColBERTSearchOptions {
  if (k !== undefined) checkInteger('k', k, 1)
  if (candidates !== undefined) checkInteger('candidates', candidates, 1)
  if (scoreThreshold !== undefined) checkThreshold(scoreThreshold)
  return {
    ...(k !== undefined && { k }),
    ...(candidates !== undefined && { candidates }),
    ...(filter !== undefined && { filter }),
    ...(hybrid !== undefined && { hybrid }),
    ...(scoreThreshold !== undefined && { scoreThreshold }),
  }
}

/** @throws INVALID_ARGUMENT */
export function checkThreshold(value: unknown): number {
  if (typeof value === 'number' && !Number.isNaN(value)) return value
  throw new SerotineError('INVALID_ARGUMENT', `scoreThreshold must be a number, got ${describe(value)}.`)
}

/** @throws INVALID_ARGUMENT */
export function checkScoreKind(value: unknown): ScoreKind {
  if (value === undefined) return 'meanSimilarity'
  if (value === 'meanSimilarity' || value === 'maxSim') return value
  throw new SerotineError('INVALID_ARGUMENT', `score must be 'meanSimilarity' or 'maxSim', got ${describe(value)}.`)
}

function splitOptions(where: string, options: BuildOptions & RetrieverOptions): [BuildOptions, RetrieverOptions] {
  checkOptions(where, options, [...BUILD_OPTIONS, ...RETRIEVER_OPTIONS], ALIASES)
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  const part = (own: boolean): object =>
    Object.fromEntries(entries.filter(([key]) => BUILD_OPTIONS.includes(key) === own))
  return [part(true), part(false)]
}
