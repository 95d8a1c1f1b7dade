import { resolve } from 'node:path'
import type { Callbacks } from '@langchain/core/callbacks/manager'
import type { DocumentInterface } from '@langchain/core/documents'
import type { EmbeddingsInterface } from '@langchain/core/embeddings'
import { SaveableVectorStore } from '@langchain/core/vectorstores'
import type { MaxMarginalRelevanceSearchOptions } from '@langchain/core/vectorstores'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import type { IndexedDocument, SearchHit, Where } from '@serotine/core'
import { checkInteger, checkOptions, describe } from '@serotine/core/options'
import { compileWhere } from '@serotine/core/store'
import { currentSignal } from './abort.js'
import { checkQuery, documentFromStored, documentsOf, toIndexed } from './document.js'
import { diverse } from './mmr.js'
import { MuveraEmbeddings } from './muvera-embeddings.js'

export interface ColBERTVectorStoreInput {
  /** The collection. Give this or `folder`; with neither a new index is made in memory. */
  index?: MultiVectorIndex
  /** Folder of the index; created if it does not exist. */
  folder?: string
}

const FOLDER_ALIASES = { directory: 'folder', path: 'folder' }

/**
 * A `MultiVectorIndex` as a LangChain vector store: ids that upsert, `delete`, `getByIds`, MMR, the indexing API, save and load.
 *
 * Searches by text are late interaction (first stage, then exact MaxSim) and score MaxSim ÷ query tokens, −1 … 1. A search
 * by vector cannot be: `similaritySearchVectorWithScore` compares FDEs made by `embeddings`.
 *
 * @example
 * const store = await ColBERTVectorStore.fromDocuments(documents, new MuveraEmbeddings(), { folder: './birds' })
 * const documents = await store.similaritySearch('flightless birds', 3, { lang: 'en' })
 */
export class ColBERTVectorStore extends SaveableVectorStore {
  static override lc_name(): string {
    return 'ColBERTVectorStore'
  }

  // `declare`: a field would overwrite what the base class knows with undefined.
  declare FilterType: Where
  declare embeddings: MuveraEmbeddings
  readonly index: MultiVectorIndex

  /** Over an open index. To open one by folder, use `ColBERTVectorStore.open`. */
  constructor(embeddings: EmbeddingsInterface, fields: { index: MultiVectorIndex }) {
    checkOptions('ColBERTVectorStore', fields, ['index'])
    // Nothing is passed to the base class: whatever it gets ends up in traces.
    super(checkMuvera(embeddings), {})
    const { index } = fields ?? {}
    if (typeof index?.search !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `index must be a MultiVectorIndex, got ${describe(index)}. ColBERTVectorStore.open() makes one.`,
      )
    }
    this.index = index
  }

  // Read by the base class's constructor, so it may not touch fields.
  override _vectorstoreType(): string {
    return 'serotine'
  }

  /** A store over an index, a folder, or (with neither) memory. */
  static async open(
    embeddings: EmbeddingsInterface = new MuveraEmbeddings(),
    config: ColBERTVectorStoreInput = {},
  ): Promise<ColBERTVectorStore> {
    checkOptions('ColBERTVectorStore.open', config, ['index', 'folder'], FOLDER_ALIASES)
    const index =
      config.index ?? (await MultiVectorIndex.open(config.folder, { model: await checkMuvera(embeddings).model() }))
    return new ColBERTVectorStore(embeddings, { index })
  }

  static override async fromDocuments(
    documents: DocumentInterface[],
    embeddings: EmbeddingsInterface = new MuveraEmbeddings(),
    config: ColBERTVectorStoreInput & { ids?: string[] } = {},
  ): Promise<ColBERTVectorStore> {
    checkOptions('ColBERTVectorStore.fromDocuments', config, ['index', 'folder', 'ids'], FOLDER_ALIASES)
    const { ids, ...rest } = config
    const store = await ColBERTVectorStore.open(embeddings, rest)
    await store.addDocuments(documents, { ...(ids && { ids }) })
    return store
  }

  /** `metadatas`: one per text, or one for all. */
  static override async fromTexts(
    texts: string[],
    metadatas: object[] | object = {},
    embeddings: EmbeddingsInterface = new MuveraEmbeddings(),
    config: ColBERTVectorStoreInput & { ids?: string[] } = {},
  ): Promise<ColBERTVectorStore> {
    checkOptions('ColBERTVectorStore.fromTexts', config, ['index', 'folder', 'ids'], FOLDER_ALIASES)
    return ColBERTVectorStore.fromDocuments(documentsOf(texts, metadatas), embeddings, config)
  }

  /** Over an existing index: open, or in a folder. */
  static async fromExistingIndex(
    embeddings: EmbeddingsInterface = new MuveraEmbeddings(),
    config: ColBERTVectorStoreInput = {},
  ): Promise<ColBERTVectorStore> {
    checkOptions('ColBERTVectorStore.fromExistingIndex', config, ['index', 'folder'], FOLDER_ALIASES)
    const { index, folder } = config
    if (index === undefined && folder === undefined) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'fromExistingIndex takes { index } or { folder }. ColBERTVectorStore.open() makes a new one.',
      )
    }
    const model = await checkMuvera(embeddings).model()
    return new ColBERTVectorStore(embeddings, {
      index: index ?? (await MultiVectorIndex.open(folder, { model, create: false })),
    })
  }

  /** Adds documents, or replaces those whose id exists. Ids: `options.ids`, else the document's, else a new UUID. */
  override async addDocuments(documents: DocumentInterface[], options: { ids?: string[] } = {}): Promise<string[]> {
    checkOptions('addDocuments', options, ['ids'])
    const items = toIndexed(documents, options.ids)
    const signal = currentSignal()
    if (items.length > 0) await this.index.upsert(items, { ...(signal && { signal }) })
    return items.map(({ id }) => id)
  }

  /** As `addDocuments`: token vectors cannot be recovered from the FDEs given, so the texts are encoded. */
  override async addVectors(
    vectors: number[][],
    documents: DocumentInterface[],
    options: { ids?: string[] } = {},
  ): Promise<string[]> {
    checkOptions('addVectors', options, ['ids'])
    if (vectors.length !== documents.length) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `${documents.length} documents came with ${vectors.length} vectors. Give one per document, or use addDocuments.`,
      )
    }
    return this.addDocuments(documents, options)
  }

  /** By ids (those that do not exist are ignored) or by filter. */
  override async delete(params: { ids?: string[]; filter?: Where } = {}): Promise<void> {
    checkOptions('delete', params, ['ids', 'filter'], { where: 'filter', id: 'ids' })
    const { ids, filter } = params
    if ((ids === undefined) === (filter === undefined)) {
      throw new SerotineError('INVALID_ARGUMENT', 'delete takes either { ids } or { filter }.')
    }
    await this.index.delete(ids ?? { where: filter! })
  }

  /** In the order of `ids`; ids that do not exist are left out. */
  async getByIds(ids: readonly string[]): Promise<DocumentInterface[]> {
    if (!Array.isArray(ids))
      throw new SerotineError('INVALID_ARGUMENT', `getByIds takes an array of ids, got ${describe(ids)}.`)
    const found = await this.index.get(ids as readonly string[])
    return found.flatMap((stored) => (stored ? [documentFromStored(stored)] : []))
  }

  override async similaritySearch(
    query: string,
    k = 4,
    filter?: Where,
    _callbacks?: Callbacks,
  ): Promise<DocumentInterface[]> {
    return (await this.#search(query, k, filter)).map(documentFromStored)
  }

  override async similaritySearchWithScore(
    query: string,
    k = 4,
    filter?: Where,
    _callbacks?: Callbacks,
  ): Promise<[DocumentInterface, number][]> {
    return (await this.#search(query, k, filter)).map((hit) => [documentFromStored(hit), hit.meanSimilarity])
  }

  /**
   * The first stage alone: inner products of an FDE made by `embeddings.embedQuery` with those of all documents, which are made
   * from the stored token vectors on every call. For vectors of texts use `similaritySearch`, which is exact and faster.
   */
  override async similaritySearchVectorWithScore(
    query: number[],
    k: number,
    filter?: Where,
  ): Promise<[DocumentInterface, number][]> {
    checkInteger('k', k, 1)
    const model = await this.embeddings.model()
    const { outputDim } = this.embeddings.encoder(model.dim)
    if (query.length !== outputDim) {
      throw new SerotineError(
        'DIM_MISMATCH',
        `The vector has ${query.length} numbers, but FDEs of these MuveraEmbeddings have ${outputDim}. Make it with embedQuery.`,
      )
    }
    const fits = filter === undefined ? undefined : compileWhere(filter)
    const scored: [DocumentInterface, number][] = []
    for (const id of await this.index.ids()) {
      const stored = await this.index.get(id)
      if (!stored || fits?.(stored) === false) continue
      const fde = await this.#fde(id)
      if (fde) scored.push([documentFromStored(stored), fde.reduce((sum, x, i) => sum + x * query[i]!, 0)])
    }
    return scored.sort((a, b) => b[1] - a[1]).slice(0, k)
  }

  /**
   * Documents that match and differ from each other: relevance is exact MaxSim, likeness the cosine of FDEs.
   *
   * @param options.fetchK how many of the best to choose from, default 20
   * @param options.lambda 1 = relevance alone, 0 = variety alone, default 0.5
   */
  override async maxMarginalRelevanceSearch(
    query: string,
    options: MaxMarginalRelevanceSearchOptions<Where>,
    _callbacks?: Callbacks,
  ): Promise<DocumentInterface[]> {
    checkOptions('maxMarginalRelevanceSearch', options, ['k', 'fetchK', 'lambda', 'filter'], {
      where: 'filter',
      fetch_k: 'fetchK',
    })
    const { k, fetchK = 20, lambda = 0.5, filter } = options
    checkInteger('fetchK', fetchK, 1)
    if (!(lambda >= 0 && lambda <= 1))
      throw new SerotineError('INVALID_ARGUMENT', `lambda must be from 0 to 1, got ${describe(lambda)}.`)
    checkInteger('k', k, 1)
    const hits = await this.#search(query, Math.max(k, fetchK), filter)
    const fdes = await Promise.all(hits.map(({ id }) => this.#fde(id)))
    const pool = hits.flatMap((hit, i) => (fdes[i] ? [{ hit, relevance: hit.meanSimilarity, vector: fdes[i] }] : []))
    return diverse(pool, k, lambda).map(({ hit }) => documentFromStored(hit))
  }

  /** Writes the collection to a folder that `load` and `MultiVectorIndex.open` read. It replaces what was there. */
  override async save(directory: string): Promise<void> {
    if (this.index.folder !== undefined && resolve(directory) === resolve(this.index.folder)) return
    const model = await this.embeddings.model()
    const target = await MultiVectorIndex.open(directory, { model })
    try {
      const kept = new Set(await this.index.ids())
      await target.delete((await target.ids()).filter((id) => !kept.has(id)))
      await target.upsert(this.#stored())
      await target.compact()
    } finally {
      await target.close()
    }
  }

  /** Opens what `save` wrote. */
  static override load(
    directory: string,
    embeddings: EmbeddingsInterface = new MuveraEmbeddings(),
  ): Promise<ColBERTVectorStore> {
    return ColBERTVectorStore.fromExistingIndex(embeddings, { folder: directory })
  }

  /** All documents with their vectors, so that nothing is encoded again. */
  async *#stored(): AsyncGenerator<IndexedDocument> {
    for (const id of await this.index.ids()) {
      const [stored, embeddings] = await Promise.all([this.index.get(id), this.index.embeddings(id)])
      if (!stored || !embeddings) continue
      const { text, metadata } = stored
      yield { id, metadata, embeddings, ...(text !== undefined && { text }) }
    }
  }

  /** Made from the stored token vectors; undefined when the document has just been deleted. */
  async #fde(id: string): Promise<Float32Array | undefined> {
    const embeddings = await this.index.embeddings(id)
    return embeddings && this.embeddings.fdeOf(embeddings, 'document')
  }

  async #search(query: string, k: number, filter: Where | undefined): Promise<readonly SearchHit[]> {
    checkInteger('k', k, 1)
    const signal = currentSignal()
    signal?.throwIfAborted()
    return this.index.search(checkQuery(query), {
      k,
      candidates: Math.max(100, k),
      ...(filter !== undefined && { where: filter }),
      ...(signal && { signal }),
    })
  }
}

function checkMuvera(embeddings: EmbeddingsInterface): MuveraEmbeddings {
  // Not instanceof: an app may have loaded this package as ESM and as CommonJS.
  if (typeof (embeddings as Partial<MuveraEmbeddings> | undefined)?.fdeOf === 'function')
    return embeddings as MuveraEmbeddings
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `ColBERTVectorStore keeps token vectors, so its embeddings must be MuveraEmbeddings, got ${describe(embeddings)}.`,
  )
}
