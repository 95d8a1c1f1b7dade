import { SerotineError } from '@serotine/core'
import type { Block, ReadableText } from '../blocks.js'
import { linesOf, textBlocks } from '../blocks.js'
import { loadOptional } from './optional-package.js'

/** Lines further apart than this many of their heights are those of two paragraphs. */
const PARAGRAPH_GAP = 1.7
/** pdf.js prints warnings otherwise. */
const ERRORS_ONLY = 0

/**
 * Reads the text layer of a PDF: lines as they stand on the page, pages joined by blank lines.
 *
 * @throws READER_MISSING, INPUT_FORMAT for a file that cannot be opened or has no text layer
 */
export async function readPdf(bytes: Uint8Array): Promise<ReadableText> {
  const { getDocumentProxy } = await loadOptional('unpdf', 'PDF', () => import('unpdf'))
  // A copy: the buffer is handed over to the reader.
  const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: ERRORS_ONLY }).catch((cause: unknown) => {
    throw new SerotineError('INPUT_FORMAT', `it cannot be opened as PDF (${(cause as Error).message})`, { cause })
  })
  try {
    const { info } = await pdf.getMetadata()
    const title = (info as { Title?: unknown }).Title
    const blocks: Block[] = []
    let text = ''
    for (let page = 1; page <= pdf.numPages; page++) {
      const content = await (await pdf.getPage(page)).getTextContent()
      const pageText = layOut(content.items)
      if (text !== '' && pageText !== '') text += '\n\n'
      for (const block of textBlocks(pageText))
        blocks.push({ ...block, start: text.length + block.start, end: text.length + block.end, page })
      text += pageText
    }
    return { text, blocks, ...(typeof title === 'string' && title.trim() !== '' && { title: title.trim() }) }
  } catch (cause) {
    throw new SerotineError('INPUT_FORMAT', `its pages cannot be read (${(cause as Error).message})`, { cause })
  } finally {
    await pdf.destroy()
  }
}

type Item = { readonly str: string; readonly hasEOL: boolean; readonly height: number; readonly transform: number[] }

function layOut(items: readonly (Item | object)[]): string {
  let text = ''
  let below: { y: number; height: number } | undefined
  let lineEnded = false
  for (const item of items) {
    if (!('str' in item)) continue
    const y = item.transform[5] as number
    if (lineEnded && item.str !== '' && below && below.y - y > PARAGRAPH_GAP * Math.max(below.height, item.height))
      text += '\n'
    if (item.str.trim() !== '') below = { y, height: item.height }
    if (item.str !== '') lineEnded = false
    text += item.str
    if (item.hasEOL) {
      text += '\n'
      lineEnded = true
    }
  }
  return [...linesOf(text)]
    .map(({ start, end }) => text.slice(start, end))
    .join('\n')
    .trim()
}
