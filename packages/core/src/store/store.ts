import type { TokenEmbeddings } from '../embeddings.js'
import type { OnProgress } from '../encoder.js'
import type { OnWarning } from '../errors.js'
import type { FdeConfig, FdeOptions } from '../fde/config.js'
import type { Filter, FilterOperator } from './filter.js'
import type { KeywordMatch, KeywordQuery, KeywordStats } from './keywords.js'
import type { Metadata } from './metadata.js'
import type { TokenCodec } from './records.js'

/** How candidates are found. `exact`: every document is a candidate. `native`: by what an engine has of its own. */
export type FirstStageName = 'exact' | 'centroids' | 'fde' | 'hnsw' | 'native' | (string & {})
/** What can be asked for: a first stage, `muvera` = FDEs by `fde` or `hnsw`, depending on their number, or `auto`. */
export type FirstStage = FirstStageName | 'muvera' | 'auto'

/** Version of the records and of this interface that a collection was made for. */
export const SPEC_VERSION = 1

/** What the vectors of a collection are: written when it is made, compared whenever it is opened. */
export interface CollectionSpec {
  readonly version: number
  /** Null until a model's vectors are put in; then those of another are refused. */
  readonly model: { readonly name: string; readonly fingerprint: string } | null
  /** Components per token; null until the first document says. */
  readonly dim: number | null
  readonly codec: TokenCodec
  /** Null: no fixed-dimensional encodings. `config` is what the options came to, null until it is learned. */
  readonly fde: { readonly options: FdeOptions; readonly config: FdeConfig | null } | null
}

/** What a store can do; the conformance suite asks for no more. */
export interface StoreCapabilities {
  /** What `candidates` may be asked for, beside `auto`. */
  readonly firstStages: readonly FirstStage[]
  /** `search` is there: the engine computes MaxSim itself. */
  readonly nativeSearch: boolean
  /** `keywords` is there: documents are found by their words. */
  readonly keywords: boolean
  /** Operators it filters by. */
  readonly filterOperators: readonly FilterOperator[]
  /** Filters that are functions. */
  readonly filterFunctions: boolean
  /** `reading` shows one state from beginning to end, whatever is written meanwhile. */
  readonly snapshots: boolean
  /** Whether what was written is found by the next search, or some time later. */
  readonly visibility: 'immediate' | 'eventual'
  /** Several processes may write. */
  readonly manyWriters: boolean
  /** What is closed can be opened again. */
  readonly durable: boolean
}

/** A document to be written. */
export interface NewDocument {
  readonly id: string
  /** Undefined: it came only as embeddings. */
  readonly text: string | undefined
  /** As JSON text: a copy that nobody can change meanwhile. */
  readonly metadata: string
  /** Of what its vectors were made from, 32 hexadecimal digits: equal hash, equal vectors. */
  readonly hash: string
  /** Undefined: the id is there, and keeps its vectors. */
  readonly embeddings: TokenEmbeddings | undefined
}

/** A document as it is in an index. */
export interface StoredDocument {
  readonly id: string
  /** As it was added; absent when the document came only as embeddings, or when it was not asked for. */
  readonly text?: string
  /** A copy: changing it changes nothing else. */
  readonly metadata: Metadata
  /** Token vectors it is stored as. */
  readonly tokens: number
}

/** A document with the hash of what its vectors were made from. */
export interface HashedDocument extends StoredDocument {
  readonly hash: string
}

/** What candidates are asked for. */
export interface CandidateQuery {
  readonly embeddings: TokenEmbeddings
  /** How many are wanted; fewer come when there are fewer. Default: as many as the store knows it needs. */
  readonly count?: number | undefined
  /** Never fewer than this. Default 1. */
  readonly k?: number | undefined
  readonly filter?: Filter | undefined
  /** Default: as the store was opened with. */
  readonly firstStage?: FirstStage | undefined
  /**
   * False: nobody scores the candidates, so that a first stage is to rank them even where scoring all would be as quick; where there is none,
   * `exact` comes without scores all the same. Default true.
   */
  readonly rerank?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Documents worth scoring exactly. */
export interface Candidates {
  /** What found them; `none` when nothing passes the filter. */
  readonly firstStage: FirstStageName | 'none'
  readonly ids: readonly string[]
  /**
   * The stage's estimate of each one's MaxSim, best first; −Infinity, at the end, for those it has no estimate of. Absent: all that pass, in no
   * order.
   */
  readonly scores?: Float32Array
}

/** Takes the records of documents; how `readTokens` hands them over without a copy. */
export interface TokenSink {
  /** Memory for the next records. Good until something is awaited or more room is asked for. */
  room(bytes: number): Uint8Array
  /**
   * A record that lies in the room, at `offset` (a multiple of 4): that of `ids[position]`, in the collection's codec. Documents without
   * tokens have one of 0 bytes.
   */
  record(position: number, offset: number, tokens: number): void
  /** `ids[position]` has vectors that cannot be read; the others come all the same. Absent: `readTokens` throws `error`. */
  damaged?(position: number, error: unknown): void
}

/** What `get` gives of documents. */
export interface GetOptions {
  /** False leaves texts out. Default true. */
  readonly text?: boolean
  /** Told of documents whose text cannot be read; they come without. Absent: `get` throws `error`. */
  readonly onDamaged?: ((id: string, error: unknown) => void) | undefined
  /** Documents whose vectors or text cannot be read come with '' as hash, so that they are written anew. Default false. */
  readonly checked?: boolean | undefined
}

/** A document that an engine found and scored. */
export interface NativeHit {
  readonly id: string
  /** MaxSim, higher is better, whatever the engine calls it. */
  readonly score: number
}

/** What can be read of a collection. Documents without tokens are there, but no search returns them. */
export interface StoreReader {
  /** @throws INVALID_ARGUMENT for a first stage the store has not, or not for this collection */
  candidates(query: CandidateQuery): Promise<Candidates>
  /**
   * Hands over the records of documents, in any order. Ids that are gone are left out.
   *
   * @throws INDEX_CORRUPT; the signal's reason when aborted
   */
  readTokens(ids: readonly string[], sink: TokenSink, signal?: AbortSignal): Promise<void>
  /** Only with `capabilities.nativeSearch`: the best `k`, exactly scored among `candidates`. */
  search?(query: CandidateQuery & { readonly k: number }): Promise<readonly NativeHit[]>
  /**
   * Only with `capabilities.keywords`: the `count` documents whose words match best, best first, then those of `also` that are not among them, where
   * the filter and what is quoted in the text let them through. Unknown ids are left out, documents that share no word with the query have score 0 and
   * are among `also` only.
   */
  keywords?(query: KeywordQuery): Promise<readonly KeywordMatch[]>
  /** In the order of the ids; undefined for those that are not there. */
  get(ids: readonly string[], options?: GetOptions): Promise<(HashedDocument | undefined)[]>
  /**
   * All documents in batches, in an order that stays the same; those after `after` when an id is given.
   *
   * @throws INVALID_ARGUMENT when `after` is not there
   */
  scan(options?: ScanOptions): AsyncIterable<readonly HashedDocument[]>
  /** Documents, or those that pass. */
  count(filter?: Filter): Promise<number>
  /** Tokens of the documents that live. */
  tokens(): Promise<number>
}

/** Which documents `scan` gives, and how many at a time. */
export interface ScanOptions {
  readonly filter?: Filter | undefined
  readonly after?: string | undefined
  /** Default true. */
  readonly text?: boolean | undefined
  /** Most documents of a batch. Default 256. */
  readonly batchSize?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is known of a first stage that a store keeps. */
export interface FirstStageStats {
  readonly bytes: number
  /** Documents it covers; the others are found in some other way. */
  readonly documents: number
  /** How much of the exact top 10 it finds; null until it was measured. */
  readonly suitability: Suitability | null
  /** What else there is to know, by name: for people. */
  readonly facts: Readonly<Record<string, number | string | null>>
}

/** How much of the exact top 10 a first stage keeps, on the whole collection, of pieces of recent and of old documents as queries. */
export interface Suitability {
  /**
   * Share of the exact top 10 among the candidates, 0 … 1. Where vectors were let go for their codes, it is the top 10 by the vectors that
   * counts, which was compared with that by the codes before they went.
   */
  readonly recall: number
  /** Candidates it was measured with, and searches take by default: the fewest that keep enough, of 100 to 1,000. */
  readonly candidates: number
  readonly queries: number
  /** Documents in the collection then. */
  readonly collection: number
}

/** What a store holds and how searches are served. */
export interface StoreStats {
  readonly documents: number
  /** Deleted or replaced; their bytes go with `compact()`. */
  readonly deleted: number
  /** Token vectors of the documents. */
  readonly tokens: number
  /** Bytes by what they hold, deleted documents included. `total` is their sum. */
  readonly bytes: Readonly<Record<string, number>> & { readonly total: number }
  /** Bytes of this process's memory by what they hold, about. `total` is their sum. Absent: the store keeps nothing here that counts. */
  readonly memory?: Readonly<Record<string, number>> & { readonly total: number }
  /** Changes so far. */
  readonly generation: number
  /** What serves a search over everything. */
  readonly firstStage: FirstStageName
  readonly firstStages: Readonly<Partial<Record<FirstStageName, FirstStageStats>>>
  /** Absent: documents cannot be found by their words. */
  readonly keywords?: KeywordStats
}

/** How large documents are together. */
export interface EstimatedSize {
  readonly documents: number
  readonly tokens: number
  /** Of texts as UTF-8. */
  readonly textBytes: number
}

/** Whether everything answers. */
export interface StoreHealth {
  /** Parts (nodes, shards, files) there should be, and those that answer. */
  readonly expected: number
  readonly live: number
  /** An answer may leave out documents. */
  readonly partial: boolean
}

/**
 * What `MultiVectorIndex` needs of the place where documents are: one folder of files, or an engine. A store answers in one of two ways:
 * `candidates` and `readTokens`, after which MaxSim is computed here, or `search`, where the engine does. Ids are any strings that are
 * not empty; scores are MaxSim, higher is better. `test/contract/store.ts` says what each method is to do, with 40 and more cases.
 */
export interface Store extends StoreReader {
  /** For messages: a folder, an address. */
  readonly name: string
  readonly capabilities: StoreCapabilities
  readonly readonly: boolean
  readonly spec: CollectionSpec
  /**
   * Runs `work` on the collection: where `capabilities.snapshots`, on one state of it, which stays readable until it has settled. Nothing may be
   * written inside of it: an engine may have one connection only.
   */
  reading<T>(work: (reader: StoreReader) => Promise<T>): Promise<T>
  /**
   * Adds documents, in the place of those with the same ids; all of them become visible and durable together, or none does. No id comes
   * twice. Changes happen in the order of the calls.
   *
   * @param adopt dimension and model that the collection has from now on, where it has none; the caller has compared them with `spec`
   * @param signal may take back what has not begun; what has begun goes on to its end
   * @param gone ids that are deleted in the same change, where they are there; none of `documents`
   * @throws INDEX_READONLY, CLOSED; INVALID_ARGUMENT when a document has no embeddings and no vectors to keep. DIM_MISMATCH, INDEX_MISMATCH
   * where a store compares them once more, as others may have written since
   */
  upsert(
    documents: readonly NewDocument[],
    adopt: Pick<CollectionSpec, 'dim' | 'model'>,
    signal?: AbortSignal,
    gone?: readonly string[],
  ): Promise<void>
  /** @param signal as in `upsert` @returns how many were deleted; unknown ids do not count @throws INDEX_READONLY, CLOSED */
  delete(
    which: { readonly ids: readonly string[] } | { readonly filter: Filter },
    signal?: AbortSignal,
  ): Promise<number>
  /** Never waits for what is being learned or built. */
  stats(): Promise<StoreStats>
  /** What `total` more documents, of which `sample` are some, would take. Nothing is written. Where it is absent, records and texts are counted. */
  estimate?(
    sample: readonly NewDocument[],
    total: EstimatedSize,
    adopt: Pick<CollectionSpec, 'dim' | 'model'>,
  ): Promise<Pick<StoreStats, 'bytes' | 'memory'>>
  /** Asks every part whether it is there. */
  health(): Promise<StoreHealth>
  /** Does what searches are to find done: learns, codes, builds graphs. Stores may do it in the background as well. */
  prepare?(options?: PrepareOptions): Promise<void>
  /** Frees the space of deleted and replaced documents. */
  compact?(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  /** Documents that are there but damaged or not found by searches. */
  verify?(options?: { readonly signal?: AbortSignal | undefined }): Promise<readonly StoreProblem[]>
  /** Mends what `verify` found, as far as it can. */
  repair?(problems: readonly StoreProblem[]): Promise<void>
  /** Ends what is under way and lets go. May be called again; everything else throws CLOSED afterwards. */
  close(): Promise<void>
}

/** Texts through the model as queries. */
export type EncodeQueries = (texts: readonly string[]) => Promise<TokenEmbeddings[]>

/** How `prepare` works. */
export interface PrepareOptions {
  /** Also what this first stage needs, where the store would not keep it by itself. */
  readonly firstStage?: FirstStage | undefined
  readonly signal?: AbortSignal | undefined
  /** `phase: 'build'`, counting documents. */
  readonly onProgress?: OnProgress | undefined
  /** Warnings of this call. Default: where those of the store go. */
  readonly onWarning?: OnWarning | undefined
  /** For measuring what a first stage finds, with queries like those to come. */
  readonly encodeQueries?: EncodeQueries | undefined
}

/** Something that `verify` found. */
export interface StoreProblem {
  /** Undefined: not of one document. */
  readonly id?: string
  /** What is damaged: `vectors` or `text` of a document, else a part of the collection. */
  readonly section?: string
  /** Where it is; undefined where there are no files. */
  readonly file?: string
  /** What is wrong, and where. */
  readonly message: string
}
