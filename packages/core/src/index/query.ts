import { checkEmbeddings } from '../embeddings.js'
import type { TokenEmbeddings } from '../embeddings.js'
import type { Encoder } from '../encoder.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { describe } from '../options.js'
import { checkSameModel } from '../store/same-model.js'
import type { Store } from '../store/store.js'
import { checkModelOutput } from './model-output.js'
import type { CheckedSearch } from './search.js'

/** A query as token embeddings of the index's dimension. @throws INVALID_ARGUMENT, INDEX_MISMATCH, DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE */
export async function encodeQuery(
  query: string | TokenEmbeddings,
  { encoding, signal, hybrid }: CheckedSearch,
  { name, spec: { dim, model: builtWith } }: Pick<Store, 'name' | 'spec'>,
  model: Encoder | undefined,
  onWarning: OnWarning | undefined,
): Promise<TokenEmbeddings> {
  if (typeof query === 'string') {
    if (!model) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'The index was opened without a model, so it cannot encode a text. Search with token embeddings, or open it with ' +
          '{ model }.',
      )
    }
    // Another index over the store may have put in what its own model made, since this one was opened.
    checkSameModel(name, builtWith, model)
    const encoded = await model.encodeQueries([query], {
      ...encoding,
      ...(signal && { signal }),
      ...(onWarning && { onWarning }),
    })
    const embeddings = checkModelOutput(model, 'encodeQueries', encoded, 1)[0]!
    checkEmbeddings(embeddings, dim ?? model.dim, 'the query')
    return embeddings
  }
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
  return query
}
