import { SerotineError } from '../../errors.js'
import type { StoreProblem } from '../../store/store.js'
import type { RecordedDocument } from '../format/segment.js'
import type { Collection } from '../commit/collection.js'
import { isDamage } from '../format/checked.js'
import { CODEBOOK_SECTION } from './verify-index.js'
import type { IndexFiles } from '../commit/index-files.js'

/** Of no content: what is upserted next is written, whatever it is. */
const NO_HASH = '0'.repeat(32)

/** Sections without which there is no index. */
const NEEDED: readonly string[] = ['manifest', 'table', 'deleted', 'vectors', 'text']

/**
 * Gives up what cannot be read, and nothing else: a document whose vectors are damaged stays with its text and metadata and is not found any more,
 * one whose text is damaged is found without it. What first stages keep is dropped, to be made again.
 *
 * @throws INDEX_CORRUPT for what there is no doing without
 */
export async function repairFiles(files: IndexFiles, problems: readonly StoreProblem[]): Promise<void> {
  for (const [name, { files: own }] of Object.entries(files.manifest.derived)) {
    const isDamaged = Object.values(own).some(({ file }) => problems.some((problem) => problem.file === file))
    if (isDamaged) await files.commitDerived(name, undefined)
  }
  const { collection, manifest } = files
  const ids = new Set(problems.flatMap(({ id }) => id ?? []))
  const deleted = [...ids].flatMap((id) => collection.ordinalOf(id) ?? [])
  const documents = deleted.map((ordinal) => left(collection, ordinal))
  if (documents.length > 0) await files.commit({ documents, deleted, dim: manifest.dim!, model: manifest.model })
  // Nobody needs it any more: compaction leaves it out.
  if (problems.some(({ section }) => section === CODEBOOK_SECTION)) await files.compact()
  const others = problems.filter(({ id, section = '' }) => id === undefined && NEEDED.includes(section))
  if (others.length === 0) return
  throw new SerotineError(
    'INDEX_CORRUPT',
    `${others.map(({ message }) => message).join(' ')} This cannot be mended from what is left; restore ${others.map(({ file }) => file).join(', ')}.`,
  )
}

/** A document with what can be read of it. */
function left(collection: Collection, ordinal: number): RecordedDocument {
  const { id, metadata, hash, tokens } = collection.row(ordinal)
  const record = readable(() => collection.readRecord(ordinal))
  const text = readable(() => ({ text: collection.readText(ordinal) }))
  const isWhole = record !== undefined && text !== undefined
  const vectors = record ? { record, tokens } : { record: new Uint8Array(), tokens: 0 }
  return { id, metadata, hash: isWhole ? hash : NO_HASH, text: text?.text, ...vectors }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}
