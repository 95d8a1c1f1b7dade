import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import type { Store, StoreReader } from '../../store/store.js'
import type { SearchHit, SearchResult } from './hits.js'
import { searchHybrid } from './hybrid.js'
import { checkSearch } from './options.js'
import type { CheckedSearch, OnDamaged, SearchOptions } from './options.js'
import { encodeQueries } from './query.js'
import type { QueryEncoder } from './query.js'
import { searchEmbeddings } from './search.js'

/** What is searched, and by what queries are encoded. */
export interface Searched extends QueryEncoder {
  readonly store: Store
  readonly onDamaged: OnDamaged
}

/** One query, answered. @param call its name, for messages */
export async function answer(
  searched: Searched,
  call: string,
  query: string | TokenEmbeddings,
  options: SearchOptions,
): Promise<SearchResult> {
  const { store, onDamaged } = searched
  const search = { ...checkSearch(call, options, store), onDamaged }
  search.signal?.throwIfAborted()
  const started = performance.now()
  const [embeddings] = await encodeQueries([query], search, searched)
  search.signal?.throwIfAborted()
  const encode = performance.now() - started
  return store.reading((reader) => searchOne(store, reader, { query, embeddings: embeddings!, encode }, search))
}

/** Many queries, answered in their order on one state of the index. */
export async function answerMany(
  searched: Searched,
  queries: readonly (string | TokenEmbeddings)[],
  options: SearchOptions,
): Promise<SearchHit[][]> {
  const { store, onDamaged } = searched
  if (!Array.isArray(queries)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `searchMany() takes an array of queries, got ${describe(queries)}. One query: search(query).`,
    )
  }
  const search = { ...checkSearch('searchMany()', options, store), onDamaged }
  const { signal } = search
  signal?.throwIfAborted()
  const named = (error: unknown, position: number) => ofQuery(error, position, queries[position]!, signal)
  const encoded = await encodeQueries(queries, search, searched, named)
  signal?.throwIfAborted()
  if (encoded.length === 0) return []
  return store.reading(async (reader) => {
    const all: SearchHit[][] = []
    for (const [position, embeddings] of encoded.entries()) {
      // Timers and sockets get their turn, and with them who aborts.
      if (position > 0) await nextTurn()
      signal?.throwIfAborted()
      try {
        const query = { query: queries[position]!, embeddings, encode: 0 }
        all.push((await searchOne(store, reader, query, search)).hits)
      } catch (error) {
        throw named(error, position)
      }
    }
    return all
  })
}

async function searchOne(
  store: Store,
  reader: StoreReader,
  question: { readonly query: string | TokenEmbeddings; readonly embeddings: TokenEmbeddings; readonly encode: number },
  search: CheckedSearch,
): Promise<SearchResult> {
  const { query, embeddings, encode } = question
  const { hybrid } = search
  if (!hybrid) return searchEmbeddings(store, reader, embeddings, search, encode)
  return searchHybrid(store, reader, query as string, embeddings, { ...search, hybrid }, encode)
}

/** The error, saying which of many queries it is of. */
function ofQuery(error: unknown, position: number, query: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted && error === signal.reason) return error
  const what = typeof query === 'string' ? `Query ${position} (${describe(query)})` : `Query ${position}`
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`
  return SerotineError.isInstance(error)
    ? new SerotineError(error.code, message, { cause: error })
    : new Error(message, { cause: error })
}
