import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../errors.js'
import type { Warning } from '../../errors.js'
import type { Collection } from '../commit/collection.js'
import type { Compression } from '../commit/compaction/compaction.js'
import type { KeptFiles } from '../commit/compaction/hand-over.js'
import { compressedParts } from '../commit/compressed.js'
import type { Coder, NewFile } from '../commit/derived-files.js'
import type { DerivedManifest, DerivedPart } from '../format/manifest.js'
import type { CodedKind, CodedSearcher, Kept } from './coded-kind.js'
import { fill, groupSize } from './fill.js'
import type { CollectionSize, Stage, StageContext, StageSize, Work } from './stage.js'

/**
 * Keeps the codes of one kind: learns outside of any commit while the old codes serve, codes new documents with their commit, reads
 * back what was saved, and makes again what is missing or damaged.
 */
export class CodedStage implements Stage {
  readonly name: string
  readonly #kind: CodedKind
  readonly #context: StageContext
  #current: CodedSearcher | undefined
  /** Collection the codes are of: compaction makes another. */
  #of: Collection | undefined
  #loading: Promise<void> | undefined
  /** File of codes that could not be read: do not try again. */
  #damaged: string | undefined

  constructor(kind: CodedKind, context: StageContext) {
    this.name = kind.name
    this.#kind = kind
    this.#context = context
  }

  get isKept(): boolean {
    return this.#derived !== undefined || this.#kind.isKept(this.#context.files.collection)
  }

  get rows(): number {
    const { collection } = this.#context.files
    if (this.#current && this.#of === collection) return this.#current.rows
    return this.#isReadable ? this.#derived!.rows : 0
  }

  get trusted(): number {
    return this.#derived?.parts.at(-1)?.trusted ?? 0
  }

  get memory(): number {
    return this.#current?.memory ?? 0
  }

  get keeps(): number {
    const derived = this.#derived
    return derived ? (this.#kind.keeps?.(this.#context.files.collection, derived) ?? 1) : 1
  }

  expected(size: CollectionSize): StageSize | undefined {
    return this.#kind.expected(size)
  }

  refusal(asked: string): SerotineError | undefined {
    return this.#kind.refusal?.(asked)
  }

  keep(): void {
    this.#kind.keep()
  }

  async searcher(collection: Collection): Promise<CodedSearcher | undefined> {
    const { files } = this.#context
    const current = collection === files.collection ? await this.#load() : undefined
    return current && current.rows > 0 && collection === files.collection ? current : undefined
  }

  async coder(): Promise<Coder | undefined> {
    const current = await this.#load()
    return (
      current && {
        name: this.name,
        encode: ({ embeddings }) => current.encode(embeddings),
        accept: (codes, lengths) => {
          try {
            current.append(codes, lengths)
          } catch {
            // Out of memory: it lacks what is committed, and codes appended later would be taken for those of other documents. They are read
            // when they are wanted; the commit has not failed.
            this.#current = undefined
          }
        },
      }
    )
  }

  async handOver(next: KeptFiles): Promise<(() => void) | undefined> {
    const derived = next.manifest.derived[this.name]
    if (!this.#current || this.#of !== this.#context.files.collection || !derived?.files.codes) return undefined
    const restored = await this.#restore(next, derived)
    return () => {
      this.#current = restored
      this.#of = next.collection
    }
  }

  async upkeep(work: Work): Promise<void> {
    const { files } = this.#context
    const { collection } = files
    if (collection.tokens === 0 || !this.isKept) return
    const current = await this.#load()
    if (current && current.rows < collection.total) await work.inTurn(() => this.#catchUp(current, work))
    const kept = await this.#kept()
    // Compacted meanwhile: something else may be due.
    if (files.collection !== collection) return this.upkeep(work)
    const due = await files.reading(async () => this.#kind.due(collection, kept, work.signal))
    if (!due) return
    // Compacted meanwhile: something else may be due.
    if (files.collection !== collection) return this.upkeep(work)
    if ('trust' in due) {
      await work.inTurn(() => this.#trust(collection, due.trust))
      return
    }
    const { tokens, total } = collection
    let from = due.learn
    /** What ordinals are of, and the parts that it had. */
    let of = { collection, parts: this.#derived?.parts ?? [] }
    // `reading`: the files stay readable, should the index be compacted meanwhile.
    let made = await files.reading(() => this.#kind.learn(collection, due.learn, kept, work.signal))
    // What was compressed already comes with its codes; what the others are like is not known.
    let learned = made && made.rows > from ? made.rows : total
    while (made && files.collection.tokens > 0) {
      const [next, { collection: known }] = [made, of]
      if (await files.reading(() => this.#replace(next, known, { from, learned, tokens }, work))) return
      // What was learned is as good for what compaction left; were it learned again, compacting often would put it off for ever.
      const renumbered = this.#renumbered(from, of.parts)
      if (renumbered === undefined) return this.upkeep(work)
      from = learned = renumbered
      of = { collection: files.collection, parts: this.#derived?.parts ?? [] }
      made = await this.#restored(made, from)
    }
  }

  async compression(share: number): Promise<Compression | undefined> {
    const kept = this.#mayCompress && (await this.#kept())
    return kept ? this.#kind.compression?.(this.#context.files.collection, kept, share) : undefined
  }

  async measure(work: Work): Promise<Warning | undefined> {
    const { files } = this.#context
    const { collection } = files
    const kept = this.#mayCompress && (await this.#kept())
    if (!kept) return undefined
    const measured = await files.reading(async () => this.#kind.measure!(collection, kept, work.signal))
    if (!measured) return undefined
    return work.inTurn(async () => {
      const derived = this.#derived
      // Compacted meanwhile: it is measured again.
      if (!derived || files.collection !== collection) return undefined
      await files.commitDerived(this.name, { ...derived, facts: { ...derived.facts, ...measured.facts } })
      return measured.warning
    })
  }

  facts(): Readonly<Record<string, number | string | null>> {
    return this.#kind.facts(this.#derived)
  }

  get #mayCompress(): boolean {
    return this.#kind.compresses && this.#context.files.manifest.codec === 'residual'
  }

  async #kept(): Promise<Kept | undefined> {
    const searcher = await this.#load()
    const derived = this.#derived
    return searcher && derived && { searcher, derived }
  }

  /** Codes of documents before this one are their records. */
  #codesFrom({ collection }: KeptFiles = this.#context.files): number {
    return this.#kind.compresses ? collection.compressed : 0
  }

  /** The first so many parts, up to an ordinal. */
  #partsBefore(from: number, count: number): DerivedPart[] {
    const { collection, codebooks } = this.#context.files
    const known = this.#kind.compresses ? compressedParts(collection, codebooks) : []
    const parts = [...known, ...(this.#derived?.parts.slice(known.length) ?? [])].slice(0, count)
    return parts.map((part) => ({
      from: part.from,
      learned: Math.min(part.learned, from),
      trusted: Math.min(part.trusted, from),
    }))
  }

  get #isReadable(): boolean {
    const derived = this.#derived
    return derived?.version === this.#kind.version && derived.files.codes?.file !== this.#damaged
  }

  get #derived(): DerivedManifest | undefined {
    return this.#context.files.manifest.derived[this.name]
  }

  async #trust(collection: Collection, trusted: number): Promise<void> {
    const { files } = this.#context
    const derived = this.#derived
    if (!derived || files.collection !== collection) return
    const parts = derived.parts.map((part, i) => (i === derived.parts.length - 1 ? { ...part, trusted } : part))
    await files.commitDerived(this.name, { ...derived, parts })
  }

  /** Where compaction put the beginning of a part, one that is there or one that was to come; undefined when that is not known. */
  #renumbered(from: number, before: readonly DerivedPart[]): number | undefined {
    const first = this.#codesFrom()
    if (from === 0) return first === 0 ? 0 : undefined
    const after = this.#derived?.parts ?? []
    if (after.length !== before.length) return undefined
    const i = before.findIndex((part) => part.from === from)
    // Without anything before it, it is no longer one of several. And what is compressed stays as it is.
    const now = (i < 0 ? after.at(-1)?.trusted : after[i]!.from) ?? 0
    return now > 0 && now >= first ? now : undefined
  }

  /** What was learned, over the codes that are there now. */
  async #restored(made: CodedSearcher, from: number): Promise<CodedSearcher> {
    const parts = [...this.#partsBefore(from, made.partCount - 1), { from, learned: from, trusted: from }]
    const restored = this.#kind.restore(
      this.#kind.learned(made),
      { facts: made.facts, parts },
      this.#context.files.codebooks,
    )
    await fill(this.#context.files, restored, { name: this.name, rows: from, codesFrom: this.#codesFrom() })
    return restored
  }

  /**
   * Codes what the searcher does not hold yet and puts it in place; false when the index was compacted since it was made.
   *
   * @param collection that it was made for
   * @param part first ordinal of what was learned from, of what came later, and tokens that the collection had then
   */
  async #replace(
    made: CodedSearcher,
    collection: Collection,
    part: { readonly from: number; readonly learned: number; readonly tokens: number },
    work: Work,
  ): Promise<boolean> {
    const { files } = this.#context
    if (files.collection !== collection) return false
    const { from, learned: rows, tokens } = part
    const codesFrom = this.#codesFrom()
    const written: NewFile[] = []
    let isInPlace = false
    try {
      const learned = files.newFile(`${this.name}-learned`)
      written.push(learned)
      const codes = files.newFile(`${this.name}-codes`)
      written.push(codes)
      learned.append(this.#kind.learned(made))
      codes.append(this.#codesBefore(from, made))
      await this.#code(made, collection, codes, work)
      return await work.inTurn(async () => {
        if (files.collection !== collection) return false
        await this.#code(made, collection, codes, work)
        await Promise.all([learned.log.sync(), codes.log.sync()])
        const derived: DerivedManifest = {
          version: this.#kind.version,
          rows: made.rows,
          ...(codesFrom > 0 && { codesFrom }),
          files: { learned: learned.extent, codes: codes.extent },
          codeBytes: made.codeBytes,
          parts: [...this.#partsBefore(from, made.partCount - 1), { from, learned: rows, trusted: rows }],
          facts: { ...made.facts, tokens },
          suitability: this.#derived?.suitability ?? null,
        }
        try {
          await files.commitDerived(this.name, derived, codes.log)
        } finally {
          isInPlace = this.#derived?.files.codes?.file === codes.name
          // Also when something failed after the manifest was in place; and before anybody else codes documents for the new file.
          if (isInPlace) {
            this.#current = made
            this.#of = collection
            learned.close()
          }
        }
        return true
      })
    } finally {
      if (!isInPlace) for (const file of written) files.discard(file)
    }
  }

  /** Codes that documents before an ordinal have in the file of codes. */
  #codesBefore(from: number, { codeBytes }: CodedSearcher): Uint8Array {
    const { collection } = this.#context.files
    const { perDocument, perToken } = codeBytes
    if (from <= this.#codesFrom()) return new Uint8Array(0)
    let bytes = 0
    for (let ordinal = this.#codesFrom(); ordinal < from; ordinal++)
      bytes += perDocument + perToken * collection.row(ordinal).tokens
    return this.#context.files.readDerived(this.name, 'codes').subarray(0, bytes)
  }

  /** Codes documents that were committed by a build that did not. */
  async #catchUp(current: CodedSearcher, work: Work): Promise<void> {
    const { files } = this.#context
    const derived = this.#derived
    if (!derived || this.#of !== files.collection || this.#current !== current) return
    const codes = files.newFile(`${this.name}-codes`)
    try {
      codes.append(files.readDerived(this.name, 'codes'))
      await this.#code(current, files.collection, codes, work)
      await codes.log.sync()
      const next = { ...derived, rows: current.rows, files: { ...derived.files, codes: codes.extent } }
      await files.commitDerived(this.name, next, codes.log)
    } finally {
      if (this.#derived?.files.codes?.file !== codes.name) {
        files.discard(codes)
        // It has more rows than the manifest says.
        this.#current = undefined
      }
    }
  }

  /** Codes the documents that a searcher does not cover yet, for as long as the collection is that of the index. */
  async #code(into: CodedSearcher, collection: Collection, file: NewFile, work: Work): Promise<void> {
    const { files } = this.#context
    const { codec, dim } = files.manifest
    while (into.rows < collection.total && files.collection === collection) {
      work.signal?.throwIfAborted()
      const from = into.rows
      const count = groupSize(collection, from)
      const documents = Array.from({ length: count }, (_, i) => collection.readEmbeddings(from + i, codec, dim!))
      const codes = into.encode(documents)
      file.append(codes)
      into.append(
        codes,
        documents.map(({ length }) => length),
      )
      work.onDocument(into.rows, collection.total)
      await nextTurn()
    }
  }

  /** What is in memory, or else on disk. Searches that come meanwhile wait for the same one. */
  async #load(): Promise<CodedSearcher | undefined> {
    for (;;) {
      if (this.#of !== this.#context.files.collection) this.#current = undefined
      if (this.#current || !this.#isReadable) return this.#current
      this.#loading ??= this.#read().finally(() => (this.#loading = undefined))
      await this.#loading
    }
  }

  async #restore(files: KeptFiles, derived: DerivedManifest): Promise<CodedSearcher> {
    const learned = files.readDerived(this.name, 'learned')
    await nextTurn()
    const restored = this.#kind.restore(learned, derived, files.codebooks)
    await nextTurn()
    await fill(files, restored, { name: this.name, rows: derived.rows, codesFrom: this.#codesFrom(files) })
    return restored
  }

  /** Reads what is on disk; nothing comes of it when that is replaced meanwhile. */
  async #read(): Promise<void> {
    const { files, onWarning } = this.#context
    const { collection } = files
    const derived = this.#derived!
    const { file } = derived.files.codes ?? {}
    const isCurrent = (): boolean =>
      files.collection === collection &&
      this.#derived?.files.codes?.file === file &&
      this.#derived?.rows === derived.rows
    try {
      const restored = await this.#restore(files, derived)
      if (!isCurrent()) return
      this.#current = restored
      this.#of = collection
    } catch (error) {
      if (!isCurrent()) return
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_CORRUPT') throw error
      this.#damaged = file
      // A writer may have replaced a reader's files since: nothing is wrong then. And what vectors were compressed by cannot be made again.
      if (!files.readonly && !(this.#kind.compresses && files.codebooks.some((codebook) => !codebook.isIntact))) {
        const message = `${error.message} What the first stage ${this.name} needs is made again from the vectors, by the next upsert() or prepare().`
        onWarning?.({ code: 'INDEX_REPAIRED', message })
      }
    }
  }
}
