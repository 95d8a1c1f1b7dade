import { RECORD } from './rows.js'
import { TERMS } from './filters/compile.js'
import type { DeletionStrategy, WeaviateMode } from './options.js'

/** The two places for encodings: one is in use, the other takes those that are being made anew. */
export const FDE_SLOTS = ['fde0', 'fde1'] as const
/** The multi-vector of mode `native`. */
export const TOKEN_VECTORS = 'tokens'

export interface ClassSettings {
  readonly collection: string
  readonly mode: WeaviateMode
  readonly replicationFactor: number
  readonly shards: number | undefined
  readonly quantizer: 'rq8' | 'none'
  readonly deletionStrategy: DeletionStrategy
  readonly multiTenant: boolean
}

const DESCRIPTION = 'Documents of Serotine. Change them through @serotine/weaviate only.'

/** What of a class's settings is looked at again. */
export interface ServerClass {
  readonly description?: string
  readonly vectorConfig?: Readonly<Record<string, unknown>>
  readonly replicationConfig?: { readonly factor?: number }
  readonly shardingConfig?: { readonly desiredCount?: number; readonly actualCount?: number }
  readonly multiTenancyConfig?: { readonly enabled?: boolean }
}

export function isOurs({ description }: ServerClass): boolean {
  return description === DESCRIPTION
}

export function modeOf({ vectorConfig = {} }: ServerClass): WeaviateMode {
  return TOKEN_VECTORS in vectorConfig ? 'native' : 'fde'
}

/** The class of a collection's documents, as the REST interface takes it. */
export function documentClass(settings: ClassSettings): object {
  const { collection, mode, quantizer, shards, multiTenant } = settings
  const hnsw = (config: object) => ({ vectorizer: { none: {} }, vectorIndexType: 'hnsw', vectorIndexConfig: config })
  const vectors =
    mode === 'native'
      ? {
          [TOKEN_VECTORS]: hnsw({
            distance: 'dot',
            multivector: { enabled: true, muvera: { enabled: true, ksim: 4, dprojections: 16, repetitions: 20 } },
            ...QUANTIZERS.none,
          }),
        }
      : Object.fromEntries(FDE_SLOTS.map((slot) => [slot, hnsw({ distance: 'dot', ...QUANTIZERS[quantizer] })]))
  return {
    class: collection,
    description: DESCRIPTION,
    vectorConfig: vectors,
    properties: PROPERTIES,
    invertedIndexConfig: { indexTimestamps: false, indexNullState: false, indexPropertyLength: false },
    ...replicated(settings),
    ...(shards !== undefined && !multiTenant && { shardingConfig: { desiredCount: shards } }),
    multiTenancyConfig: { enabled: multiTenant, autoTenantCreation: multiTenant, autoTenantActivation: multiTenant },
  }
}

const QUANTIZERS = { rq8: { rq: { enabled: true, bits: 8 } }, none: { skipDefaultQuantization: true } } as const

/** The class of what is kept beside: the spec, what was learned, and a record of every change. */
export function catalogClass(settings: ClassSettings): object {
  return {
    class: catalogName(settings.collection),
    description: DESCRIPTION,
    vectorIndexConfig: { skip: true },
    vectorizer: 'none',
    properties: [
      { name: 'kind', dataType: ['text'], tokenization: 'field', indexSearchable: false },
      { name: 'scope', dataType: ['text'], tokenization: 'field', indexSearchable: false },
      { name: 'json', dataType: ['text'], ...UNINDEXED },
    ],
    invertedIndexConfig: { indexTimestamps: false, indexNullState: false, indexPropertyLength: false },
    ...replicated(settings),
    shardingConfig: { desiredCount: 1 },
  }
}

export function catalogName(collection: string): string {
  return `${collection}_serotine`
}

const UNINDEXED = { indexFilterable: false, indexSearchable: false } as const

const PROPERTIES = [
  { name: 'key', dataType: ['text'], ...UNINDEXED },
  { name: 'text', dataType: ['text'], ...UNINDEXED },
  { name: 'textJson', dataType: ['text'], ...UNINDEXED },
  { name: 'metadata', dataType: ['text'], ...UNINDEXED },
  { name: 'hash', dataType: ['text'], ...UNINDEXED },
  { name: TERMS, dataType: ['text[]'], tokenization: 'field', indexSearchable: false },
  { name: 'tokens', dataType: ['int'] },
  { name: 'size', dataType: ['int'] },
  { name: 'fde', dataType: ['int'] },
  { name: RECORD, dataType: ['blob'] },
]

function replicated({ replicationFactor, deletionStrategy }: ClassSettings): object {
  return {
    replicationConfig: { factor: replicationFactor, asyncEnabled: replicationFactor > 1, deletionStrategy },
  }
}
