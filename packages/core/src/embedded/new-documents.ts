import { SerotineError } from '../errors.js'
import { describe } from '../options.js'
import { encodeRecord } from '../store/records.js'
import { checkSameModel } from '../store/same-model.js'
import type { CollectionSpec, NewDocument } from '../store/store.js'
import type { IndexFiles } from './commit/index-files.js'
import type { Manifest } from './format/manifest.js'
import type { RecordedDocument } from './format/segment.js'

/**
 * Dimension and model that the collection has with these documents. Compared within the change: another may have been the first.
 *
 * @throws DIM_MISMATCH, INDEX_MISMATCH
 */
export function formWith(
  manifest: Manifest,
  name: string,
  documents: readonly NewDocument[],
  adopt: Pick<CollectionSpec, 'dim' | 'model'>,
): { dim: number; model: Manifest['model'] } {
  checkSameModel(name, manifest.model, adopt.model)
  const given = documents.filter(({ embeddings }) => embeddings)
  // What has no tokens is of every dimension.
  const told = given.filter(({ embeddings }) => embeddings!.length > 0)
  const dim = manifest.dim ?? adopt.dim ?? (told[0] ?? given[0])?.embeddings!.dim
  for (const { id, embeddings } of told) {
    if (embeddings!.dim === dim) continue
    throw new SerotineError(
      'DIM_MISMATCH',
      `Document ${describe(id)} has dimension ${embeddings!.dim}, but the index ${name} has ${dim}. Was it made by another model?`,
    )
  }
  // Undefined only where no document has vectors, which `recordedDocument` refuses.
  return { dim: dim!, model: manifest.model ?? adopt.model ?? null }
}

/** A document as it is to be written: its vectors as a record. @throws INVALID_ARGUMENT when it has none to keep */
export function recordedDocument(
  { manifest, collection }: IndexFiles,
  { id, text, metadata, hash, embeddings }: NewDocument,
): RecordedDocument {
  if (embeddings) {
    const record = encodeRecord(manifest.codec, embeddings)
    return { id, text, metadata, hash, tokens: embeddings.length, record }
  }
  const ordinal = collection.ordinalOf(id)
  if (ordinal === undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `Document ${describe(id)} comes without embeddings, and there is none whose vectors it could keep.`,
    )
  }
  return { id, text, metadata, hash, tokens: collection.row(ordinal).tokens, record: collection.readRecord(ordinal) }
}
