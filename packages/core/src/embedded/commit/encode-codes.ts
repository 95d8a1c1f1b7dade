import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import { decodeRecord } from '../../store/records.js'
import type { TokenCodec } from '../../store/records.js'
import type { RecordedDocument } from '../format/segment.js'
import type { CodedBatch, Coder } from './derived-files.js'

/** Documents coded before timers and sockets get their turn. */
const CODED_AT_ONCE = 64

/** Codes of the documents for each coder, made from what their records and texts hold. */
export async function encodeCodes(
  documents: readonly RecordedDocument[],
  codec: TokenCodec,
  dim: number,
  coders: readonly Coder[],
): Promise<Uint8Array[]> {
  if (coders.length === 0) return []
  const pieces = coders.map((): Uint8Array[] => [])
  for (let from = 0; from < documents.length; from += CODED_AT_ONCE) {
    const batch = codedBatch(documents.slice(from, from + CODED_AT_ONCE), codec, dim)
    for (const [i, coder] of coders.entries()) pieces[i]!.push(coder.encode(batch))
    if (from + CODED_AT_ONCE < documents.length) await nextTurn()
  }
  return pieces.map((list) => Buffer.concat(list))
}

function codedBatch(documents: readonly RecordedDocument[], codec: TokenCodec, dim: number): CodedBatch {
  let decoded: readonly TokenEmbeddings[] | undefined
  return {
    documents,
    get embeddings() {
      return (decoded ??= documents.map(({ record, tokens }) => decodeRecord(codec, record, tokens, dim)))
    },
  }
}
