import { join } from 'node:path'
import { SerotineError } from '../../../errors.js'
import type { Collection } from '../../commit/collection.js'
import type { DerivedManifest } from '../../format/manifest.js'
import { FdeScan } from '../fde/fde-scan.js'
import type { Searcher, Stage, StageContext, Work } from '../stage.js'
import { HnswGraph } from './hnsw-graph.js'
import { loadHnswlib } from './hnswlib.js'
import type { Hnswlib, HnswlibSource } from './hnswlib.js'

/** A graph is saved again when it has grown by this share. */
const SAVE_SHARE = 0.1

/** The graph over the FDEs: kept where it was asked for, or by `muvera` where there are many. */
export class HnswStage implements Stage {
  readonly name = 'hnsw'
  readonly #context: StageContext
  #graph: HnswGraph | undefined
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
    if (this.#graph) return this.#graph.rows
    const derived = this.#derived
    return derived && derived.files.graph?.file !== this.#damaged && !this.#isMissing ? derived.rows : 0
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
    return fdes && this.#load(fdes)
  }

  async upkeep(work: Work): Promise<void> {
    if (!this.isKept) return
    const { files } = this.#context
    const { collection } = files
    const fdes = await this.#fdes(collection)
    const library = fdes && (await this.#libraryIfThere())
    if (!library) return
    const graph = (await this.#load(fdes)) ?? HnswGraph.create(library, fdes)
    this.#graph = graph
    await graph.update(work.signal, (done, total) => work.onDocument(done, total))
    await work.inTurn(() => this.#save(SAVE_SHARE))
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

  /** @throws HNSWLIB_MISSING where the graph was asked for; else it is reported once */
  async #libraryIfThere(): Promise<Hnswlib | undefined> {
    try {
      this.#library ??= loadHnswlib(this.#context.hnswlib as HnswlibSource | undefined)
      return await this.#library
    } catch (error) {
      this.#library = undefined
      if (this.#isWanted || !SerotineError.isInstance(error)) throw error
      if (!this.#isMissing) {
        const message = `${error.message} Until then every search scans ${this.#context.files.collection.size} documents.`
        this.#context.onWarning?.({ code: 'HNSWLIB_MISSING', message })
      }
      this.#isMissing = true
      return undefined
    }
  }

  async #fdes(collection: Collection): Promise<FdeScan | undefined> {
    const fdes = await this.#context.stage('fde').searcher(collection)
    return fdes instanceof FdeScan ? fdes : undefined
  }

  /** The graph over these FDEs that is in memory, or else on disk. */
  async #load(fdes: FdeScan): Promise<HnswGraph | undefined> {
    if (this.#graph?.isOver(fdes)) return this.#graph
    const { folder, readonly } = this.#context.files
    const derived = this.#derived
    const saved = derived?.files.graph
    if (!saved || folder === undefined || saved.file === this.#damaged) return undefined
    const library = await this.#libraryIfThere()
    if (!library) return undefined
    const file = join(folder, saved.file)
    const graph = HnswGraph.load(library, fdes, file, { ...saved, rows: derived.rows })
    if (graph) return (this.#graph = graph)
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
    if (!graph || graph.rows === 0 || files.readonly || files.folder === undefined) return
    if (!(await this.#fdes(files.collection)) || !graph.isOver((await this.#fdes(files.collection))!)) return
    const saved = this.#derived
    if (saved && saved.files.graph?.file !== this.#damaged && graph.rows - saved.rows <= saved.rows * growth) return
    const file = files.newFile(`${this.name}-graph`)
    file.close()
    const { rows, ...extent } = await graph.save(file.path!)
    const form = { version: 1, codeBytes: null, facts: {}, suitability: saved?.suitability ?? null }
    await files.commitDerived(this.name, { ...form, rows, files: { graph: { file: file.name, ...extent } } })
  }
}
