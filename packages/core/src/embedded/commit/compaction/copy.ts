import { isLost } from '../../format/checked.js'
import type { Segment } from '../../format/segment.js'

/**
 * Copies a document; nothing is encoded again.
 *
 * @param codes what is kept of its vectors from now on; undefined: what was
 */
export function copyDocument(from: Segment, index: number, to: Segment, codes?: Uint8Array): void {
  const { id, metadata, hash, tokens, tokenBytes, tokenCrc, textCrc } = from.rows[index]!
  const stored = new Uint8Array(tokenBytes)
  const hasVectors = isRead(() => from.readStored(index, index + 1, stored))
  let text: string | undefined = ''
  const hasText = isRead(() => (text = from.readText(index)))
  // What is damaged stays so, to be found and written anew: its codes may have been made of nothing.
  const record = hasVectors ? (codes ?? stored) : new Uint8Array((codes ?? stored).length)
  const damaged = { ...(!hasVectors && { tokenCrc }), ...(!hasText && { textCrc }) }
  to.append({ id, metadata, hash, tokens, record, text, damaged })
}

function isRead(read: () => void): boolean {
  try {
    read()
    return true
  } catch (error) {
    // What is copied takes the place of what is there: not where that may be whole.
    if (!isLost(error)) throw error
    return false
  }
}
