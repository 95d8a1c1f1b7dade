import { LibSQLVector } from '@mastra/libsql'
import { readTexts } from 'serotine'
import { dimension, embedPassages } from './embedding.ts'

export const INDEX = 'documents'

/** In memory; `file:./documents.db` keeps it. Any vector store of Mastra fits. */
export const vectorStore = new LibSQLVector({ id: 'library', url: ':memory:' })

/** What the store keeps of a passage, and the tool returns. */
export interface PassageMetadata {
  text: string
  source: string
  line: number
}

/** Puts the passages of all files in a folder into the store. */
export async function fillLibrary(folder: string): Promise<void> {
  const ids: string[] = []
  const metadata: PassageMetadata[] = []
  for await (const { id, text, metadata: place } of readTexts([folder], { root: folder })) {
    ids.push(id)
    metadata.push({ text, source: place.source, line: place.line })
  }
  if (ids.length === 0) throw new Error(`There is nothing to read in ${folder}.`)
  await vectorStore.createIndex({ indexName: INDEX, dimension, metric: 'dotproduct' })
  const vectors = await embedPassages(metadata.map(({ text }) => text))
  await vectorStore.upsert({
    indexName: INDEX,
    ids,
    vectors,
    metadata: metadata as unknown as Record<string, unknown>[],
  })
}
