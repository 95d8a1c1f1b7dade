import type { KeywordStats } from '../store/keywords.js'
import type { EstimatedSize, FirstStageName, FirstStageStats, StoreStats } from '../store/store.js'
import type { IndexFiles } from './commit/index-files.js'
import type { CheckedEmbedded } from './options.js'
import type { Stage } from './stages/stage.js'

/**
 * Whether deleted and replaced documents take up so much that they are to be freed without being told to, or a compaction ended before its last step.
 *
 * @returns share of its bytes that makes a segment worth rewriting; undefined: nothing is to be done
 */
export function isToBeCompacted(
  { manifest, collection, isPoisoned }: IndexFiles,
  { compactAt, compactBytes }: Pick<CheckedEmbedded, 'compactAt' | 'compactBytes'>,
): number | undefined {
  if (compactAt === false || isPoisoned || collection.deletedCount === 0) return undefined
  let total = 0
  for (const { tokenBytes, textBytes } of manifest.segments) total += tokenBytes + textBytes
  let living = 0
  for (const ordinal of collection.ordinals()) {
    const { tokenBytes, textBytes } = collection.row(ordinal)
    living += tokenBytes + textBytes
  }
  const dead = total - living
  // In what is left then, no more than this is dead.
  const worth = compactAt / 2
  if (dead > compactBytes && dead >= total * compactAt) return worth
  return collection.goneCount >= Math.max(1, collection.total * worth) ? worth : undefined
}

/** @param firstStage what `plan` says serves a search over everything */
export function statsOf(
  files: IndexFiles,
  stages: Iterable<Stage>,
  keywords: KeywordStats | undefined,
  firstStage: FirstStageName,
): StoreStats {
  const { manifest, collection } = files
  const bytes: Record<string, number> = { tokens: 0, texts: 0, table: manifest.deleted.bytes }
  for (const { tokenBytes, textBytes, table } of manifest.segments) {
    bytes.tokens! += tokenBytes
    bytes.texts! += textBytes
    bytes.table! += table.bytes
  }
  if (manifest.codebooks) bytes.codebooks = manifest.codebooks.reduce((sum, file) => sum + file.bytes, 0)
  const memory: Record<string, number> = { table: collection.memory }
  const firstStages: Record<string, FirstStageStats> = {}
  for (const stage of stages) {
    const derived = manifest.derived[stage.name]
    if (!derived && !stage.isKept) continue
    const size = Object.values(derived?.files ?? {}).reduce((sum, file) => sum + file.bytes, 0)
    bytes[stage.name] = size
    memory[stage.name] = stage.memory ?? 0
    const measured = derived?.suitability ?? null
    const suitability = measured && { ...measured, recall: measured.recall * (stage.keeps ?? 1) }
    firstStages[stage.name] = { bytes: size, documents: stage.rows, suitability, facts: stage.facts() }
  }
  if (keywords) {
    bytes.keywords = keywords.bytes
    memory.keywords = keywords.memory
  }
  return {
    documents: collection.size,
    deleted: collection.deletedCount,
    tokens: collection.tokens,
    bytes: withTotal(bytes),
    memory: withTotal(memory),
    generation: manifest.generation,
    firstStage,
    firstStages,
    ...(keywords && { keywords }),
  }
}

/**
 * What documents would take, from what some of them take in an index of their own.
 *
 * @param trial of the sample alone, in an index like this one
 * @param before tokens and documents there are
 */
export function expectedStats(
  {
    trial,
    total,
    stages,
    dim,
  }: {
    readonly trial: StoreStats
    readonly total: EstimatedSize
    readonly stages: Iterable<Stage>
    readonly dim: number
  },
  before: { readonly documents: number; readonly tokens: number },
): Pick<StoreStats, 'bytes' | 'memory'> {
  const each = total.documents / trial.documents
  const keywords = trial.keywords && { keywords: Math.round(trial.keywords.bytes * each) }
  const bytes: Record<string, number> = {
    tokens: trial.tokens > 0 ? Math.round((trial.bytes.tokens! / trial.tokens) * total.tokens) : 0,
    texts: total.textBytes,
    table: Math.round(trial.bytes.table! * each),
    ...keywords,
  }
  // An inverted index holds what the lists do, the other way round.
  const memory: Record<string, number> = { table: Math.round(trial.memory!.table! * each), ...keywords }
  const after = { documents: before.documents + total.documents, tokens: before.tokens + total.tokens }
  for (const stage of stages) {
    const expected = stage.expected?.({ ...after, dim })
    if (!expected) continue
    const now = stage.expected?.({ ...before, dim })
    bytes[stage.name] = Math.round(expected.bytes - (now?.bytes ?? 0))
    memory[stage.name] = Math.round(expected.memory - (now?.memory ?? 0))
  }
  return { bytes: withTotal(bytes), memory: withTotal(memory) }
}

function withTotal(parts: Readonly<Record<string, number>>): Record<string, number> & { total: number } {
  return { ...parts, total: Object.values(parts).reduce((sum, part) => sum + part, 0) }
}
