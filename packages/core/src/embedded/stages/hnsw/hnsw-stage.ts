import { join } from 'node:path'
import { SerotineError } from '../../../errors.js'
import { fdeLength, resolveFdeConfig } from '../../../fde/config.js'
import { withLearnedPartitions } from '../../../fde/learn.js'
import type { Collection } from '../../commit/collection.js'
import type { NewFile } from '../../commit/derived-files.js'
import type { DerivedManifest } from '../../format/manifest.js'
import { FdeScan } from '../fde/fde-scan.js'
import type { CollectionSize, Searcher, Stage, StageContext, StageSize, Work } from '../stage.js'
import { GraphVectors, pointLength } from './graph-vectors.js'
import { HnswGraph, pointBytes } from './hnsw-graph.js'
import { loadHnswlib } from './hnswlib.js'
import type { Hnswlib, HnswlibSource } from './hnswlib.js'
import { PrincipalDirections } from './principal-directions.js'

/** Of the files; those of another version are built again. */
const VERSION = 2
/** A graph is saved again when it has grown by this share. */
const SAVE_SHARE = 0.1

/** The graph over the FDEs: kept where it was asked for, or by `muvera` where there are many. */
export function hnswStage(context: StageContext): Stage {
  return new HnswStage(context)
}

class HnswStage implements Stage {
  readonly name = 'hnsw'
  readonly #context: StageContext
  #graph: HnswGraph | undefined
  /** Collection the graph is of: compaction makes another. */
  #of: Collection | undefined
  #library: Promise<Hnswlib> | undefined
  #isWanted: boolean
  #loading: Promise<HnswGraph | undefined> | undefined
  /** hnswlib cannot be loaded, which was reported. */
  #isMissing = false
  /** File of a graph that could not be read: do not try again. */
  #damaged: string | undefined

  constructor(context: StageContext) {
    this.#context = context
    this.#isWanted = context.preferred === 'hnsw'
  }

  get isKept(): boolean {
    const { files, preferred, graphNumbers } = this.#context
    if (files.manifest.fde === null) return false
    if (this.#isWanted || this.#derived) return true
    const { length } = this.#context.stage('fde').facts()
    return preferred === 'muvera' && files.collection.total * ((length as number | null) ?? 0) >= graphNumbers
  }

  get rows(): number {
    if (this.#graph && this.#of === this.#context.files.collection) return this.#graph.rows
    return this.#isMissing ? 0 : (this.#saved?.rows ?? 0)
  }

  get trusted(): number {
    return this.#context.stage('fde').trusted
  }

  get memory(): number {
    return this.#graph?.memory ?? 0
  }

  expected({ documents, dim }: CollectionSize): StageSize | undefined {
    const { files, preferred, graphNumbers } = this.#context
    const { fde } = files.manifest
    if (fde === null || this.#isMissing) return undefined
    const length = fdeLength(resolveFdeConfig(withLearnedPartitions({ ...fde, dim })))
    if (!this.#isWanted && !(preferred === 'muvera' && documents * length >= graphNumbers)) return undefined
    const bytes = documents * pointBytes(pointLength(length))
    return { bytes, memory: bytes }
  }

  refusal(asked: string): SerotineError | undefined {
    return this.#context.stage('fde').refusal?.(asked)
  }

  keep(): void {
    this.#isWanted = true
  }

  async check(): Promise<void> {
    if (this.#isWanted) await this.#libraryIfThere()
  }

  async searcher(collection: Collection): Promise<Searcher | undefined> {
    const fdes = await this.#fdes(collection)
    return fdes && this.#load(fdes, collection)
  }

  async upkeep(work: Work): Promise<void> {
    if (!this.isKept) return
    const { files } = this.#context
    const { collection } = files
    const fdes = await this.#fdes(collection)
    const library = fdes && (await this.#libraryIfThere())
    if (!library) return
    const graph = (await this.#load(fdes, collection)) ?? (await HnswGraph.create(library, fdes, work.signal))
    this.#graph = graph
    this.#of = collection
    await graph.update(work.signal, (done, total) => work.onDocument(done, total))
    const isStale = await work.inTurn(async () => {
      if (files.collection !== collection) return true
      await this.#save(SAVE_SHARE)
      return false
    })
    if (isStale) await this.upkeep(work)
  }

  async flush(): Promise<void> {
    await this.#save(0)
  }

  facts(): Readonly<Record<string, number | string | null>> {
    return {}
  }

  get #derived(): DerivedManifest | undefined {
    return this.#context.files.manifest.derived[this.name]
  }

  /** What was saved, where it can be read and is over the FDEs that the index has now. */
  get #saved(): DerivedManifest | undefined {
    const derived = this.#derived
    const isReadable = derived?.version === VERSION && derived.files.graph?.file !== this.#damaged
    return isReadable && derived.facts.over === this.#over ? derived : undefined
  }

  /** Tells FDEs from those that were learned at another time. */
  get #over(): number | null {
    return this.#context.files.manifest.derived.fde?.files.learned?.crc ?? null
  }

  /** @throws HNSWLIB_MISSING where the graph was asked for; else it is reported once */
  async #libraryIfThere(): Promise<Hnswlib | undefined> {
    try {
      this.#library ??= loadHnswlib(this.#context.hnswlib as HnswlibSource | undefined)
      return await this.#library
    } catch (error) {
      this.#library = undefined
      if (this.#isWanted || !SerotineError.isInstance(error)) throw error
      const isKnown = this.#isMissing
      this.#isMissing = true
      if (!isKnown) {
        const message = `${error.message} Until then every search scans ${this.#context.files.collection.size} documents.`
        this.#context.onWarning?.({ code: 'HNSWLIB_MISSING', message })
      }
      return undefined
    }
  }

  async #fdes(collection: Collection): Promise<FdeScan | undefined> {
    const fdes = await this.#context.stage('fde').searcher(collection)
    return fdes instanceof FdeScan ? fdes : undefined
  }

  /** The graph over these FDEs that is in memory, or else on disk. */
  async #load(fdes: FdeScan, collection: Collection): Promise<HnswGraph | undefined> {
    if (this.#graph?.isOver(fdes)) return this.#graph
    // Searches that come meanwhile wait for the same one.
    this.#loading ??= this.#read(fdes, collection).finally(() => (this.#loading = undefined))
    const graph = await this.#loading
    return graph?.isOver(fdes) ? graph : undefined
  }

  async #read(fdes: FdeScan, collection: Collection): Promise<HnswGraph | undefined> {
    const { files, onWarning } = this.#context
    const saved = this.#saved
    const extent = saved?.files.graph
    if (!extent || files.folder === undefined) return undefined
    const library = await this.#libraryIfThere()
    if (!library || this.#saved !== saved) return undefined
    const file = join(files.folder, extent.file)
    const vectors = this.#vectors(fdes, saved)
    const graph = vectors && (await HnswGraph.load(library, fdes, vectors, file, { ...extent, rows: saved.rows }))
    // Of what is no longer the index's, or replaced meanwhile: nothing is wrong then.
    if (files.collection !== collection || this.#saved?.files.graph?.file !== extent.file) return undefined
    if (graph) {
      this.#of = collection
      return (this.#graph = graph)
    }
    this.#damaged = extent.file
    // A writer may have replaced a reader's graph since: nothing is wrong then.
    if (!files.readonly) {
      const damaged = vectors ? file : join(files.folder, saved.files.learned!.file)
      const message = `${damaged} is damaged; the graph is built again from the FDEs, by the next upsert() or prepare().`
      onWarning?.({ code: 'INDEX_REPAIRED', message })
    }
    return undefined
  }

  /** What the points of a saved graph are; undefined when that is damaged. */
  #vectors({ encoder: { outputDim } }: FdeScan, { files, facts }: DerivedManifest): GraphVectors | undefined {
    try {
      const bytes = files.learned && this.#context.files.readDerived(this.name, 'learned')
      const directions = bytes && PrincipalDirections.restore(bytes, outputDim)
      return new GraphVectors(outputDim, directions, facts.norm as number)
    } catch (error) {
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_CORRUPT') throw error
      return undefined
    }
  }

  async #save(growth: number): Promise<void> {
    const { files } = this.#context
    const graph = this.#graph
    if (!graph || graph.rows === 0 || files.readonly || files.isPoisoned || files.folder === undefined) return
    const fdes = await this.#fdes(files.collection)
    if (!fdes || !graph.isOver(fdes)) return
    const saved = this.#saved
    if (saved && graph.rows - saved.rows <= saved.rows * growth) return
    const { directions, norm } = graph.vectors
    const file = files.newFile(`${this.name}-graph`)
    let learned: NewFile | undefined
    try {
      file.close()
      learned = directions && files.newFile(`${this.name}-learned`)
      learned?.append(directions!.bytes)
      await learned?.log.sync()
      const { rows, ...extent } = await graph.save(file.path!)
      const facts = { over: this.#over, norm }
      const form = { version: VERSION, codeBytes: null, parts: [], facts, suitability: saved?.suitability ?? null }
      const written = { graph: { file: file.name, ...extent }, ...(learned && { learned: learned.extent }) }
      await files.commitDerived(this.name, { ...form, rows, files: written })
    } finally {
      if (this.#derived?.files.graph?.file === file.name) learned?.close()
      else for (const each of [file, learned]) if (each) files.discard(each)
    }
  }
}
