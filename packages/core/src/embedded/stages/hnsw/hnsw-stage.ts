import { join } from 'node:path'
import { SerotineError } from '../../../errors.js'
import type { Collection } from '../../commit/collection.js'
import type { DerivedManifest } from '../../format/manifest.js'
import { FdeScan } from '../fde/fde-scan.js'
import type { Searcher, Stage, StageContext, Work } from '../stage.js'
import { HnswGraph } from './hnsw-graph.js'
import { loadHnswlib } from './hnswlib.js'
import type { Hnswlib, HnswlibSource } from './hnswlib.js'

/** Of the files; those of another version are built again. */
const VERSION = 1
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
    const graph = (await this.#load(fdes, collection)) ?? HnswGraph.create(library, fdes)
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
    const { folder, readonly } = this.#context.files
    const saved = this.#saved?.files.graph
    if (!saved || folder === undefined) return undefined
    const { rows } = this.#saved!
    const library = await this.#libraryIfThere()
    if (!library) return undefined
    const file = join(folder, saved.file)
    const graph = HnswGraph.load(library, fdes, file, { ...saved, rows })
    if (graph) {
      this.#of = collection
      return (this.#graph = graph)
    }
    this.#damaged = saved.file
    // A writer may have replaced a reader's graph since: nothing is wrong then.
    if (!readonly) {
      const message = `${file} is damaged; the graph is built again from the FDEs, by the next upsert() or prepare().`
      this.#context.onWarning?.({ code: 'INDEX_REPAIRED', message })
    }
    return undefined
  }

  async #save(growth: number): Promise<void> {
    const { files } = this.#context
    const graph = this.#graph
    if (!graph || graph.rows === 0 || files.readonly || files.isPoisoned || files.folder === undefined) return
    const fdes = await this.#fdes(files.collection)
    if (!fdes || !graph.isOver(fdes)) return
    const saved = this.#saved
    if (saved && graph.rows - saved.rows <= saved.rows * growth) return
    const file = files.newFile(`${this.name}-graph`)
    file.close()
    try {
      const { rows, ...extent } = await graph.save(file.path!)
      const facts = { over: this.#over }
      const form = { version: VERSION, codeBytes: null, parts: [], facts, suitability: saved?.suitability ?? null }
      await files.commitDerived(this.name, { ...form, rows, files: { graph: { file: file.name, ...extent } } })
    } finally {
      if (this.#derived?.files.graph?.file !== file.name) files.discard(file)
    }
  }
}
