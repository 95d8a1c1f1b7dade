import { isDamage } from '../format/checked.js'
import type { CodebookFile } from '../format/codebook-file.js'
import type { DerivedPart } from '../format/manifest.js'
import type { Segment } from '../format/segment.js'
import type { Collection } from './collection.js'

/** Which of the first documents were compressed by each codebook. */
export function compressedParts({ segments }: Collection, codebooks: readonly CodebookFile[]): DerivedPart[] {
  let from = 0
  return codebooks.map((each) => {
    const own = segments.filter(({ codebook }) => codebook === each)
    const end = own.reduce((sum, { rows }) => sum + rows.length, from)
    const part = { from, learned: end, trusted: end }
    from = end
    return part
  })
}

/** The codes of the documents whose vectors were compressed, one after the other; 0 where they are damaged: no search returns that document. */
export function readCompressed(collection: Collection): Uint8Array {
  const compressed = collection.segments.filter(({ codebook }) => codebook)
  const codes = new Uint8Array(compressed.reduce((sum, { tokenBytes }) => sum + tokenBytes, 0))
  let at = 0
  for (const segment of compressed) {
    readIntact(segment, codes.subarray(at, at + segment.tokenBytes))
    at += segment.tokenBytes
  }
  return codes
}

function readIntact(segment: Segment, target: Uint8Array): void {
  try {
    if (segment.rows.length > 0) segment.readStored(0, segment.rows.length, target)
  } catch (error) {
    if (!isDamage(error)) throw error
    for (const [i, { tokenOffset, tokenBytes }] of segment.rows.entries()) {
      const own = target.subarray(tokenOffset, tokenOffset + tokenBytes)
      try {
        segment.readStored(i, i + 1, own)
      } catch (damage) {
        if (!isDamage(damage)) throw damage
        own.fill(0)
      }
    }
  }
}
