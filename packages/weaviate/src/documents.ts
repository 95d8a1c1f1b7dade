import { SerotineError } from '@serotine/core'
import { RequestFailure } from './client/endpoint.js'
import type { Endpoint, RequestOptions } from './client/endpoint.js'
import { isDenied, notTaken } from './client/failures.js'
import type { Servers } from './client/servers.js'
import type { Cluster } from './cluster.js'
import { TERMS } from './filters/compile.js'
import type { Condition } from './filters/compile.js'
import { uuidOf } from './ids.js'
import { decodeAggregate, encodeAggregate } from './protocol/aggregate.js'
import type { Aggregated } from './protocol/aggregate.js'
import { decodeBatch, decodeBatchDelete, encodeBatch, encodeBatchDelete } from './protocol/batch.js'
import type { Consistency, Place, ServerObject } from './protocol/batch.js'
import type { ServerFilter } from './protocol/filters.js'
import type { WeaviateMode } from './options.js'
import { tokenVectorsOf } from './token-vectors.js'
import type { TokenVectors } from './token-vectors.js'
import { decodeSearch, encodeSearch } from './protocol/search.js'
import type { FoundObject, SearchRequest } from './protocol/search.js'
import { pause } from './client/pause.js'

/** The most objects that a server gives for one question, as it is set up by default (QUERY_MAXIMUM_RESULTS). */
export const MOST_RESULTS = 10_000
/** Uuids in one filter. */
const UUIDS_AT_ONCE = 500
/** Objects, and about bytes, that are sent at once. */
const OBJECTS_AT_ONCE = 200
const BYTES_AT_ONCE = 8_000_000
/** Objects that are asked for one by one, so many of them at once. */
const OBJECTS_AT_A_TIME = 16
/** Times that objects which a server did not take are sent again. */
const ROUNDS = 4
/** For so many milliseconds, an answer that may be a part only is asked for again. */
const WHOLE_MS = 4_000
/** Properties that no object is without. */
const ALWAYS: ReadonlySet<string> = new Set(['key', 'metadata', 'hash', 'tokens', 'size', 'fde'])
const FIRST_UUID = '00000000-0000-0000-0000-000000000000'
/** Holds for every object. */
const ALL: ServerFilter = { operator: 'not', part: { operator: 'containsAny', property: TERMS, values: ['-'] } }

/** The objects of a collection, by uuid: read from as many servers as it takes, written to as many. */
export class Documents {
  readonly #servers: Servers
  readonly #cluster: Cluster
  readonly #place: Place
  readonly #consistency: Consistency
  readonly #tokens: TokenVectors

  constructor(servers: Servers, cluster: Cluster, place: Place, consistency: Consistency, mode: WeaviateMode) {
    this.#tokens = tokenVectorsOf(mode)
    this.#servers = servers
    this.#cluster = cluster
    this.#place = place
    this.#consistency = consistency
  }

  /**
   * What a question finds, by all servers that have to be asked; the nearest first where there is something to be near to. Each server answers from the
   * replicas it has: where more have to agree, Weaviate mends those that differ with what was asked for, and an object of which only some properties
   * were asked for loses the others.
   */
  async search(request: SearchRequest, options: RequestOptions = {}): Promise<FoundObject[]> {
    const message = encodeSearch(this.#place, this.#tokens.asked(request), 'ONE')
    const ask = async (endpoint: Endpoint) => this.#decoded(await endpoint.call('Search', message, options))
    const answers = await this.#fromReaders(ask, options)
    const found = answers.length === 1 ? answers[0]! : await this.#agreed(answers, request, options)
    return this.#completed(found, request, options)
  }

  /** What several servers found: the newest of each, and of what some did not find what is really there. */
  async #agreed(
    answers: readonly FoundObject[][],
    { near, limit }: SearchRequest,
    options: RequestOptions,
  ): Promise<FoundObject[]> {
    const newest = new Map<string, FoundObject>()
    const times = new Map<string, number>()
    for (const object of answers.flat()) {
      const other = newest.get(object.uuid)
      if (!other || other.updated < object.updated) newest.set(object.uuid, object)
      times.set(object.uuid, (times.get(object.uuid) ?? 0) + 1)
    }
    const order = near
      ? (a: FoundObject, b: FoundObject) => a.distance! - b.distance!
      : (a: FoundObject, b: FoundObject) => (a.uuid < b.uuid ? -1 : 1)
    const all = [...newest.values()].sort(order)
    // Behind the last of a full answer, the other servers were not asked for.
    const first = all.slice(0, limit)
    const doubtful = first.flatMap(({ uuid }) => (times.get(uuid) === answers.length ? [] : [uuid]))
    const there = await this.#each(doubtful, (uuid) => this.#byQuorum(uuid, options))
    const gone = new Set(doubtful.filter((_, i) => there[i] === undefined))
    return first.filter(({ uuid }) => !gone.has(uuid))
  }

  /** Objects that a replica does not have as they were asked for, as they are by the others. */
  async #completed(
    found: readonly FoundObject[],
    { properties }: SearchRequest,
    options: RequestOptions,
  ): Promise<FoundObject[]> {
    const needed = properties.filter((name) => ALWAYS.has(name))
    const isWhole = (object: FoundObject) => needed.every((name) => object.properties[name] !== undefined)
    if (found.every(isWhole)) return [...found]
    const completed = found.map(async (object) => {
      if (isWhole(object)) return object
      const whole = await this.#byQuorum(object.uuid, options)
      return whole && isWhole(whole) ? { ...whole, distance: object.distance } : undefined
    })
    return (await Promise.all(completed)).filter((object) => object !== undefined)
  }

  /** One object, as a quorum of its replicas has it. */
  async #byQuorum(uuid: string, options: RequestOptions): Promise<FoundObject | undefined> {
    const { collection, tenant } = this.#place
    const query = new URLSearchParams({
      consistency_level: this.#consistency,
      ...(tenant !== undefined && { tenant }),
      include: 'vector',
    })
    const path = `/v1/objects/${collection}/${uuid}?${query.toString()}`
    const found = (await this.#servers.rest('GET', path, undefined, options)) as RestObject | undefined
    if (!found) return undefined
    const { record, ...properties } = found.properties
    const blob = typeof record === 'string' ? { record: Buffer.from(record, 'base64') } : {}
    const multi = Object.entries(found.vectors ?? {}).filter(([, rows]) => Array.isArray(rows[0])) as [
      string,
      number[][],
    ][]
    const vectors = multi.map(([name, rows]) => ({ name, data: Float32Array.from(rows.flat()), dim: rows[0]!.length }))
    return this.#tokens.found({
      uuid,
      properties: { ...properties, ...blob },
      updated: found.lastUpdateTimeUnix ?? 0,
      distance: undefined,
      vectors,
    })
  }

  /** What one server finds, of the replicas that it has. */
  async searchAt(endpoint: Endpoint, request: SearchRequest, options: RequestOptions = {}): Promise<FoundObject[]> {
    const message = encodeSearch(this.#place, this.#tokens.asked(request), 'ONE')
    try {
      return this.#decoded(await endpoint.call('Search', message, options))
    } catch (error) {
      throw error instanceof RequestFailure ? error.asError() : error
    }
  }

  /** All objects behind one, in the order of their uuids. */
  async *list(
    properties: readonly string[],
    { after = FIRST_UUID, page = 1000, signal }: ListOptions = {},
  ): AsyncGenerator<readonly FoundObject[]> {
    for (let last = after; ;) {
      const found = await this.search({ properties, limit: page, after: last }, { signal })
      if (found.length === 0) return
      yield found
      if (found.length < page) return
      last = found.at(-1)!.uuid
    }
  }

  /** By uuid; those that are not there are left out. */
  async byUuid(
    uuids: readonly string[],
    properties: readonly string[],
    options: RequestOptions & { readonly atOnce?: number } = {},
  ): Promise<Map<string, FoundObject>> {
    const { atOnce = UUIDS_AT_ONCE, signal } = options
    const found = new Map<string, FoundObject>()
    for (let at = 0; at < uuids.length; at += atOnce) {
      const values = uuids.slice(at, at + atOnce)
      const filter = { operator: 'containsAny', property: '_id', values } as const
      const request = { properties, limit: values.length, filter }
      for (const object of await this.search(request, { signal })) found.set(object.uuid, object)
      // One server may not have got yet what a majority has.
      if (this.#cluster.isSingle) continue
      const others = values.filter((uuid) => !found.has(uuid))
      for (const object of await this.#each(others, (uuid) => this.#byQuorum(uuid, { signal }))) {
        if (object) found.set(object.uuid, object)
      }
    }
    return found
  }

  async aggregate(sums: readonly string[], filter?: ServerFilter, options: RequestOptions = {}): Promise<Aggregated> {
    const message = encodeAggregate(this.#place, sums, filter)
    const ask = async (endpoint: Endpoint) => decodeAggregate(await endpoint.call('Aggregate', message, options))
    const answers = await this.#fromReaders(ask, options)
    // A server that was away counts what it has.
    return answers.reduce((most, one) => (one.count > most.count ? one : most))
  }

  /**
   * Writes objects in the place of those with the same uuids; what a server does not take is sent again.
   *
   * @param factor multiplies vectors: Weaviate passes over an object that is written as it was
   * @throws STORE_FAILED and what requests throw, naming how many are written; PARTIAL_RESULTS when too few replicas may have them
   */
  async put(objects: readonly ServerObject[], factor = 1): Promise<void> {
    let written = 0
    try {
      for (const batch of batchesOf(objects.map((object) => this.#scaled(object, factor)))) {
        await this.#putBatch(batch)
        written += batch.length
      }
    } catch (error) {
      throw objects.length > 1 ? saying(error, `${written} of ${objects.length} documents are written: `) : error
    }
    if (objects.length > 0) await this.#checkWrite()
  }

  #scaled(object: ServerObject, factor: number): ServerObject {
    const written = this.#tokens.written(object)
    if (factor === 1) return written
    const vectors = written.vectors.map((vector) => ({ ...vector, data: vector.data.map((x) => x * factor) }))
    return { ...written, vectors }
  }

  async #putBatch(batch: readonly ServerObject[]): Promise<void> {
    let rest = batch
    for (let round = 1; ; round++) {
      const errors = decodeBatch(
        await this.#servers.call('BatchObjects', encodeBatch(this.#place, rest, this.#consistency)),
      )
      if (errors.length === 0) return
      const { error } = errors[0]!
      const isFinal = isDenied(error) || /vector length|dimension|invalid|not enough memory|read-?only/i.test(error)
      if (round === ROUNDS || isFinal) throw refused(error, this.#servers.name)
      rest = errors.map(({ index }) => rest[index]!)
      await pause(100 * 2 ** round)
    }
  }

  /** @returns how many were there */
  async remove(uuids: readonly string[]): Promise<number> {
    let removed = 0
    for (let at = 0; at < uuids.length; at += UUIDS_AT_ONCE) {
      removed += await this.#removeWhere({
        operator: 'containsAny',
        property: '_id',
        values: uuids.slice(at, at + UUIDS_AT_ONCE),
      })
    }
    if (uuids.length > 0) await this.#checkWrite()
    return removed
  }

  /** @param condition what the server is to find, or true for all @returns how many were there */
  async removeAll(condition: Condition): Promise<number> {
    const removed = condition === false ? 0 : await this.#removeWhere(condition === true ? ALL : condition)
    await this.#checkWrite()
    return removed
  }

  async #removeWhere(filter: ServerFilter): Promise<number> {
    let removed = 0
    // A server deletes so many at once, and has to be asked again.
    for (let round = 1; ;) {
      const request = encodeBatchDelete(this.#place, filter, this.#consistency)
      const { matches, successful, failed } = decodeBatchDelete(await this.#servers.call('BatchDelete', request))
      removed += successful
      if (matches === 0 || (failed === 0 && matches < MOST_RESULTS)) return removed
      if (failed > 0 && round++ === ROUNDS)
        throw refused(`${failed} of ${matches} documents could not be deleted`, this.#servers.name)
    }
  }

  /** Runs work on each, some at a time. */
  async #each<T>(uuids: readonly string[], work: (uuid: string) => Promise<T>): Promise<T[]> {
    const done: T[] = []
    for (let at = 0; at < uuids.length; at += OBJECTS_AT_A_TIME) {
      done.push(...(await Promise.all(uuids.slice(at, at + OBJECTS_AT_A_TIME).map(work))))
    }
    return done
  }

  #decoded(reply: Uint8Array): FoundObject[] {
    return decodeSearch(reply).map((object) => this.#tokens.found(object))
  }

  /** @throws PARTIAL_RESULTS when the answer may be a part only, and so are those of the next seconds: servers that come take a while to know others */
  async #fromReaders<T>(ask: (endpoint: Endpoint) => Promise<T>, options: RequestOptions): Promise<T[]> {
    const until = performance.now() + WHOLE_MS
    for (;;) {
      const answers = await this.#servers.askSeveral(ask, this.#cluster.readers, options)
      try {
        await this.#cluster.checkRead(options)
        return answers
      } catch (error) {
        if (!isPartial(error) || performance.now() > until) throw error
        await pause(200, options.signal)
      }
    }
  }

  async #checkWrite(): Promise<void> {
    const until = performance.now() + WHOLE_MS
    for (;;) {
      try {
        return await this.#cluster.checkWrite()
      } catch (error) {
        if (!isPartial(error) || performance.now() > until) throw error
        await pause(200)
      }
    }
  }
}

function isPartial(error: unknown): boolean {
  return SerotineError.isInstance(error) && error.code === 'PARTIAL_RESULTS'
}

/** An object as the REST interface has it. */
interface RestObject {
  readonly lastUpdateTimeUnix?: number
  readonly properties: FoundObject['properties']
  readonly vectors?: Readonly<Record<string, readonly (number | readonly number[])[]>>
}

export interface ListOptions {
  /** Uuid. */
  readonly after?: string | undefined
  readonly page?: number
  readonly signal?: AbortSignal | undefined
}

/** Where the list goes on after a document. */
export function afterId(id: string | undefined): string {
  return id === undefined ? FIRST_UUID : uuidOf(id)
}

function* batchesOf(objects: readonly ServerObject[]): Generator<readonly ServerObject[]> {
  let batch: ServerObject[] = []
  let bytes = 0
  for (const object of objects) {
    const size = sizeOf(object)
    if (batch.length > 0 && (batch.length === OBJECTS_AT_ONCE || bytes + size > BYTES_AT_ONCE)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(object)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

function sizeOf({ properties, vectors }: ServerObject): number {
  const values = Object.values(properties).reduce<number>((sum, value) => {
    return (
      sum +
      (typeof value === 'string' || value instanceof Uint8Array
        ? value.length
        : Array.isArray(value)
          ? value.length * 24
          : 8)
    )
  }, 0)
  return values + vectors.reduce((sum, { data }) => sum + data.byteLength, 0)
}

function refused(error: string, name: string): SerotineError {
  if (isDenied(error)) return notTaken(`Writing to Weaviate at ${name}`, error)
  const isFull = /read-?only|disk/i.test(error)
  return new SerotineError(
    isFull ? 'STORE_FULL' : 'STORE_FAILED',
    `Weaviate at ${name} did not take a document: ${error}`,
  )
}

function saying(error: unknown, what: string): unknown {
  if (!SerotineError.isInstance(error)) return error
  return new SerotineError(
    error.code,
    `${what}${error.message} The others may be in or not; adding all again does no harm.`,
    {
      cause: error,
    },
  )
}
