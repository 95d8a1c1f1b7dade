import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { ColBERTRetriever } from '@serotine/langchain'
import { readTexts, splitPassages } from 'serotine'

// Next.js gives each route a copy of this file; all of them are to use one index.
const shared = globalThis as typeof globalThis & { library?: Promise<MultiVectorIndex> }

/**
 * The passages of all files in DOCUMENTS (default: `documents`), read at the first use. In memory, or in the folder that INDEX_FOLDER
 * names: what was added is still there after a restart then.
 */
export function openLibrary(): Promise<MultiVectorIndex> {
  const opening = (shared.library ??= (async () => {
    const folder = process.env['DOCUMENTS'] ?? 'documents'
    const index = await MultiVectorIndex.open(process.env['INDEX_FOLDER'], { model: await ColBERT.shared() })
    await index.upsert(readTexts([folder], { root: folder }))
    return index
  })())
  // What failed is tried again at the next request.
  opening.catch(() => {
    if (shared.library === opening) delete shared.library
  })
  return opening
}

/** The passages that say most about a question. Names and numbers count by their letters, too (`hybrid`). */
export async function openRetriever(): Promise<ColBERTRetriever> {
  return new ColBERTRetriever({ index: await openLibrary(), k: 4, hybrid: true })
}

/** Adds a text in the place of an earlier one of that name. @returns how many passages it has */
export async function addText(name: string, text: string): Promise<number> {
  const index = await openLibrary()
  const source = `added/${name}`
  const passages = splitPassages(text, { markdown: true }).map((passage, i) => ({
    id: `${source}#${i + 1}`,
    text: passage.text,
    metadata: { source, line: passage.lineStart },
  }))
  const kept = new Set(passages.map(({ id }) => id))
  const gone: string[] = []
  for await (const { id } of index.scan({ where: { source }, text: false })) if (!kept.has(id)) gone.push(id)
  await index.upsert(passages)
  await index.delete(gone)
  return passages.length
}
