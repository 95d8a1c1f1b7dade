import { ColBERT } from '@serotine/core'
import { readTexts } from 'serotine'
import { TextNode, VectorStoreIndex } from 'llamaindex'

/** The passages of all files in a folder, as nodes of an index of LlamaIndex. It is in memory; a storage context would keep it. */
export async function openLibrary(folder: string): Promise<VectorStoreIndex> {
  const nodes: TextNode[] = []
  for await (const { id, text, metadata } of readTexts([folder], { root: folder })) {
    const where = { source: metadata.source, line: metadata.line }
    // Where a passage stands is for people: neither encoded nor shown to the model, which gets it with the number.
    const excluded = Object.keys(where)
    nodes.push(
      new TextNode({
        id_: id,
        text,
        metadata: where,
        excludedEmbedMetadataKeys: excluded,
        excludedLlmMetadataKeys: excluded,
      }),
    )
  }
  if (nodes.length === 0) throw new Error(`There is nothing to read in ${folder}.`)
  return VectorStoreIndex.init({ nodes })
}

/** The model that all parts share. */
export const model = await ColBERT.shared()
