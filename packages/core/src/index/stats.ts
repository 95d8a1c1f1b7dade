import { fdeLength } from '../fde/config.js'
import type { FdeConfig } from '../fde/config.js'
import type { TokenCodec } from './codec.js'
import { fdeRowBytes } from './fde-rows.js'
import type { IndexStore } from './index-store.js'
import type { Manifest, SegmentManifest } from './manifest.js'
import type { StageName } from './search.js'
import type { FirstStages } from './stages.js'

export interface IndexStats {
  readonly documents: number
  /** Deleted or replaced; their bytes go with `compact()`. */
  readonly deleted: number
  /** Token vectors of the documents. */
  readonly tokens: number
  /** Components per token; null until the first document. */
  readonly dim: number | null
  readonly codec: TokenCodec
  readonly model: Manifest['model']
  /** Bytes on disk (or in memory), deleted documents included. */
  readonly bytes: Readonly<Record<'tokens' | 'texts' | 'table' | 'fde' | 'hnsw' | 'total', number>>
  readonly segments: number
  /** Commits so far. */
  readonly generation: number
  /** Null: the index was made without. */
  readonly fde: FdeStats | null
  /** What serves a search over everything. */
  readonly firstStage: StageName
}

export interface FdeStats {
  /** Null until about 2,000 tokens are there: until then everything is scored exactly. */
  readonly config: FdeConfig | null
  /** Numbers per document. */
  readonly length: number | null
  readonly bytesPerDocument: number | null
  /** Length of the mean token, 0 … 1: near 1 all tokens point the same way and FDEs need preparation. */
  readonly meanNorm: number | null
  readonly suitability: NonNullable<Manifest['fde']>['suitability']
}

export function statsOf({ manifest, collection, deletedCount }: IndexStore, stages: FirstStages): IndexStats {
  const sum = (part: (segment: SegmentManifest) => number) =>
    manifest.segments.reduce((total, segment) => total + part(segment), 0)
  const bytes = {
    tokens: sum(({ tokenBytes }) => tokenBytes),
    texts: sum(({ textBytes }) => textBytes),
    table: sum(({ table }) => table.bytes) + manifest.deleted.bytes,
    fde: sum(({ fde }) => fde.bytes),
    hnsw: manifest.hnsw?.bytes ?? 0,
  }
  const learned = manifest.fde?.learned
  const length = learned ? fdeLength(learned.config) : null
  return {
    documents: collection.size,
    deleted: deletedCount,
    tokens: collection.tokens,
    dim: manifest.dim,
    codec: manifest.codec,
    model: manifest.model,
    bytes: { ...bytes, total: bytes.tokens + bytes.texts + bytes.table + bytes.fde + bytes.hnsw },
    segments: manifest.segments.length,
    generation: manifest.generation,
    fde: manifest.fde && {
      config: learned?.config ?? null,
      length,
      bytesPerDocument: length === null ? null : fdeRowBytes(length),
      meanNorm: learned?.meanNorm ?? null,
      suitability: manifest.fde.suitability,
    },
    firstStage: stages.planned(collection),
  }
}
