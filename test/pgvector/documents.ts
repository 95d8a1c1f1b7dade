import { createHash } from 'node:crypto'
import type { NewDocument, Store } from '@serotine/core/store'
import { clusteredCollection } from '../support/clustered-embeddings.js'
import { newDocument } from '../contract/store/stores.js'

export const ADOPT = { dim: 16, model: null }

/** Documents of two tokens, whose metadata say which change they are of. */
export function numberedDocuments(prefix: string, count: number, change = 0): NewDocument[] {
  return Array.from({ length: count }, (_, i) => newDocument(`${prefix}${i}`, { metadata: { change, i } }))
}

/** A collection large enough for FDEs, with the queries to ask of it. */
export function largeCollection(documents: number) {
  const { documents: matrices, queries } = clusteredCollection({ documents, queries: 10, dim: 32 })
  const given = matrices.map((embeddings, i): NewDocument => {
    const id = `d${i}`
    const metadata = JSON.stringify({ third: i % 3, rare: i % 50 })
    const hash = createHash('md5').update(id).digest('hex')
    return { id, text: `Text number ${i}.`, metadata, hash, embeddings }
  })
  return { documents: given, queries, adopt: { dim: 32, model: null } }
}

export async function allIds(store: Store): Promise<string[]> {
  const ids: string[] = []
  for await (const batch of store.scan({ text: false })) ids.push(...batch.map(({ id }) => id))
  return ids
}
