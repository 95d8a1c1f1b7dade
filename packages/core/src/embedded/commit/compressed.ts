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
export function readCompressed({ segments }: Pick<Collection, 'segments'>): Uint8Array {
  return Buffer.concat(segments.filter(({ codebook }) => codebook).map((each) => readCodes(each, 0, each.rows.length)))
}

/** As `readCompressed`, of some rows of one segment. */
export function readCodes(segment: Segment, from: number, to: number): Uint8Array {
  const codes = new Uint8Array(segment.storedLength(from, to))
  try {
    if (to > from) segment.readStored(from, to, codes)
  } catch (error) {
    if (!isDamage(error)) throw error
    const start = segment.rows[from]!.tokenOffset
    for (let i = from; i < to; i++) {
      const { tokenOffset, tokenBytes } = segment.rows[i]!
      const own = codes.subarray(tokenOffset - start, tokenOffset - start + tokenBytes)
      try {
        segment.readStored(i, i + 1, own)
      } catch (damage) {
        if (!isDamage(damage)) throw damage
        own.fill(0)
      }
    }
  }
  return codes
}
