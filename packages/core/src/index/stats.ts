import { fdeLength } from '../fde/config.js'
import type { FdeConfig } from '../fde/config.js'
import { LANES } from '../math/pack.js'
import type { TokenCodec } from '../store/records.js'
import { fdeRowBytes } from '../embedded/stages/fde/fde-rows.js'
import type { IndexStore } from '../embedded/commit/index-files.js'
import type { Manifest, SegmentManifest } from '../embedded/format/manifest.js'
import type { StageName } from './search.js'
import type { FirstStages } from '../embedded/stages/upkeep.js'

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
  readonly bytes: Readonly<Record<'tokens' | 'texts' | 'table' | 'fde' | 'hnsw' | 'centroids' | 'total', number>>
  readonly segments: number
  /** Commits so far. */
  readonly generation: number
  /** Null: the index was made without FDEs. */
  readonly fde: FdeStats | null
  /** Null: there are no centroid codes, because everything is scored exactly so far or another stage was chosen. */
  readonly centroids: CentroidStats | null
  /** What serves a search over everything. */
  readonly firstStage: StageName
}

export interface CentroidStats {
  /** Directions a token is coded as. */
  readonly count: number
  /** Tokens the collection had when they were trained; at four times as many they are trained again. */
  readonly trainedAt: number
  readonly suitability: NonNullable<Manifest['fde']>['suitability']
}

export interface FdeStats {
  /** Null until 8,000 tokens are there (2,000 with random hyperplanes): until then everything is scored exactly. */
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
    centroids: (manifest.centroids?.codebook.bytes ?? 0) + (manifest.centroids?.codes.bytes ?? 0),
  }
  const { centroids } = manifest
  const learned = manifest.fde?.learned
  const length = learned ? fdeLength(learned.config) : null
  return {
    documents: collection.size,
    deleted: deletedCount,
    tokens: collection.tokens,
    dim: manifest.dim,
    codec: manifest.codec,
    model: manifest.model,
    bytes: { ...bytes, total: Object.values(bytes).reduce((total, part) => total + part, 0) },
    segments: manifest.segments.length,
    generation: manifest.generation,
    fde: manifest.fde && {
      config: learned?.config ?? null,
      length,
      bytesPerDocument: length === null ? null : fdeRowBytes(length),
      meanNorm: learned?.meanNorm ?? null,
      suitability: manifest.fde.suitability,
    },
    centroids: centroids
      ? { count: centroids.cellBlocks.at(-1)! * LANES, trainedAt: centroids.tokens, suitability: centroids.suitability }
      : null,
    firstStage: stages.planned(collection),
  }
}
