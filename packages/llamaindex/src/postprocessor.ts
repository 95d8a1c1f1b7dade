import { ColBERT, SerotineError } from '@serotine/core'
import type { Scorer } from '@serotine/core'
import { checkInteger, checkOptions, describe } from '@serotine/core/options'
import type { BaseNodePostprocessor, MessageContent, NodeWithScore } from 'llamaindex'
import { checkMetadataMode, checkNodes, copyOf, queryText, textOf } from './node.js'
import type { NodeMetadataMode } from './node.js'

export interface ColBERTPostprocessorOptions {
  /** Default: the embedded model, shared by the process and loaded at the first use. */
  model?: Scorer
  /** How many nodes to keep. `null` keeps all. Default 2, like LlamaIndex's other rerankers. */
  topN?: number | null
  /** Which metadata is read with a node's text. Default `EMBED`: honours `excludedEmbedMetadataKeys`. */
  metadataMode?: NodeMetadataMode
  /** Keep the retriever's score as `metadata.retrieval_score`, on a copy of the node. Default false. */
  keepRetrievalScore?: boolean
  /** Nodes scoring less are left out. Scores are MaxSim ÷ query tokens, −1 … 1. Default: all are kept. */
  scoreThreshold?: number
}

/**
 * Reorders retrieved nodes by exact MaxSim, in query and chat engines. The nodes given are not changed: they are shared with
 * the document store. Equal scores keep the order given.
 *
 * Nothing from LlamaIndex is imported at run time, so it works with every copy of `@llamaindex/core` in an app.
 *
 * @example
 * index.asQueryEngine({ similarityTopK: 20, nodePostprocessors: [new ColBERTPostprocessor({ topN: 5 })] })
 */
export class ColBERTPostprocessor implements BaseNodePostprocessor {
  readonly topN: number | null
  readonly metadataMode: NodeMetadataMode
  readonly keepRetrievalScore: boolean
  readonly scoreThreshold: number
  readonly #model: Scorer | undefined

  constructor(options: ColBERTPostprocessorOptions = {}) {
    checkOptions(
      'ColBERTPostprocessor',
      options,
      ['model', 'topN', 'metadataMode', 'keepRetrievalScore', 'scoreThreshold'],
      {
        topK: 'topN',
        k: 'topN',
        top_n: 'topN',
        keep_retrieval_score: 'keepRetrievalScore',
        similarityCutoff: 'scoreThreshold',
      },
    )
    const { model, topN = 2, metadataMode = 'EMBED', keepRetrievalScore = false, scoreThreshold = -Infinity } = options
    if (model !== undefined && typeof (model as Scorer | null)?.score !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `model must be a ColBERT, got ${describe(model)}. Load one with await ColBERT.load().`,
      )
    }
    if (typeof scoreThreshold !== 'number' || Number.isNaN(scoreThreshold)) {
      throw new SerotineError('INVALID_ARGUMENT', `scoreThreshold must be a number, got ${describe(scoreThreshold)}.`)
    }
    this.topN = topN === null ? null : checkInteger('topN', topN, 1)
    this.metadataMode = checkMetadataMode(metadataMode)
    this.keepRetrievalScore = keepRetrievalScore
    this.scoreThreshold = scoreThreshold
    this.#model = model
  }

  /** @throws INVALID_ARGUMENT when there are nodes but no query text */
  async postprocessNodes(nodes: NodeWithScore[], query?: MessageContent): Promise<NodeWithScore[]> {
    checkNodes(Array.isArray(nodes) ? nodes.map((found?: NodeWithScore) => found?.node) : nodes, 'postprocessNodes')
    if (nodes.length === 0) return []
    const text = queryText(query, 'ColBERTPostprocessor')
    const model = this.#model ?? (await ColBERT.shared())
    const { scores, queryTokens } = await model.score(
      text,
      nodes.map(({ node }) => textOf(node, this.metadataMode)),
    )
    return Array.from(scores, (score, index) => ({ index, score: score / queryTokens }))
      .filter(({ score }) => score >= this.scoreThreshold)
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, this.topN ?? nodes.length)
      .map(({ index, score }) => ({ node: this.#node(nodes[index]!), score }))
  }

  #node({ node, score }: NodeWithScore): NodeWithScore['node'] {
    if (!this.keepRetrievalScore) return node
    const copy = copyOf(node)
    copy.metadata = { ...node.metadata, retrieval_score: score ?? null }
    return copy
  }
}
