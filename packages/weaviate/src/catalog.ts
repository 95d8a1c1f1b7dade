import { randomUUID } from 'node:crypto'
import { SerotineError } from '@serotine/core'
import type { FdeConfig, FdeOptions, StoredFdeMeans } from '@serotine/core/muvera'
import { SPEC_VERSION } from '@serotine/core/store'
import type { CollectionSpec, Suitability, TokenCodec } from '@serotine/core/store'
import { notTaken } from './client/failures.js'
import type { Servers } from './client/servers.js'
import type { Endpoint, RequestOptions } from './client/endpoint.js'
import type { WeaviateMode } from './options.js'
import { decodeAggregate, encodeAggregate } from './protocol/aggregate.js'
import { encodeBatch, decodeBatch } from './protocol/batch.js'
import type { Consistency, Place } from './protocol/batch.js'
import type { ServerFilter } from './protocol/filters.js'
import { decodeSearch, encodeSearch } from './protocol/search.js'
import { uuidOf } from './ids.js'

/** Version of what is written beside the documents. */
const FORMAT = 1

/** What a collection is: written when it is made. */
export interface StoredSpec {
  readonly format: number
  readonly version: number
  readonly mode: WeaviateMode
  readonly codec: TokenCodec
  readonly model: CollectionSpec['model']
  readonly dim: number | null
  readonly fde: FdeOptions | null
  /** Servers that were there. */
  readonly nodes: number
}

/** Which encodings there are. */
export interface FdeState {
  /** Version by which all documents are found that are not of `writing`; 0: they are not all encoded yet. */
  readonly serving: number
  /** Version by which documents are written. */
  readonly writing: number
  /** Who is at it. */
  readonly learning: { readonly by: string; readonly since: number } | null
  /** When the last document was written that the serving version knows, by the clock of the servers: those written later may be of another kind. */
  readonly seen?: number
}

/** What an encoder is made of again. */
export interface LearnedFde {
  readonly version: number
  readonly config: FdeConfig
  /** `FdeEncoder.fingerprint`: other arithmetic is noticed. */
  readonly fingerprint: string
  readonly means: StoredFdeMeans
  readonly meanNorm: number
  /** Tokens of the collection then. */
  readonly tokens: number
  /** How well the partitions fitted the documents they were learned from; null for hyperplanes. */
  readonly similarity?: number | null
}

/** What was measured of the encodings of a version. */
export interface StoredSuitability {
  readonly version: number
  readonly suitability: Suitability
}

/** A change: while it is under way, ids of documents that come, and that go. */
export interface StoredChange {
  readonly at: number
  readonly ids?: readonly string[]
  readonly gone?: readonly string[]
}

export interface Unfinished {
  readonly uuid: string
  readonly change: StoredChange
}

/** Something that has begun, and what ends it. */
export interface Begun {
  readonly uuid: string
  readonly end: () => Promise<void>
}

const NO_FDES: FdeState = { serving: 0, writing: 0, learning: null }
const CHANGE = 'change'
const BEGUN = 'change begun'
const ENCODING = 'encoding'
/** An empty text has no terms to be found by. */
const NO_SCOPE = '-'

/** What is kept beside the documents, in a class of its own: objects of JSON by kind. */
export class Catalog {
  readonly #servers: Servers
  readonly #place: Place
  /** Of one tenant, or of all there is. */
  readonly #scope: string
  readonly #consistency: Consistency

  constructor(servers: Servers, catalog: string, tenant: string | undefined, consistency: Consistency) {
    this.#servers = servers
    this.#place = { collection: catalog, tenant: undefined }
    this.#scope = tenant ?? ''
    this.#consistency = consistency
  }

  async spec(): Promise<StoredSpec | undefined> {
    const spec = await this.#read<StoredSpec>('spec')
    if (spec && (spec.format > FORMAT || spec.version > SPEC_VERSION)) {
      throw new SerotineError(
        'INDEX_VERSION',
        `The collection ${this.#place.collection} was made by a newer version (format ${spec.format}.${spec.version}; this one reads up to ` +
          `${FORMAT}.${SPEC_VERSION}). Update @serotine/weaviate.`,
      )
    }
    return spec
  }

  async writeSpec(spec: Omit<StoredSpec, 'format' | 'version'>): Promise<StoredSpec> {
    const written = { format: FORMAT, version: SPEC_VERSION, ...spec }
    await this.#write('spec', 'spec', written)
    return written
  }

  async fdeState(options?: RequestOptions): Promise<FdeState> {
    return (await this.#read<FdeState>('fde', options)) ?? NO_FDES
  }

  async writeFdeState(state: FdeState): Promise<void> {
    await this.#write('fde', 'fde', state)
  }

  async learned(version: number, options?: RequestOptions): Promise<LearnedFde> {
    const learned = await this.#read<LearnedFde>(`learned-${version}`, options)
    if (learned) return learned
    throw new SerotineError(
      'INDEX_CORRUPT',
      `What the encodings of ${this.#place.collection} are made by is gone (version ${version}). prepare() makes all of them anew once the ` +
        'objects of kind "fde" in that collection are deleted.',
    )
  }

  async writeLearned(learned: LearnedFde): Promise<void> {
    await this.#write(`learned-${learned.version}`, 'learned', learned)
  }

  async suitability(options?: RequestOptions): Promise<StoredSuitability | undefined> {
    return this.#read<StoredSuitability>('suitability', options)
  }

  async writeSuitability(measured: StoredSuitability): Promise<void> {
    await this.#write('suitability', 'suitability', measured)
  }

  /** @returns what ends it */
  async beginChange(ids: readonly string[], gone: readonly string[]): Promise<Begun> {
    const uuid = randomUUID()
    await this.#put(uuid, BEGUN, { at: Date.now(), ids, gone } satisfies StoredChange)
    return { uuid, end: () => this.endChange(uuid) }
  }

  /** Takes a change for finished. */
  async endChange(uuid: string): Promise<void> {
    await this.#put(uuid, CHANGE, { at: Date.now() } satisfies StoredChange)
  }

  /** Documents are about to be written as they are, with other encodings. @param by who does so, of whom there is one */
  async beginEncoding(by: string, ids: readonly string[]): Promise<Begun> {
    const uuid = this.#uuid(`encoding-${by}`)
    await this.#put(uuid, ENCODING, { at: Date.now(), ids } satisfies StoredChange)
    return { uuid, end: () => this.#put(uuid, 'idle', { at: Date.now() } satisfies StoredChange) }
  }

  /** Changes so far, of all who write. */
  async changes(options?: RequestOptions): Promise<number> {
    const message = encodeAggregate(this.#place, [], this.#ofKind(CHANGE))
    return decodeAggregate(await this.#servers.call('Aggregate', message, options)).count
  }

  /** What has not ended: it is under way, or who made it is gone. */
  async unfinished(kind: 'change' | 'encoding', options: RequestOptions = {}): Promise<Unfinished[]> {
    const filter = this.#ofKind(kind === 'change' ? BEGUN : ENCODING)
    const request = encodeSearch(this.#place, { properties: ['json'], limit: 1000, filter }, 'ONE')
    const ask = async (endpoint: Endpoint) => decodeSearch(await endpoint.call('Search', request, options))
    const answers = await this.#servers.askSeveral(ask, 2, options)
    const uuids = [...new Set(answers.flat().map(({ uuid }) => uuid))]
    // A server that was away does not know what has ended meanwhile.
    const objects = await Promise.all(uuids.map((uuid) => this.#object(uuid, options)))
    return objects.flatMap((object, i) => {
      if (object?.kind !== (kind === 'change' ? BEGUN : ENCODING)) return []
      return [{ uuid: uuids[i]!, change: JSON.parse(object.json) as StoredChange }]
    })
  }

  #ofKind(kind: string): ServerFilter {
    const of = (property: string, value: string) => ({ operator: 'containsAny', property, values: [value] }) as const
    return { operator: 'and', parts: [of('kind', kind), of('scope', this.#scope || NO_SCOPE)] }
  }

  async #read<T>(name: string, options?: RequestOptions): Promise<T | undefined> {
    const found = await this.#object(this.#uuid(name), options)
    return found && (JSON.parse(found.json) as T)
  }

  async #object(uuid: string, options?: RequestOptions): Promise<{ kind: string; json: string } | undefined> {
    const path = `/v1/objects/${this.#place.collection}/${uuid}?consistency_level=${this.#consistency}`
    const found = await this.#servers.rest('GET', path, undefined, options)
    return (found as { properties: { kind: string; json: string } } | undefined)?.properties
  }

  #write(name: string, kind: string, value: object): Promise<void> {
    return this.#put(this.#uuid(name), kind, value)
  }

  async #put(uuid: string, kind: string, value: object): Promise<void> {
    const properties = { kind, scope: this.#scope || NO_SCOPE, json: JSON.stringify(value) }
    const request = encodeBatch(this.#place, [{ uuid, properties, vectors: [] }], this.#consistency)
    const [error] = decodeBatch(await this.#servers.call('BatchObjects', request))
    if (error) throw notTaken(`Writing to ${this.#place.collection}`, error.error)
  }

  #uuid(name: string): string {
    return uuidOf(JSON.stringify([this.#scope, name]))
  }
}
