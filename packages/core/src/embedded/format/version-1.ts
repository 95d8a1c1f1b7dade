import type { FdeOptions } from '../../fde/config.js'
import type { Suitability } from '../../store/store.js'
import type { DerivedManifest, Extent, Manifest, SegmentManifest } from './manifest.js'

/** As the manifest was before version 2: FDE rows lay in the segments, and every first stage had a field of its own. */
export interface Version1Manifest extends Omit<Manifest, 'fde' | 'derived' | 'segments'> {
  readonly segments: readonly (SegmentManifest & { readonly fde: Extent })[]
  readonly fde: { readonly options: FdeOptions } | null
  readonly hnsw: unknown
  readonly centroids?: {
    readonly codebook: Extent & { readonly file: string }
    readonly cellBlocks: readonly number[]
    readonly codes: Extent & { readonly file: string; readonly rows: number }
    readonly tokens: number
    readonly suitability: Suitability | null
  } | null
}

/** Documents and centroid codes are taken as they are; FDEs and their graph are made again from the documents, by `prepare()`. */
export function fromVersion1(manifest: Version1Manifest): Manifest {
  const { generation, codec, dim, model, fde, nextFile, segments, deleted, centroids } = manifest
  return {
    generation,
    codec,
    dim,
    model,
    fde: fde && fde.options,
    nextFile,
    segments: segments.map(({ id, documents, tokenBytes, textBytes, table }) => {
      return { id, documents, tokenBytes, textBytes, table }
    }),
    deleted,
    derived: centroids ? { centroids: centroidsOf(centroids) } : {},
  }
}

function centroidsOf({
  codebook,
  cellBlocks,
  codes: { rows, ...codes },
  tokens,
  suitability,
}: NonNullable<Version1Manifest['centroids']>): DerivedManifest {
  return {
    version: 1,
    rows,
    files: { learned: codebook, codes },
    codeBytes: { perDocument: 0, perToken: 2 },
    parts: [{ from: 0, learned: rows, trusted: rows }],
    facts: { codebooks: [{ cellBlocks: [...cellBlocks], tokens, similarity: null, residuals: null }], tokens },
    suitability,
  }
}
