import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRecord, scaleOffset } from '../../packages/core/src/store/records.js'
import type { Encoder } from '../../packages/core/src/encoder.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import type { StoredTokens } from './token-store.js'

export interface EncodedCollection {
  readonly documents: StoredTokens
  readonly queries: readonly TokenEmbeddings[]
}

/** Documents encoded between two reports of progress. */
const BATCH = 256

/**
 * Token vectors of a collection: documents as int8, the form in which an index stores them, queries as they are. Kept in `folder`
 * under a name made of the model's fingerprint and the texts, so that a second run encodes nothing.
 */
export async function encodedCollection(
  folder: string,
  name: string,
  model: Encoder,
  documents: readonly string[],
  queries: readonly string[],
  onProgress: (done: number) => void = () => {},
): Promise<EncodedCollection> {
  const file = join(folder, `${name}-${keyOf(model.fingerprint, documents, queries)}.bin`)
  const kept = await readFile(file).catch(() => undefined)
  if (kept) return parse(kept)
  const encoded = await encode(model, documents, queries, onProgress)
  await mkdir(folder, { recursive: true })
  // Under its name only when it is whole.
  await writeFile(`${file}.part`, format(encoded))
  await rename(`${file}.part`, file)
  return encoded
}

function keyOf(fingerprint: string, ...texts: readonly (readonly string[])[]): string {
  const hash = createHash('sha256').update(`1\0${fingerprint}`)
  for (const list of texts) {
    hash.update(`\0${list.length}`)
    for (const text of list) hash.update(`\0${text}`)
  }
  return hash.digest('hex').slice(0, 16)
}

async function encode(
  model: Encoder,
  documents: readonly string[],
  queries: readonly string[],
  onProgress: (done: number) => void,
): Promise<EncodedCollection> {
  const { dim } = model
  const lengths = new Int32Array(documents.length)
  const parts: { codes: Int8Array; scales: Float32Array }[] = []
  for (let i = 0; i < documents.length; i += BATCH) {
    const batch = await model.encodeDocuments(documents.slice(i, i + BATCH))
    for (const [j, embeddings] of batch.entries()) {
      const { buffer } = encodeRecord('int8', embeddings)
      lengths[i + j] = embeddings.length
      const scales = new Float32Array(buffer, scaleOffset(embeddings.length, dim), embeddings.length)
      parts.push({ codes: new Int8Array(buffer, 0, embeddings.length * dim), scales })
    }
    onProgress(i + batch.length)
  }
  const tokens = lengths.reduce((sum, length) => sum + length, 0)
  const [codes, scales] = [new Int8Array(tokens * dim), new Float32Array(tokens)]
  let at = 0
  for (const part of parts) {
    codes.set(part.codes, at * dim)
    scales.set(part.scales, at)
    at += part.scales.length
  }
  return { documents: { dim, lengths, codes, scales }, queries: await model.encodeQueries(queries) }
}

/** `[dim, documents, tokens, queries, query tokens]`, lengths of both, scales, query vectors, codes: each as it is in memory. */
function format({ documents, queries }: EncodedCollection): Uint8Array {
  const { dim, lengths, codes, scales } = documents
  const queryTokens = queries.reduce((sum, { length }) => sum + length, 0)
  const head = Int32Array.of(dim, lengths.length, scales.length, queries.length, queryTokens)
  const queryLengths = Int32Array.from(queries, ({ length }) => length)
  const parts = [head, lengths, queryLengths, scales, ...queries.map(({ data }) => data), codes]
  return Buffer.concat(
    parts.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  )
}

function parse(file: Buffer): EncodedCollection {
  const { buffer } = new Uint8Array(file)
  const [dim, documents, tokens, queries, queryTokens] = new Int32Array(buffer, 0, 5) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ]
  let at = 20
  const take = <T>(
    kind: new (buffer: ArrayBuffer, at: number, length: number) => T,
    count: number,
    bytes: number,
  ): T => {
    const part = new kind(buffer, at, count)
    at += count * bytes
    return part
  }
  const lengths = take(Int32Array, documents, 4)
  const queryLengths = take(Int32Array, queries, 4)
  const scales = take(Float32Array, tokens, 4)
  const queryData = take(Float32Array, queryTokens * dim, 4)
  const codes = take(Int8Array, tokens * dim, 1)
  let row = 0
  const vectors = Array.from(queryLengths, (length) => {
    const data = queryData.slice(row * dim, (row + length) * dim)
    row += length
    return { data, length, dim }
  })
  return { documents: { dim, lengths, codes, scales }, queries: vectors }
}
