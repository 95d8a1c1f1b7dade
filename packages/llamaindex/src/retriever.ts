import { ColBERT, MultiVectorIndex, SerotineError } from '@serotine/core'
import type { Encoder, Metadata, OnProgress, SearchableIndex, SearchHit, Where } from '@serotine/core'
import { checkInteger, checkOptions, describe } from '@serotine/core/options'
import { BaseRetriever, jsonToNode, TextNode } from 'llamaindex'
import type { BaseNode, NodeWithScore, QueryBundle } from 'llamaindex'
import { checkMetadataMode, checkNodes, queryText, textOf, withStart } from './node.js'
import type { NodeMetadataMode } from './node.js'

export interface ColBERTRetrieverOptions {
  /** How many nodes to return. Default 2, LlamaIndex's. */
  similarityTopK?: number
  /** How many nodes the first stage hands to exact MaxSim. Default 100, and never fewer than `similarityTopK`. */
  candidates?: number
  /** Only nodes whose metadata matches: `{ lang: 'en' }`, conditions, or a function. See `Where` of the core. */
  where?: Where
  /** Words count, too: `true`, or `{ weight }`. See `SearchOptions.hybrid` of the core. Default: MaxSim alone. */
  hybrid?: boolean | { weight?: number }
}

export interface FromNodesOptions extends ColBERTRetrieverOptions {
  /** Default: the embedded model, shared by the process. */
  model?: Encoder
  /** Folder to keep the index in. Default: memory. */
  folder?: string
  /** Which metadata is indexed with a node's text. Default `EMBED`: honours `excludedEmbedMetadataKeys`. */
  metadataMode?: NodeMetadataMode
  onProgress?: OnProgress
  signal?: AbortSignal
}

const SEARCH_OPTIONS = ['similarityTopK', 'candidates', 'where', 'hybrid']
const ALIASES = {
  topK: 'similarityTopK',
  k: 'similarityTopK',
  topN: 'similarityTopK',
  filter: 'where',
  filters: 'where',
  preFilters: 'where',
}
/** Where a stored document keeps its node; LlamaIndex's own stores use the same name. */
const NODE = '_node_content'

/**
 * Retrieves nodes with late interaction: exact MaxSim of every node, or in large collections of a first stage's candidates.
 * `score` is MaxSim ÷ query tokens (−1 … 1).
 *
 * @example
 * const retriever = await ColBERTRetriever.fromNodes(nodes, { similarityTopK: 5 })
 * const engine = new RetrieverQueryEngine(retriever)
 */
export class ColBERTRetriever<I extends SearchableIndex = SearchableIndex> extends BaseRetriever {
  readonly index: I
  readonly similarityTopK: number
  readonly candidates: number
  readonly where: Where | undefined
  readonly hybrid: boolean | { weight?: number } | undefined

  constructor(index: I, options: ColBERTRetrieverOptions = {}) {
    checkOptions('ColBERTRetriever', options, SEARCH_OPTIONS, ALIASES)
    super()
    if (typeof index?.search !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `index must be a MultiVectorIndex or have its search method, got ${describe(index)}.`,
      )
    }
    this.index = index
    this.similarityTopK = checkInteger('similarityTopK', options.similarityTopK ?? 2, 1)
    this.candidates = checkInteger('candidates', options.candidates ?? 100, 1)
    this.where = options.where
    this.hybrid = options.hybrid
  }

  /** Indexes nodes and returns a retriever over them. Ids are the nodes' own; relationships come back with them. */
  static async fromNodes(
    nodes: readonly BaseNode[],
    options: FromNodesOptions = {},
  ): Promise<ColBERTRetriever<MultiVectorIndex>> {
    const own = ['model', 'folder', 'metadataMode', 'onProgress', 'signal']
    checkOptions('ColBERTRetriever.fromNodes', options, [...own, ...SEARCH_OPTIONS], ALIASES)
    const { model = await ColBERT.shared(), folder, metadataMode = 'EMBED', onProgress, signal, ...search } = options
    const mode = checkMetadataMode(metadataMode)
    checkNodes(nodes, 'ColBERTRetriever.fromNodes')
    signal?.throwIfAborted()
    const index = await MultiVectorIndex.open(folder, { model })
    try {
      const retriever = new ColBERTRetriever(index, search)
      const documents = nodes.map((node) => ({
        id: node.id_,
        text: textOf(node, mode),
        metadata: metadataOf(node),
      }))
      await index.upsert(documents, { ...(signal && { signal }), ...(onProgress && { onProgress }) })
      return retriever
    } catch (error) {
      await index.close()
      throw error
    }
  }

  override async _retrieve({ query }: QueryBundle): Promise<NodeWithScore[]> {
    const hits = await this.index.search(queryText(query, 'ColBERTRetriever'), {
      k: this.similarityTopK,
      candidates: Math.max(this.similarityTopK, this.candidates),
      ...(this.where !== undefined && { where: this.where }),
      ...(this.hybrid !== undefined && { hybrid: this.hybrid }),
    })
    return hits.map((hit) => ({ node: nodeOf(hit), score: hit.meanSimilarity }))
  }
}

/**
 * What JSON makes of a node's metadata, so that `where` can look at it, and the node itself.
 *
 * @throws INVALID_ARGUMENT for what JSON cannot hold: a bigint, an object that refers to itself
 */
function metadataOf(node: BaseNode): Metadata {
  try {
    const metadata = JSON.parse(JSON.stringify(node.metadata)) as Metadata
    return { ...metadata, [NODE]: JSON.stringify({ ...node.toJSON(), embedding: undefined }) }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The metadata of node ${describe(node.id_)} must be valid JSON: ${reason}`,
      { cause: error },
    )
  }
}

function nodeOf({ id, text = '', metadata }: SearchHit): BaseNode {
  const { [NODE]: content, ...rest } = metadata
  if (typeof content !== 'string') return new TextNode({ id_: id, text, metadata: rest })
  const json = JSON.parse(content) as { startCharIdx?: number }
  return withStart(jsonToNode(json), json.startCharIdx)
}
