import type { TokenEmbeddings } from '@serotine/core'
import {
  decodeRecord,
  measureSuitability,
  pieceOrigins,
  piecesAsQueries,
  recordsOf,
  suitabilityIsDue,
  unsuitable,
} from '@serotine/core/store'
import type { Piece, PrepareOptions, ReadableDocuments, StoreReader } from '@serotine/core/store'
import { candidates } from '../reading/candidates.js'
import { readTokens } from '../reading/reader.js'
import { documentOf, HEAD, idOf, RECORD, recordOf, TEXT } from '../rows.js'
import type { Collection } from './changes.js'

/** Documents whose records come in one answer. */
const RECORDS_AT_ONCE = 100

export interface MeasuredCollection extends Collection {
  readonly dim: number
  /** The collection knows which model its vectors are of. */
  readonly hasModel: boolean
}

/** Measures how much of the exact top 10 the candidates keep, where that is due, and keeps what was found in the catalog. */
export async function keepSuitability(
  collection: MeasuredCollection,
  { signal, encodeQueries, onWarning }: Pick<PrepareOptions, 'signal' | 'encodeQueries' | 'onWarning'>,
): Promise<void> {
  const { documents, catalog, fdes, codec, dim, hasModel } = collection
  const { serving, writing } = await fdes.state(true, { signal })
  // While all are encoded anew, it would be of neither.
  if (serving === 0 || serving !== writing) return
  const { count, sums } = await documents.aggregate(['tokens'], undefined, { signal })
  if (!suitabilityIsDue(count, await fdes.suitability(false, { signal }))) return
  const pieces = await piecesOf(collection, hasModel ? encodeQueries : undefined, signal)
  if (pieces.length === 0) return
  const reader: Pick<StoreReader, 'readTokens'> = {
    readTokens: (ids, sink) => readTokens({ documents, codec, dim }, ids, sink, signal),
  }
  const measured = await measureSuitability(
    {
      codec,
      documents: count,
      tokens: sums.get('tokens') ?? 0,
      pieces,
      candidates: async (embeddings, wanted) => {
        const query = { embeddings, count: wanted, firstStage: 'fde', rerank: false, signal } as const
        return (await candidates(documents, fdes, query)).ids
      },
      all: () => allRecords(collection, signal),
      reading: (work) => work(reader),
    },
    signal,
  )
  // Learned anew meanwhile: it is measured again.
  if ((await fdes.state(true, { signal })).serving !== serving) return
  await catalog.writeSuitability({ version: serving, suitability: measured.suitability })
  await fdes.state(true, { signal })
  const remedy = "Search with firstStage: 'exact', or make a collection with fde: 'quality'."
  const warning = unsuitable('FDE', measured, remedy)
  if (warning) onWarning?.(warning)
}

/** Of documents in the order in which they were written: as texts through the model where there are both, else by their vectors. */
async function piecesOf(
  { documents, codec, dim }: MeasuredCollection,
  encodeQueries: PrepareOptions['encodeQueries'],
  signal: AbortSignal | undefined,
): Promise<Piece[]> {
  const all: { readonly uuid: string; readonly updated: number }[] = []
  for await (const page of documents.list(['tokens'], { signal })) {
    const some = page.filter(({ properties }) => (properties.tokens as number) > 0)
    all.push(...some.map(({ uuid, updated }) => ({ uuid, updated })))
  }
  all.sort((a, b) => a.updated - b.updated)
  const chosen = pieceOrigins(all.length).map((place) => all[place]!.uuid)
  const found = await documents.byUuid(chosen, [...HEAD, ...TEXT, RECORD], { signal })
  const wholes = chosen.flatMap((uuid) => {
    const object = found.get(uuid)
    const record = object && recordOf(object, codec, dim)
    if (!record) return []
    const { id, text, tokens } = documentOf(object, true)
    return { id, text, embeddings: (): TokenEmbeddings => decodeRecord(codec, record, tokens, dim) }
  })
  const queries = await piecesAsQueries(wholes, encodeQueries)
  return wholes.map(({ id }, i) => ({ origin: id, query: queries[i]! }))
}

async function* allRecords(
  { documents, codec, dim }: MeasuredCollection,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReadableDocuments> {
  for await (const page of documents.list(['key', 'tokens', RECORD], { page: RECORDS_AT_ONCE, signal })) {
    const documentsOfPage = page.flatMap((object): [string, { record: Uint8Array; tokens: number }][] => {
      const [record, tokens] = [recordOf(object, codec, dim), object.properties.tokens as number]
      return record && tokens > 0 ? [[idOf(object), { record, tokens }]] : []
    })
    yield recordsOf(new Map(documentsOfPage))
  }
}
