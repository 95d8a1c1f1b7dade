import { resolve } from 'node:path'
import { BaseStore, InvalidNamespaceError, validateNamespace } from '@langchain/langgraph-checkpoint'
import type {
  GetOperation,
  Item,
  ListNamespacesOperation,
  MatchCondition,
  Operation,
  OperationResults,
  PutOperation,
  SearchItem,
  SearchOperation,
} from '@langchain/langgraph-checkpoint'
import { ColBERT, MultiVectorIndex, SerotineError, tokenEmbeddings } from '@serotine/core'
import type { IndexedDocument, Metadata, SearchHit } from '@serotine/core'
import { checkOptions, describe } from '@serotine/core/options'
import { passesFilter } from './memory-filter.js'
import { textOfMemory } from './memory-text.js'

export interface ColBERTMemoryStoreInput {
  /** Where memories are kept. Give this or `folder`; with neither they are in memory. Not closed by `stop()`. */
  index?: MultiVectorIndex
  /** Folder of the index; made at the first use if it does not exist. */
  folder?: string
  /** That of the index. Default: the embedded model. */
  model?: ColBERT
  /** What of a memory is searched, unless `put` says: paths as in LangGraph, `['$']` for all that it says. Default: `['$']`. */
  fields?: readonly string[]
}

/** A memory as it lies in the index. */
type Stored = Metadata & {
  readonly namespace: readonly string[]
  readonly key: string
  readonly value: Metadata
  readonly createdAt: string
  readonly updatedAt: string
}

/**
 * Long-term memory of LangGraph agents, found by late interaction: a `BaseStore` for `compile({ store })` and `createAgent({ store })` that stays on disk.
 *
 * `search` with a `query` ranks by MaxSim ÷ query tokens (`score`, −1 … 1); without one, and for memories put with `index: false`, the order is that of
 * the last change. One process writes to a folder.
 *
 * @example
 * const store = new ColBERTMemoryStore({ folder: './memories', fields: ['text'] })
 * await store.put(['users', 'ada'], 'diet', { text: 'Ada does not eat meat.' })
 * const [memory] = await store.search(['users', 'ada'], { query: 'What should I cook?', limit: 1 })
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export class ColBERTMemoryStore extends BaseStore {
  readonly #input: ColBERTMemoryStoreInput
  #opened: Promise<MultiVectorIndex> | undefined
  /** Operations of one call see the state before it, and calls follow one another. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(input: ColBERTMemoryStoreInput = {}) {
    super()
    checkOptions('ColBERTMemoryStore', input, ['index', 'folder', 'model', 'fields'], {
      path: 'folder',
      directory: 'folder',
    })
    const { index, folder, fields } = input
    if (index !== undefined && folder !== undefined) {
      throw new SerotineError('INVALID_ARGUMENT', 'Give ColBERTMemoryStore index or folder, not both.')
    }
    if (index !== undefined && typeof (index as MultiVectorIndex | null)?.search !== 'function') {
      throw new SerotineError('INVALID_ARGUMENT', `index must be an open MultiVectorIndex, got ${describe(index)}.`)
    }
    if (fields !== undefined && !(Array.isArray(fields) && fields.every((field) => typeof field === 'string'))) {
      throw new SerotineError('INVALID_ARGUMENT', `fields must be an array of paths, got ${describe(fields)}.`)
    }
    this.#input = { ...input, ...(folder !== undefined && { folder: resolve(folder) }) }
  }

  /** Runs operations: reads and searches see the state before the call, of several changes of one memory the last counts. */
  async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const work = this.#last.then(() => this.#run(operations))
    this.#last = work.catch(() => {})
    return (await work) as OperationResults<Op>
  }

  /** Closes the index, unless it was given. */
  override async stop(): Promise<void> {
    await this.#last
    const opened = this.#opened
    this.#opened = undefined
    if (!this.#input.index) await (await opened)?.close()
  }

  async #run(operations: readonly Operation[]): Promise<unknown[]> {
    const index = await this.#index()
    const results: unknown[] = []
    const puts = new Map<string, PutOperation>()
    for (const operation of operations) {
      if ('namespacePrefix' in operation) results.push(await this.#search(index, operation))
      else if ('value' in operation) {
        validateNamespace(operation.namespace)
        puts.set(idOf(operation), operation)
        results.push(undefined)
      } else if ('key' in operation) results.push(await this.#get(index, operation))
      else results.push(await this.#namespaces(index, operation))
    }
    if (puts.size > 0) await this.#put(index, puts)
    return results
  }

  async #get(index: MultiVectorIndex, operation: GetOperation): Promise<Item | null> {
    const found = await index.get(idOf(operation), { text: false })
    return found ? itemOf(found.metadata) : null
  }

  async #search(index: MultiVectorIndex, operation: SearchOperation): Promise<SearchItem[]> {
    const { namespacePrefix: prefix, filter, query, limit = 10, offset = 0 } = operation
    validateNamespace(prefix, { allowEmpty: true, allowReservedRoot: true })
    const where = ({ metadata }: { readonly metadata: Metadata }): boolean => {
      const { namespace, value } = metadata as Stored
      return (
        Array.isArray(namespace) && prefix.every((label, i) => namespace[i] === label) && passesFilter(value, filter)
      )
    }
    if (limit <= 0) return []
    if (query === undefined || query.trim() === '') {
      const items: SearchItem[] = []
      let skip = offset
      for await (const { metadata } of index.scan({ where, text: false })) {
        if (skip-- > 0) continue
        items.push(itemOf(metadata))
        if (items.length === limit) break
      }
      return items
    }
    const hits: SearchHit[] = await index.search(query, { k: limit, offset, where, text: false })
    return hits.map(({ metadata, meanSimilarity }) => ({ ...itemOf(metadata), score: meanSimilarity }))
  }

  async #namespaces(index: MultiVectorIndex, operation: ListNamespacesOperation): Promise<string[][]> {
    const { matchConditions = [], maxDepth, limit, offset } = operation
    // By labels, which hold no such character, so that a namespace comes before those inside of it.
    const found = new Map<string, string[]>()
    for await (const { metadata } of index.scan({ text: false })) {
      const { namespace } = metadata as Stored
      if (!Array.isArray(namespace) || !matchConditions.every((condition) => matches(condition, namespace))) continue
      const cut = maxDepth === undefined ? [...namespace] : namespace.slice(0, maxDepth)
      found.set(cut.join('\u0000'), cut)
    }
    const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, namespace]) => namespace)
    return sorted.slice(offset ?? 0, (offset ?? 0) + (limit ?? sorted.length))
  }

  async #put(index: MultiVectorIndex, puts: ReadonlyMap<string, PutOperation>): Promise<void> {
    const ids = [...puts.keys()]
    const before = await index.get(ids, { text: false })
    let dim: number | undefined
    const now = new Date().toISOString()
    const documents: IndexedDocument[] = []
    const gone: string[] = []
    for (const [i, [id, operation]] of [...puts].entries()) {
      const { namespace, key, value, index: paths } = operation
      if (value === null) {
        gone.push(id)
        continue
      }
      const text = paths === false ? '' : textOfMemory(value, paths ?? this.#input.fields ?? ['$'])
      const createdAt = (before[i]?.metadata as Stored | undefined)?.createdAt ?? now
      const metadata = { namespace: [...namespace], key, value, createdAt, updatedAt: now } as unknown as Metadata
      if (text !== '') documents.push({ id, metadata, text })
      else
        documents.push({
          id,
          metadata,
          embeddings: tokenEmbeddings(new Float32Array(0), (dim ??= await this.#dimOf(index))),
        })
    }
    await index.upsert(documents, { delete: gone })
  }

  /** A memory that no search returns has no tokens, but its vectors have the index's dimension. */
  async #dimOf(index: MultiVectorIndex): Promise<number> {
    const { dim } = await index.stats()
    const model = this.#input.model ?? (this.#input.index ? undefined : await ColBERT.shared())
    const known = dim ?? model?.dim
    if (known !== undefined) return known
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The first memory of an empty index has no text to search. Give ColBERTMemoryStore the model of the index, too.',
    )
  }

  #index(): Promise<MultiVectorIndex> {
    const open = async (): Promise<MultiVectorIndex> => {
      const { index, folder, model } = this.#input
      return index ?? MultiVectorIndex.open(folder, { model: model ?? (await ColBERT.shared()) })
    }
    this.#opened ??= open().catch((error: unknown) => {
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }
}

/** Of one memory: no other namespace and key has it. */
function idOf({ namespace, key }: { readonly namespace: readonly string[]; readonly key: string }): string {
  if (namespace.length === 0) throw new InvalidNamespaceError('Namespace cannot be empty.')
  return JSON.stringify([...namespace, key])
}

function itemOf(metadata: Metadata): Item {
  const { namespace, key, value, createdAt, updatedAt } = metadata as Stored
  return { value, key, namespace: [...namespace], createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) }
}

function matches({ matchType, path }: MatchCondition, namespace: readonly string[]): boolean {
  if (path.length > namespace.length) return false
  const start = matchType === 'prefix' ? 0 : namespace.length - path.length
  return path.every((label, i) => label === '*' || label === namespace[start + i])
}
