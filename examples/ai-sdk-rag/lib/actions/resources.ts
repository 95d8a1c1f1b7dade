import { randomUUID } from 'node:crypto'
import { splitPassages } from 'serotine'
import { openIndex } from '../ai/embedding.ts'

/** Adds a text to what is searched. It is gone when the server ends: pass a folder to `MultiVectorIndex.open` to keep it. */
export async function createResource({ content }: { content: string }): Promise<string> {
  const passages = splitPassages(content, { markdown: true })
  if (passages.length === 0) return 'There was no text in it.'
  const index = await openIndex()
  const id = randomUUID()
  await index.upsert(
    passages.map(({ text, lineStart }, i) => ({
      id: `${id}#${i + 1}`,
      text,
      metadata: { source: 'conversation', line: lineStart },
    })),
  )
  return 'Remembered.'
}
