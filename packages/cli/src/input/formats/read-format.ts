import type { ReadableText } from '../blocks.js'
import { textBlocks } from '../blocks.js'
import { decodeText } from '../decode.js'
import type { FileKind } from '../walk.js'

/** Reads the bytes of a file of any kind but JSON Lines. Each reader is loaded when there is such a file. */
export async function readFormat(
  kind: Exclude<FileKind, 'jsonl'>,
  bytes: Uint8Array,
): Promise<ReadableText & { readonly replaced?: boolean }> {
  switch (kind) {
    case 'pdf':
      return (await import('./pdf.js')).readPdf(bytes)
    case 'docx':
      return (await import('./docx.js')).readDocx(bytes)
    case 'html':
      return (await import('./html.js')).readHtml(bytes)
    case 'markdown': {
      const { text, replaced } = decodeText(bytes)
      return { ...(await import('./markdown.js')).readMarkdown(text), replaced }
    }
    case 'text': {
      const { text, replaced } = decodeText(bytes)
      return { text, replaced, blocks: textBlocks(text) }
    }
  }
}
