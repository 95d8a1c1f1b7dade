import { isDeepStrictEqual } from 'node:util'
import type { TokenEmbeddings } from '../embeddings.js'
import type { OnProgress } from '../encoder.js'
import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { decodeRecord, encodeRecord, recordBytes } from './records.js'
import { checkSameModel } from './same-model.js'
import type { HashedDocument, NewDocument, Store } from './store.js'
import { checkWritable } from './writable.js'

/** How documents get from one store to another. */
export interface CopyOptions {
  /** Also deletes what the source does not have. Default false: it stays, and is counted. */
  readonly prune?: boolean | undefined
  /** Documents whose vectors are read back at the end and compared with the source's, spread over the collection. Default 1,000. */
  readonly compare?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** `phase: 'copy'`, counting documents of the source. */
  readonly onProgress?: OnProgress | undefined
}

/** What a copy did. */
export interface CopyResult {
  /** Documents that source and target have in common now: all of the source that can be read. */
  readonly documents: number
  /** Written, as the target did not have them, or others. */
  readonly copied: number
  /** Were there already, all the same. */
  readonly unchanged: number
  /** Deleted, with `prune`. */
  readonly removed: number
  /** In the target only. */
  readonly extra: number
  /** Whose vectors were read back and are those of the source. */
  readonly compared: number
  /** Ids of documents that the source cannot read; they are not in the target. */
  readonly damaged: readonly string[]
}

/** Documents looked at in one go, and bytes of vectors (as float32) that are written at once. */
const BATCH = 256
const WRITTEN_BYTES = 8 << 20
const COMPARED = 1000
/** Documents may change while they are copied: what has changed is copied in the next round. */
const ROUNDS = 10
/** Numbers of the same codec may differ so much, as scales are rounded once more. */
const TOLERANCE = 1e-6

/**
 * Copies documents, with the vectors they have, from one store to another: nothing is encoded again. What the target has already is left
 * alone, so that a copy that was interrupted goes on where it was when it is started again, and one of a collection that has grown copies what is new.
 * What is written to the source meanwhile is copied, too: the copy ends when a look through the source finds nothing to do. At the end ids, hashes, texts,
 * metadata and numbers of tokens have been compared of all documents, and vectors of some.
 *
 * @throws INDEX_MISMATCH when the target holds vectors of another model or dimension; INDEX_READONLY; COPY_FAILED when what is read back is not what was
 * written, or the source changes faster than it can be copied; what the stores throw; the signal's reason
 */
export async function copyCollection(from: Store, to: Store, options: CopyOptions = {}): Promise<CopyResult> {
  const { prune = false, compare = COMPARED, signal } = checked(options)
  if (from === to)
    throw new SerotineError('INVALID_ARGUMENT', `${from.name} cannot be copied to itself. Name another target.`)
  checkWritable(to)
  checkCompatible(from, to)
  const copied = new Set<string>()
  let round: Round
  let rounds = 0
  do {
    if (rounds++ === ROUNDS) {
      const message = `${from.name} changes faster than it can be copied to ${to.name}. Stop writing to it, and copy once more.`
      throw new SerotineError('COPY_FAILED', message)
    }
    round = await copyRound(from, to, options)
    for (const id of round.written) copied.add(id)
    // Once more: nothing may have changed since.
  } while (round.written.length > 0 || round.changed > 0)
  const { same, damaged } = round
  const known = new Set([...same, ...damaged])
  const others: string[] = []
  for await (const batch of to.scan({ text: false, signal }))
    others.push(...batch.flatMap(({ id }) => (known.has(id) ? [] : id)))
  const removed = prune ? await deleteAll(to, others, signal) : 0
  const unchanged = same.filter((id) => !copied.has(id)).length
  return {
    documents: same.length,
    copied: same.length - unchanged,
    unchanged,
    removed,
    extra: others.length - removed,
    compared: await compareVectors(from, to, same, compare, signal),
    damaged,
  }
}

/** One look through the source. */
interface Round {
  /** Ids that both had, all the same, before anything was written. */
  readonly same: readonly string[]
  readonly written: readonly string[]
  /** Documents that changed while they were read. */
  readonly changed: number
  readonly damaged: readonly string[]
}

function checked(options: CopyOptions): CopyOptions {
  checkOptions('copyCollection()', options, ['prune', 'compare', 'signal', 'onProgress'])
  const { compare } = options
  if (compare !== undefined && (!Number.isInteger(compare) || compare < 0)) {
    const message = `compare must be a number of documents, 0 or more, got ${describe(compare)}.`
    throw new SerotineError('INVALID_ARGUMENT', message)
  }
  options.signal?.throwIfAborted()
  return options
}

/** @throws INDEX_MISMATCH */
function checkCompatible(from: Store, to: Store): void {
  checkSameModel(to.name, to.spec.model, from.spec.model)
  const [given, found] = [from.spec.dim, to.spec.dim]
  if (given === null || found === null || given === found) return
  throw new SerotineError(
    'INDEX_MISMATCH',
    `${from.name} holds vectors of dimension ${given}, ${to.name} of ${found}. Copy into an empty collection.`,
  )
}

async function copyRound(from: Store, to: Store, { signal, onProgress }: CopyOptions): Promise<Round> {
  const [same, written]: string[][] = [[], []]
  const damaged = new Set<string>()
  const onDamaged = (id: string): void => void damaged.add(id)
  const count = await from.count()
  let [done, changed] = [0, 0]
  for await (const batch of from.scan({ batchSize: BATCH, text: false, signal })) {
    const ids = batch.map(({ id }) => id)
    const found = (await to.get(ids, { checked: true })).filter((document) => document !== undefined)
    // What the target has not is read once, with its vectors.
    const given = await from.get(
      found.map(({ id }) => id),
      { onDamaged },
    )
    const alike = found.flatMap((there, i) => {
      return given[i] && !damaged.has(there.id) && isSame(given[i], there) ? there.id : []
    })
    same!.push(...alike)
    const known = new Set([...alike, ...damaged])
    const missing = batch.filter(({ id }) => !known.has(id))
    for (let at = 0; at < missing.length;) {
      signal?.throwIfAborted()
      const part = partOf(missing, at, from.spec.dim ?? 0)
      const documents = await readDocuments(from, part, onDamaged, signal)
      await to.upsert(documents, { dim: from.spec.dim, model: from.spec.model }, signal)
      written!.push(...documents.map(({ id }) => id))
      changed += part.length - documents.length - part.filter(({ id }) => damaged.has(id)).length
      at += part.length
      onProgress?.({ phase: 'copy', done: Math.min(count, done + at), total: count })
    }
    done += batch.length
    onProgress?.({ phase: 'copy', done: Math.min(count, done), total: count })
  }
  return { same: same!, written: written!, changed, damaged: [...damaged] }
}

function isSame(given: HashedDocument, found: HashedDocument): boolean {
  return (
    found.hash === given.hash &&
    found.tokens === given.tokens &&
    found.text === given.text &&
    // Databases order fields as they like.
    isDeepStrictEqual(found.metadata, given.metadata)
  )
}

/** As many as fit into one write, one at least. */
function partOf(documents: readonly HashedDocument[], from: number, dim: number): readonly HashedDocument[] {
  let [to, bytes] = [from, 0]
  while (to < documents.length && (to === from || bytes + documents[to]!.tokens * dim * 4 <= WRITTEN_BYTES))
    bytes += documents[to++]!.tokens * dim * 4
  return documents.slice(from, to)
}

/** Documents as they are to be written; those that changed meanwhile are left out, and those that are damaged. */
async function readDocuments(
  from: Store,
  documents: readonly HashedDocument[],
  onDamaged: (id: string) => void,
  signal: AbortSignal | undefined,
): Promise<NewDocument[]> {
  const ids = documents.map(({ id }) => id)
  const embeddings = await readEmbeddings(from, ids, onDamaged, signal)
  // After the vectors: with an equal hash they are still those.
  const noText = new Set<string>()
  const found = await from.get(ids, { onDamaged: (id) => void noText.add(id) })
  noText.forEach(onDamaged)
  return found.flatMap((document, i) => {
    const own = embeddings[i]
    if (!document || !own || document.hash !== documents[i]!.hash || noText.has(document.id)) return []
    const { id, text, metadata, hash } = document
    return { id, text, metadata: JSON.stringify(metadata), hash, embeddings: own }
  })
}

/** Undefined for what is gone or damaged. */
async function readEmbeddings(
  store: Store,
  ids: readonly string[],
  onDamaged: (id: string) => void,
  signal: AbortSignal | undefined,
): Promise<(TokenEmbeddings | undefined)[]> {
  const { codec, dim } = store.spec
  const embeddings: (TokenEmbeddings | undefined)[] = Array.from({ length: ids.length })
  let room = new Uint8Array(0)
  await store.readTokens(
    ids,
    {
      room: (bytes) => {
        if (room.length < bytes) room = new Uint8Array(bytes)
        return room.subarray(0, bytes)
      },
      record: (position, offset, tokens) => {
        const own = dim === null ? 0 : dim
        const record = room.subarray(offset, offset + (tokens > 0 ? recordBytes(codec, tokens, own) : 0))
        embeddings[position] =
          tokens > 0 ? decodeRecord(codec, record, tokens, own) : { data: new Float32Array(0), length: 0, dim: own }
      },
      damaged: (position) => onDamaged(ids[position]!),
    },
    signal,
  )
  return embeddings
}

async function deleteAll(store: Store, ids: readonly string[], signal: AbortSignal | undefined): Promise<number> {
  let removed = 0
  for (let at = 0; at < ids.length; at += BATCH)
    removed += await store.delete({ ids: ids.slice(at, at + BATCH) }, signal)
  return removed
}

/**
 * Reads vectors of both and compares them, in the codec of the target.
 *
 * @returns how many were the same
 * @throws COPY_FAILED naming one that is not
 */
async function compareVectors(
  from: Store,
  to: Store,
  ids: readonly string[],
  count: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const step = Math.max(1, ids.length / Math.max(1, count))
  const sample = Array.from({ length: Math.min(count, ids.length) }, (_, i) => ids[Math.floor(i * step)]!)
  let compared = 0
  for (let at = 0; at < sample.length; at += BATCH) {
    const part = sample.slice(at, at + BATCH)
    const ignore = (): void => {}
    const [given, found] = [
      await readEmbeddings(from, part, ignore, signal),
      await readEmbeddings(to, part, ignore, signal),
    ]
    for (const [i, embeddings] of given.entries()) {
      // Gone since.
      if (!embeddings) continue
      if (!found[i] || !isStoredAs(embeddings, found[i], to)) {
        throw new SerotineError(
          'COPY_FAILED',
          `${to.name} gives other vectors for the document ${JSON.stringify(part[i])} than were copied from ${from.name}. ` +
            'Copy once more if it was changed meanwhile; else the target is damaged.',
        )
      }
      compared++
    }
  }
  return compared
}

/** Whether vectors that were read are those given, rounded as the store rounds. */
function isStoredAs(given: TokenEmbeddings, found: TokenEmbeddings, { spec: { codec } }: Store): boolean {
  if (given.length !== found.length) return false
  if (given.length === 0) return true
  // What is kept of vectors beside codes may be less: they are compared by what they mean.
  if (codec === 'residual') return cosine(given.data, found.data) > 0.8
  const wanted = decodeRecord(codec, encodeRecord(codec, given), given.length, given.dim)
  return wanted.data.every((value, i) => Math.abs(value - found.data[i]!) <= TOLERANCE)
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, squaresA, squaresB] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    squaresA += a[i]! ** 2
    squaresB += b[i]! ** 2
  }
  return dot / Math.sqrt(squaresA * squaresB)
}
