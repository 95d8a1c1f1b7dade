import { join } from 'node:path'
import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'
import type { OnWarning } from '../../errors.js'
import { Centroids } from './centroids/centroid-stage.js'
import type { Collection } from '../commit/collection.js'
import type { FirstStage } from './stage.js'
import { HnswGraph, loadHnswlib } from './hnsw/hnsw-graph.js'
import type { HnswlibSource } from './hnsw/hnsw-graph.js'
import type { IndexStore } from '../commit/index-files.js'
import { FdeScan } from './fde/fde-scan.js'
import { EXACT_TOKENS, needsFdes } from '../../index/search.js'
import type { Allowed, CheckedSearch, StageChoice, StageName } from '../../index/search.js'

/**
 * `muvera` builds a graph from this many FDE numbers (documents × numbers each) on: about 100,000 documents of the `compact` preset.
 * CPU time of one core by `bench/first-stages.mjs`: a scan of 10,000 takes 3.3 ms, of 50,000 17 ms; a graph of 10,000 takes
 * 4.4 ms, 3.3 ms per document to build, 10 kB of memory each, and loses some candidates. So a graph is worth it only where a scan
 * takes tens of milliseconds.
 */
export const GRAPH_NUMBERS = 250_000_000
/** When fewer of the documents pass the filter, the graph would walk past most of its nodes: a scan is faster. */
const GRAPH_SHARE = 0.2
/** A graph is saved again when it has grown by this share. */
const SAVE_SHARE = 0.1
/** A search adds at most this many documents to a graph, or codes this many, on its own; beyond that it uses another stage. */
const CATCH_UP_ROWS = 500

/** The first stages of one index: chooses one for a search, keeps centroid codes and graph up to date and saved. */
export class FirstStages {
  readonly #store: IndexStore
  readonly #preferred: StageChoice
  readonly #centroids: Centroids
  readonly #hnswlib: HnswlibSource | undefined
  readonly #onWarning: OnWarning | undefined
  readonly #graphNumbers: number
  #graph: Promise<HnswGraph> | undefined
  /** Collection the graph is of: compaction makes another. */
  #graphOf: Collection | undefined
  /** hnswlib cannot be loaded: do not try again. */
  #missing = false

  /** @param graphNumbers `muvera` uses a graph from this many FDE numbers on */
  constructor(
    store: IndexStore,
    preferred: StageChoice,
    hnswlib: HnswlibSource | undefined,
    onWarning: OnWarning | undefined,
    graphNumbers = GRAPH_NUMBERS,
  ) {
    this.#store = store
    this.#preferred = preferred
    this.#centroids = new Centroids(store, onWarning)
    this.#hnswlib = hnswlib
    this.#onWarning = onWarning
    this.#graphNumbers = graphNumbers
  }

  /** With `firstStage: 'hnsw'` a missing library is an error when the index is opened. @throws HNSWLIB_MISSING */
  async check(): Promise<void> {
    if (this.#preferred === 'hnsw') await loadHnswlib(this.#hnswlib)
  }

  /**
   * Undefined: score everything that is allowed exactly.
   *
   * @throws HNSWLIB_MISSING when `hnsw` was asked for; INVALID_ARGUMENT when FDEs were, and the index was made without
   */
  async choose(collection: Collection, search: CheckedSearch, allowed: Allowed): Promise<FirstStage | undefined> {
    const { stage = this.#preferred, candidates, rerank, signal } = search
    const { encodings } = this.#store
    if (stage === 'exact') return undefined
    if (!encodings && needsFdes(stage)) throw noEncodings(stage, this.#store.folder)
    const isWhole = stage === 'muvera' || stage === 'auto'
    if (isWhole && rerank && allowed.count <= candidates) return undefined
    if (stage === 'auto' && rerank && allowed.tokens <= EXACT_TOKENS) return undefined
    if (stage === 'centroids' || (stage === 'auto' && collection.tokens > EXACT_TOKENS)) {
      // Where there is nothing else, it is made now: exact MaxSim of everything would take as long at every search.
      const now = stage === 'centroids' || !encodings
      const codes = await this.#centroids.ready(
        collection,
        { rows: now ? Infinity : CATCH_UP_ROWS, train: now },
        signal,
      )
      if (codes) return codes
    }
    // Too few tokens so far to make FDEs of.
    if (!encodings?.encoder) return undefined
    const scan = new FdeScan(encodings.encoder, encodings.rows(collection))
    if (stage === 'fde' || stage === 'auto') return scan
    if (allowed.count < collection.total * GRAPH_SHARE) return scan
    if (stage === 'hnsw') {
      const graph = await this.#graphFor(collection)
      await graph.update(signal)
      return graph
    }
    if (!this.#isLarge(collection)) return scan
    const graph = await this.#graphIfThere(collection)
    if (!graph || collection.total - graph.built > CATCH_UP_ROWS) return scan
    await graph.update(signal)
    return graph
  }

  /** What serves a search over everything. */
  planned(collection: Collection): StageName {
    if (this.#preferred === 'auto') {
      if (collection.tokens <= EXACT_TOKENS) return 'exact'
      return this.#centroids.isKept || !this.#store.encodings?.encoder ? 'centroids' : 'fde'
    }
    if (this.#preferred === 'exact' || this.#preferred === 'centroids') return this.#preferred
    if (!this.#store.encodings?.encoder) return 'exact'
    if (this.#preferred !== 'muvera') return this.#preferred
    return this.#isLarge(collection) && !this.#missing ? 'hnsw' : 'fde'
  }

  /** After documents were added: codes them, or puts them into the graph, where there is to be one; saves what has grown. */
  async update(
    collection: Collection,
    signal?: AbortSignal,
    onRow?: (done: number, total: number) => void,
  ): Promise<void> {
    if (this.#keepsCentroids(collection)) await this.#centroids.update(collection, signal, onRow)
    if (!this.#store.encodings?.encoder) return
    if (this.#preferred !== 'hnsw' && !(this.#preferred === 'muvera' && this.#isLarge(collection))) return
    const graph = this.#preferred === 'hnsw' ? await this.#graphFor(collection) : await this.#graphIfThere(collection)
    if (!graph) return
    this.#store.encodings.rows(collection)
    await graph.update(signal, onRow)
    await this.#save(graph, SAVE_SHARE)
  }

  /** Saves what the graph has grown by. */
  async flush(): Promise<void> {
    await this.#centroids.flush(this.#store.collection)
    if (this.#graph && this.#graphOf === this.#store.collection) await this.#save(await this.#graph, 0)
  }

  /** The centroid codes, where the index keeps some: for measuring what they find. */
  async centroids(collection: Collection): Promise<FirstStage | undefined> {
    if (!this.#keepsCentroids(collection)) return undefined
    return this.#centroids.ready(collection, { rows: Infinity, train: false })
  }

  /** Once made they are kept up to date, also when a later opening prefers something else. */
  #keepsCentroids(collection: Collection): boolean {
    if (collection.tokens === 0) return false
    if (this.#centroids.isKept || this.#preferred === 'centroids') return true
    return this.#preferred === 'auto' && collection.tokens > EXACT_TOKENS
  }

  #isLarge(collection: Collection): boolean {
    return collection.total * this.#store.encodings!.dim >= this.#graphNumbers
  }

  /** Like `#graphFor`, but hnswlib may be missing, which is reported once. */
  async #graphIfThere(collection: Collection): Promise<HnswGraph | undefined> {
    if (this.#missing) return undefined
    try {
      return await this.#graphFor(collection)
    } catch (error) {
      if (!SerotineError.isInstance(error) || error.code !== 'HNSWLIB_MISSING') throw error
      this.#missing = true
      const message = `${error.message} Until then every search scans ${collection.size} documents.`
      this.#onWarning?.({ code: 'HNSWLIB_MISSING', message })
      return undefined
    }
  }

  #graphFor(collection: Collection): Promise<HnswGraph> {
    if (!this.#graph || this.#graphOf !== collection) {
      const opening = this.#openGraph(collection)
      opening.catch(() => {
        if (this.#graph === opening) this.#graph = undefined
      })
      this.#graph = opening
      this.#graphOf = collection
    }
    return this.#graph
  }

  async #openGraph(collection: Collection): Promise<HnswGraph> {
    const encodings = this.#store.encodings!
    const rows = encodings.rows(collection)
    const { hnsw } = this.#store.manifest
    const { folder } = this.#store
    if (hnsw && folder !== undefined && collection === this.#store.collection) {
      const file = join(folder, hnsw.file)
      const graph = await HnswGraph.load(file, hnsw, encodings.encoder!, rows, this.#hnswlib)
      if (graph) return graph
      // A writer may have replaced a reader's graph since: nothing is wrong then.
      if (!this.#store.readonly) {
        this.#onWarning?.({
          code: 'INDEX_REPAIRED',
          message: `${file} is damaged; the graph is being rebuilt from the FDE rows.`,
        })
      }
    }
    return HnswGraph.create(encodings.encoder!, rows, this.#hnswlib)
  }

  async #save(graph: HnswGraph, growth: number): Promise<void> {
    const saved = this.#store.manifest.hnsw
    if (this.#store.readonly || this.#store.folder === undefined) return
    if (graph.built === 0 || (saved && graph.built - saved.rows <= saved.rows * growth)) return
    const { name, path } = this.#store.newFile('hnsw')
    const written = await graph.save(path!)
    await this.#store.commitManifest({ hnsw: { file: name, ...written } })
    if (saved) this.#store.removeFile(saved.file)
  }
}

function noEncodings(stage: StageChoice, folder: string | undefined): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    `The index ${folder ?? 'in memory'} was made without FDEs and cannot be searched by ${describe(stage)}. Leave the stage to ` +
      "'auto', or build the index with fde: 'compact'.",
  )
}
