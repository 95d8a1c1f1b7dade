import { SerotineError } from '@serotine/core'
import type { OnWarning } from '@serotine/core'
import type { FdeOptions, FdePreset } from '@serotine/core/muvera'
import { checkInteger, checkOptions, checkString, describe } from '@serotine/core/options'
import type { TokenCodec } from '@serotine/core/store'
import type { EndpointAddress } from './client/endpoint.js'
import type { Consistency } from './protocol/batch.js'

/** What Weaviate does with a document that one replica has and another deleted. */
export type DeletionStrategy = 'TimeBasedResolution' | 'DeleteOnConflict' | 'NoAutomatedResolution'

/** How a collection is opened or made. */
export interface WeaviateOptions {
  /** HTTP address, like `http://localhost:8080`. Of a cluster, those of several servers: one is asked until it fails, then the next. */
  url: string | readonly string[]
  /** Host and port of the gRPC of each. Default: the same host, port 50051, or 443 where the address is https. */
  grpc?: string | readonly string[] | undefined
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Name of the collection: letters, digits and `_`, a capital first. It is made if it is not there. */
  collection: string
  /** One tenant of a collection with many. */
  tenant?: string | undefined
  /**
   * Who ranks. `fde` (default): Weaviate finds candidates by one vector for each document, and MaxSim is computed here, with the ranking of every other
   * store. `native`: Weaviate does both, by its own multi-vectors and MUVERA.
   */
  mode?: WeaviateMode | undefined
  /** How token vectors are kept, with `fde`. Default `int8`. `native` keeps them as `f32`. */
  codec?: TokenCodec | undefined
  /** Fixed-dimensional encodings: a preset or its settings. Default `compact`. */
  fde?: FdePreset | FdeOptions | undefined
  /** How the index of encodings is kept in memory, for a new collection: in 8 bits (`rq8`, default) or as they are. */
  quantizer?: 'rq8' | 'none' | undefined
  /** Servers that have each document, for a new collection. Default 3, or as many as there are. */
  replicationFactor?: number | undefined
  /** Parts that a new collection is divided into. Default: as the server does, one for each node. */
  shards?: number | undefined
  /** Replicas that have to agree on what is read and written. Default `QUORUM`. */
  consistency?: Consistency | undefined
  /** Servers that belong to the cluster. Default: those that were there when the collection was made. */
  nodes?: number | undefined
  /** For a new collection. Default `TimeBasedResolution`: what was done last holds. Weaviate's own brings back what was deleted. */
  deletionStrategy?: DeletionStrategy | undefined
  /** Milliseconds for one request. Default 30,000. */
  timeoutMs?: number | undefined
  /** Nothing is written, and nothing is made. Default false. */
  readonly?: boolean | undefined
  /** Encodings are learned, and learned anew when the collection has grown, in the background after writing. False: by `prepare()` alone. Default true. */
  learn?: boolean | undefined
  /** Told what went wrong in the background. */
  onWarning?: OnWarning | undefined
}

export type WeaviateMode = 'fde' | 'native'

export interface CheckedOptions {
  readonly addresses: readonly EndpointAddress[]
  readonly headers: Readonly<Record<string, string>>
  readonly collection: string
  readonly tenant: string | undefined
  readonly mode: WeaviateMode | undefined
  readonly codec: TokenCodec | undefined
  readonly fde: FdeOptions | undefined
  readonly quantizer: 'rq8' | 'none'
  readonly replicationFactor: number | undefined
  readonly shards: number | undefined
  readonly consistency: Consistency
  readonly nodes: number | undefined
  readonly deletionStrategy: DeletionStrategy
  readonly timeoutMs: number
  readonly readonly: boolean
  readonly learn: boolean
  readonly onWarning: OnWarning | undefined
}

const NAMES = [
  'url',
  'grpc',
  'apiKey',
  'headers',
  'collection',
  'tenant',
  'mode',
  'codec',
  'fde',
  'quantizer',
  'replicationFactor',
  'shards',
  'consistency',
  'nodes',
  'deletionStrategy',
  'timeoutMs',
  'readonly',
  'learn',
  'onWarning',
]
const ALIASES = {
  host: 'url',
  hosts: 'url',
  address: 'url',
  port: 'url',
  grpcPort: 'grpc',
  api_key: 'apiKey',
  authApiKey: 'apiKey',
  className: 'collection',
  class: 'collection',
  timeout: 'timeoutMs',
  consistencyLevel: 'consistency',
  replication: 'replicationFactor',
  factor: 'replicationFactor',
  readOnly: 'readonly',
}
const CODECS: readonly string[] = ['f32', 'f16', 'int8']

/** @throws INVALID_ARGUMENT, UNKNOWN_OPTION */
export function checkWeaviateOptions(options: WeaviateOptions): CheckedOptions {
  checkOptions('WeaviateStore.open()', options, NAMES, ALIASES)
  const {
    apiKey,
    headers,
    tenant,
    mode,
    codec,
    fde,
    timeoutMs = 30_000,
    readonly = false,
    learn = true,
    onWarning,
  } = options
  const among = <T extends string>(name: string, value: T | undefined, allowed: readonly string[]): T | undefined => {
    if (value === undefined || allowed.includes(value)) return value
    throw new SerotineError('INVALID_ARGUMENT', `${name} must be one of ${allowed.join(', ')}; got ${describe(value)}.`)
  }
  among('codec', codec, CODECS)
  if (among('mode', mode, ['fde', 'native']) === 'native' && codec !== undefined && codec !== 'f32') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `In mode native Weaviate keeps token vectors as f32, so codec cannot be ${describe(codec)}. Leave it out, or use mode: 'fde'.`,
    )
  }
  return {
    addresses: addressesOf(options.url, options.grpc),
    headers: {
      ...headers,
      ...(apiKey !== undefined && { authorization: `Bearer ${checkString('apiKey', apiKey)}` }),
    },
    collection: checkCollection(options.collection),
    tenant: tenant === undefined ? undefined : checkTenant(tenant),
    mode,
    codec,
    fde: typeof fde === 'string' ? { preset: fde } : fde,
    quantizer: among('quantizer', options.quantizer, ['rq8', 'none']) ?? 'rq8',
    replicationFactor: optionalInteger('replicationFactor', options.replicationFactor),
    shards: optionalInteger('shards', options.shards),
    consistency: among('consistency', options.consistency, ['ONE', 'QUORUM', 'ALL']) ?? 'QUORUM',
    nodes: optionalInteger('nodes', options.nodes),
    deletionStrategy:
      among('deletionStrategy', options.deletionStrategy, [
        'TimeBasedResolution',
        'DeleteOnConflict',
        'NoAutomatedResolution',
      ]) ?? 'TimeBasedResolution',
    timeoutMs: checkInteger('timeoutMs', timeoutMs, 1),
    readonly: checkBoolean('readonly', readonly),
    learn: checkBoolean('learn', learn),
    onWarning,
  }
}

function optionalInteger(name: string, value: number | undefined): number | undefined {
  return value === undefined ? undefined : checkInteger(name, value, 1)
}

function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be true or false, got ${describe(value)}.`)
}

function checkCollection(name: unknown): string {
  if (typeof name === 'string' && /^[A-Z][A-Za-z0-9_]{0,200}$/.test(name)) return name
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `collection must begin with a capital letter and have letters, digits and _ only, as Weaviate wants it; got ${describe(name)}.`,
  )
}

function checkTenant(name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z0-9_-]{4,64}$/.test(name)) return name
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `tenant must have 4 to 64 letters, digits, _ and - only, as Weaviate wants it; got ${describe(name)}.`,
  )
}

function addressesOf(url: WeaviateOptions['url'], grpc: WeaviateOptions['grpc']): EndpointAddress[] {
  const urls = [url].flat() as string[]
  if (urls.length === 0) throw new SerotineError('INVALID_ARGUMENT', 'url must be an address, or several; got none.')
  const services = grpc === undefined ? [] : ([grpc].flat() as string[])
  if (services.length > 0 && services.length !== urls.length) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `grpc must have one host and port for each url; got ${services.length} for ${urls.length}.`,
    )
  }
  return urls.map((given, i) => {
    const parsed = typeof given === 'string' && URL.canParse(given) ? new URL(given) : undefined
    if (!parsed || !['http:', 'https:'].includes(parsed.protocol) || parsed.username !== '') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `url must be an address like http://localhost:8080, got ${describe(given)}. A key belongs into apiKey.`,
      )
    }
    const service = services[i] ?? `${parsed.hostname}:${parsed.protocol === 'https:' ? 443 : 50051}`
    if (!/^.+:\d+$/.test(checkString('grpc', service))) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `grpc must be a host and a port like localhost:50051, got ${describe(service)}.`,
      )
    }
    return { url: `${parsed.origin}${parsed.pathname.replace(/\/$/, '')}`, grpc: service }
  })
}
