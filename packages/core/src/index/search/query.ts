import { checkEmbeddings } from '../../embeddings.js'
import type { TokenEmbeddings } from '../../embeddings.js'
import type { Encoder } from '../../encoder.js'
import { SerotineError } from '../../errors.js'
import type { OnWarning } from '../../errors.js'
import { describe } from '../../options.js'
import { checkSameModel } from '../../store/same-model.js'
import type { Store } from '../../store/store.js'
import { checkModelOutput } from '../model-output.js'
import type { CheckedSearch } from './options.js'

/** What queries are encoded by. */
export interface QueryEncoder {
  readonly store: Pick<Store, 'name' | 'spec'>
  readonly model: Encoder | undefined
  readonly onWarning: OnWarning | undefined
}

/**
 * Queries as token embeddings of the index's dimension, in their order; those that are texts are encoded in one call.
 *
 * @param at makes an error say which of several queries it is of
 * @throws INVALID_ARGUMENT, INDEX_MISMATCH, DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export async function encodeQueries(
  queries: readonly (string | TokenEmbeddings)[],
  search: CheckedSearch,
  { store, model, onWarning }: QueryEncoder,
  at: (error: unknown, position: number) => unknown = (error) => error,
): Promise<TokenEmbeddings[]> {
  const { encoding, signal } = search
  const each = <T>(position: number, work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw at(error, position)
    }
  }
  const texts: string[] = []
  for (const [position, query] of queries.entries()) {
    if (typeof query === 'string') texts.push(query)
    else each(position, () => checkEncoded(query, search, store))
  }
  if (texts.length === 0) return queries as TokenEmbeddings[]
  if (!model) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The index was opened without a model, so it cannot encode a text. Search with token embeddings, or open it with ' +
        '{ model }.',
    )
  }
  // Another index over the store may have put in what its own model made, since this one was opened.
  checkSameModel(store.name, store.spec.model, model)
  const how = { ...encoding, ...(signal && { signal }), ...(onWarning && { onWarning }) }
  const encoded = checkModelOutput(model, 'encodeQueries', await model.encodeQueries(texts, how), texts.length)
  let next = 0
  return queries.map((query, position) => {
    if (typeof query !== 'string') return query
    const embeddings = encoded[next++]!
    each(position, () => checkEmbeddings(embeddings, store.spec.dim ?? model.dim, 'the query'))
    return embeddings
  })
}

function checkEncoded(
  query: TokenEmbeddings,
  { encoding, hybrid }: CheckedSearch,
  { spec: { dim, model: builtWith } }: Pick<Store, 'spec'>,
): void {
  if (typeof query !== 'object' || query === null || !(query.data instanceof Float32Array)) {
    throw new SerotineError('INVALID_ARGUMENT', `The query must be a text or token embeddings, got ${describe(query)}.`)
  }
  if (hybrid) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'A hybrid search needs the words of the query, and this one is already encoded. Search with the text, or leave out hybrid.',
    )
  }
  if (Object.keys(encoding).length > 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'search() got a prompt and a query that is already encoded. Pass the prompt to encodeQueries, or search with the text.',
    )
  }
  if (dim !== null && query.dim !== dim) {
    const by = builtWith ? ` (index: ${builtWith.name}@${builtWith.fingerprint.slice(0, 8)})` : ''
    throw new SerotineError(
      'DIM_MISMATCH',
      `The query has dimension ${query.dim}, but the index has ${dim}. Was it built with another model?${by}`,
    )
  }
  checkEmbeddings(query, query.dim, 'the query')
}
