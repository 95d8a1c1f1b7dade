import { createHash } from 'node:crypto'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { metadataJson } from '../../../packages/core/src/store/metadata.js'
import type { Metadata } from '../../../packages/core/src/store/metadata.js'
import { decodeRecord, recordBytes, TOKEN_CODECS } from '../../../packages/core/src/store/records.js'
import type { TokenCodec } from '../../../packages/core/src/store/records.js'
import type {
  CollectionSpec,
  FirstStage,
  HashedDocument,
  NewDocument,
  ScanOptions,
  Store,
  StoreReader,
} from '../../../packages/core/src/store/store.js'
import { randomEmbeddings } from '../../support/clustered-embeddings.js'

/** How the suite gets at a store. */
export interface StoreHarness {
  /**
   * Opens a collection of this name, an empty one where there is none. The suite makes up a new name for every case, and opens a name
   * again only where the store is durable, or where several may write.
   */
  open(options: OpenCollection): Promise<Store>
  /** Resolves when what was written is found by searches. Needed where `visibility` is `eventual`. */
  settle?(store: Store): Promise<void>
  /** Default: all. */
  readonly codecs?: readonly TokenCodec[]
  /** Whether a store can be opened with `readonly`. Default true. */
  readonly opensReadonly?: boolean
  /** First stages that must work, rather than be refused for this collection. Default: `auto`, and `exact` where it is offered. */
  readonly serves?: readonly FirstStage[]
  /** Share of the exact top 10 that every first stage finds among 100 candidates of 400 documents. Default .9. */
  readonly recall?: number
}

export interface OpenCollection {
  readonly collection: string
  readonly codec: TokenCodec
  readonly readonly: boolean
}

/** Components per token in most cases. */
export const DIM = 16

let collections = 0

/** The stores that one case has opened. */
export class Stores {
  readonly harness: StoreHarness
  readonly codecs: readonly TokenCodec[]
  readonly #opened = new Map<Store, OpenCollection>()

  constructor(harness: StoreHarness) {
    this.harness = harness
    this.codecs = harness.codecs ?? TOKEN_CODECS
  }

  /** A new collection, `f32` where the store knows that; or another opening of one. */
  async open(options: Partial<OpenCollection> = {}): Promise<Store> {
    const codec = this.codecs.includes('f32') ? 'f32' : this.codecs[0]!
    const opening = { collection: `contract-${++collections}`, codec, readonly: false, ...options }
    const store = await this.harness.open(opening)
    this.#opened.set(store, opening)
    return store
  }

  /** The same collection once more. */
  openAgain(store: Store, options: Partial<OpenCollection> = {}): Promise<Store> {
    return this.open({ ...this.#opened.get(store)!, ...options })
  }

  async reopen(store: Store, options: Partial<OpenCollection> = {}): Promise<Store> {
    await store.close()
    return this.openAgain(store, options)
  }

  /** A new collection of these documents. */
  async filled(documents: readonly NewDocument[], options: Partial<OpenCollection> = {}): Promise<Store> {
    const store = await this.open(options)
    await this.upsert(store, documents)
    return store
  }

  /** Upserts, and waits until searches know. */
  async upsert(store: Store, documents: readonly NewDocument[], adopt: Partial<CollectionSpec> = {}): Promise<void> {
    const dim = documents.find(({ embeddings }) => embeddings)?.embeddings?.dim ?? null
    await store.upsert(documents, { dim, model: null, ...adopt })
    await this.harness.settle?.(store)
  }

  /** Deletes, and waits until searches know. */
  async delete(store: Store, which: Parameters<Store['delete']>[0]): Promise<number> {
    const deleted = await store.delete(which)
    await this.harness.settle?.(store)
    return deleted
  }

  async closeAll(): Promise<void> {
    const stores = [...this.#opened.keys()]
    this.#opened.clear()
    for (const store of stores) await store.close()
  }
}

export interface GivenDocument {
  /** Default: one that names the id. */
  readonly text?: string | undefined
  /** Default: none. A string is taken as the JSON text it is. */
  readonly metadata?: Metadata | string
  /** Default: two tokens that depend on the id. Undefined: as they are. */
  readonly embeddings?: TokenEmbeddings | undefined
  readonly dim?: number
}

export function newDocument(id: string, given: GivenDocument = {}): NewDocument {
  const { metadata = {}, dim = DIM } = given
  const text = 'text' in given ? given.text : `Text of ${id}.`
  const embeddings = 'embeddings' in given ? given.embeddings : randomEmbeddings(seedOf(id), 2, dim)
  const hash = createHash('md5')
    .update(JSON.stringify([id, text]))
    .update(new Uint8Array(embeddings?.data.slice().buffer ?? []))
    .digest('hex')
  const json = typeof metadata === 'string' ? metadata : metadataJson(metadata, id)
  return { id, text, metadata: json, hash, embeddings }
}

/** Documents of two tokens each. */
export function newDocuments(ids: readonly string[], given: GivenDocument = {}): NewDocument[] {
  return ids.map((id) => newDocument(id, given))
}

/** `prefix0`, `prefix1` … */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`)
}

function seedOf(id: string): number {
  return createHash('md5').update(Buffer.from(id, 'utf16le')).digest().readUInt32LE()
}

/** As `get` and `scan` show it. */
export function stored({ id, text, metadata, hash, embeddings }: NewDocument): HashedDocument {
  const parsed = JSON.parse(metadata) as Metadata
  return { id, ...(text !== undefined && { text }), metadata: parsed, tokens: embeddings!.length, hash }
}

export async function scanned(reader: StoreReader, options?: ScanOptions): Promise<HashedDocument[]> {
  const documents: HashedDocument[] = []
  for await (const batch of reader.scan(options)) documents.push(...batch)
  return documents
}

export async function scannedIds(reader: StoreReader, options?: ScanOptions): Promise<string[]> {
  return (await scanned(reader, options)).map(({ id }) => id)
}

/**
 * The vectors of documents, by position. Holds a store to what it may do with a room: use it at once. Memory that is used later is
 * somebody else's by then.
 */
export async function readVectors(
  reader: Pick<StoreReader, 'readTokens'>,
  { codec, dim }: CollectionSpec,
  ids: readonly string[],
): Promise<Map<number, TokenEmbeddings>> {
  const found = new Map<number, TokenEmbeddings>()
  let room: Uint8Array | undefined
  const take = (from: Uint8Array | undefined) => {
    if (room !== from) return
    from?.fill(0xff)
    room = undefined
  }
  await reader.readTokens(ids, {
    room: (bytes) => {
      take(room)
      const memory = new Uint8Array(bytes)
      room = memory
      void Promise.resolve().then(() => take(memory))
      return memory
    },
    record: (position, offset, tokens) => {
      const bytes = recordBytes(codec, tokens, dim!)
      if (!room) throw new Error('The store used a room after something was awaited.')
      if (offset % 4 !== 0) throw new Error(`The record at ${offset} is not aligned.`)
      if (offset + bytes > room.length) throw new Error(`The record at ${offset} ends outside of its room.`)
      if (found.has(position)) throw new Error(`The record of ${JSON.stringify(ids[position])} came twice.`)
      found.set(position, decodeRecord(codec, room.slice(offset, offset + bytes), tokens, dim!))
    },
  })
  return found
}

/** What `work` throws, wherever it does so. */
export async function failure(work: () => unknown, what = 'It'): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error(`${what} was expected to fail, and did not.`)
}
