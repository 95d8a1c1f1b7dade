import type { KeywordStats } from '../store/keywords.js'
import type { FirstStageName, FirstStageStats, StoreStats } from '../store/store.js'
import type { IndexFiles } from './commit/index-files.js'
import type { CheckedEmbedded } from './options.js'
import type { Stage } from './stages/stage.js'

/** Whether deleted and replaced documents take up so much that they are to be freed without being told to. */
export function isToBeCompacted(
  { manifest, collection, isPoisoned, deletedCount }: IndexFiles,
  { compactAt, compactBytes }: Pick<CheckedEmbedded, 'compactAt' | 'compactBytes'>,
): boolean {
  if (compactAt === false || isPoisoned || deletedCount === 0) return false
  let total = 0
  for (const { tokenBytes, textBytes } of manifest.segments) total += tokenBytes + textBytes
  let living = 0
  for (const ordinal of collection.ordinals()) {
    const { tokenBytes, textBytes } = collection.row(ordinal)
    living += tokenBytes + textBytes
  }
  const dead = total - living
  return dead > compactBytes && dead >= total * compactAt
}

/** @param firstStage what `plan` says serves a search over everything */
export function statsOf(
  files: IndexFiles,
  stages: Iterable<Stage>,
  keywords: KeywordStats | undefined,
  firstStage: FirstStageName,
): StoreStats {
  const { manifest, collection, deletedCount } = files
  const bytes: Record<string, number> = { tokens: 0, texts: 0, table: manifest.deleted.bytes }
  for (const { tokenBytes, textBytes, table } of manifest.segments) {
    bytes.tokens! += tokenBytes
    bytes.texts! += textBytes
    bytes.table! += table.bytes
  }
  if (manifest.codebooks) bytes.codebooks = manifest.codebooks.reduce((sum, file) => sum + file.bytes, 0)
  const firstStages: Record<string, FirstStageStats> = {}
  for (const stage of stages) {
    const derived = manifest.derived[stage.name]
    if (!derived && !stage.isKept) continue
    const size = Object.values(derived?.files ?? {}).reduce((sum, file) => sum + file.bytes, 0)
    bytes[stage.name] = size
    const { suitability = null } = derived ?? {}
    firstStages[stage.name] = { bytes: size, documents: stage.rows, suitability, facts: stage.facts() }
  }
  if (keywords) bytes.keywords = keywords.bytes
  const total = Object.values(bytes).reduce((sum, part) => sum + part, 0)
  return {
    documents: collection.size,
    deleted: deletedCount,
    tokens: collection.tokens,
    bytes: { ...bytes, total },
    generation: manifest.generation,
    firstStage,
    firstStages,
    ...(keywords && { keywords }),
  }
}
