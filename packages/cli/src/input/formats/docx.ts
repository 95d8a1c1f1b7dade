import { SerotineError } from '@serotine/core'
import type { ReadableText } from '../blocks.js'
import { loadOptional } from './optional-package.js'

/**
 * Reads a Word document by way of the HTML it comes to: headings, lists and tables are told from each other. Places are
 * those in the text.
 *
 * @throws READER_MISSING, INPUT_FORMAT for a file that cannot be opened
 */
export async function readDocx(bytes: Uint8Array): Promise<ReadableText> {
  const { convertToHtml, images } = await loadOptional('mammoth', 'DOCX', async () => (await import('mammoth')).default)
  // Pictures as empty addresses: only their descriptions are words.
  const convertImage = images.imgElement(() => Promise.resolve({ src: '' }))
  const { value } = await convertToHtml({ buffer: Buffer.from(bytes) }, { convertImage }).catch((cause: unknown) => {
    throw new SerotineError('INPUT_FORMAT', `it cannot be opened as DOCX (${(cause as Error).message})`, { cause })
  })
  const { readHtmlText } = await import('./html.js')
  const { text, blocks } = readHtmlText(value)
  return { text, blocks }
}
