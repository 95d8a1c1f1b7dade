import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import { SerotineError } from '../../errors.js'
import type { Json } from '../../store/metadata.js'
import type { Collection } from '../commit/collection.js'
import type { Coder, NewFile } from '../commit/derived-files.js'
import type { CodeBytes, DerivedManifest, DerivedPart } from '../format/manifest.js'
import type { Searcher, Stage, StageContext, Work } from './stage.js'

/** Documents decoded, then coded at a time: the two share kernel memory and each sets it up again. */
const GROUP = 64
/** Fewer documents when they have more tokens than this together: about 25 ms, then timers and sockets get their turn. */
const GROUP_TOKENS = 8192

/** Codes of documents in memory, and what they were coded by. */
export interface CodedSearcher extends Searcher {
  readonly codeBytes: CodeBytes
  /** What `CodedKind.restore` makes the searcher of again. */
  readonly learned: Uint8Array
  readonly facts: { readonly [name: string]: Json }
  /** Codes of documents, one after the other, each of `codeBytes`. */
  encode(documents: readonly TokenEmbeddings[]): Uint8Array
  append(codes: Uint8Array, lengths: readonly number[]): void
}

/** What is in memory, and what the manifest says of it. */
export interface Kept {
  readonly searcher: CodedSearcher
  readonly derived: DerivedManifest
}

/** Learn from this ordinal on; or trust the codes of documents before this one; or nothing. */
export type Due = { readonly learn: number } | { readonly trust: number } | undefined

/** What is particular to one first stage that codes every document by something it learned from the collection. */
export interface CodedKind {
  readonly name: string
  /** Of the files; those of another version are made again. */
  readonly version: number
  isKept(collection: Collection): boolean
  /** As `Stage.refusal`. */
  refusal?(asked: string): SerotineError | undefined
  keep(): void
  /** What there is to do, given what is there. */
  due(collection: Collection, current: Kept | undefined, signal: AbortSignal | undefined): Due | Promise<Due>
  /**
   * Learns from the documents from an ordinal on. Those before it keep their codes, which are in the searcher already; those after it
   * are not coded yet. Undefined: there is too little.
   */
  learn(
    collection: Collection,
    from: number,
    current: Kept | undefined,
    signal: AbortSignal | undefined,
  ): Promise<CodedSearcher | undefined>
  /** An empty searcher, which the codes are to be appended to. @throws INDEX_CORRUPT */
  restore(learned: Uint8Array, derived: Pick<DerivedManifest, 'facts' | 'parts'>): CodedSearcher
  /** For people. */
  facts(derived: DerivedManifest | undefined): Readonly<Record<string, number | string | null>>
}

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

  refusal(asked: string): SerotineError | undefined {
    return this.#kind.refusal?.(asked)
  }

  keep(): void {
    this.#kind.keep()
  }

  async searcher(collection: Collection): Promise<CodedSearcher | undefined> {
    const current = collection === this.#context.files.collection ? this.#load() : undefined
    return current && current.rows > 0 ? current : undefined
  }

  async coder(): Promise<Coder | undefined> {
    const current = this.#load()
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

  async upkeep(work: Work): Promise<void> {
    const { files } = this.#context
    const { collection } = files
    if (collection.tokens === 0 || !this.isKept) return
    const current = this.#load()
    if (current && current.rows < collection.total) await work.inTurn(() => this.#catchUp(current, work))
    const kept = current && this.#derived ? { searcher: current, derived: this.#derived } : undefined
    const due = await this.#kind.due(collection, kept, work.signal)
    if (!due) return
    if ('trust' in due) {
      await work.inTurn(() => this.#trust(collection, due.trust))
      return
    }
    const { tokens, total } = collection
    let [from, learned] = [due.learn, total]
    // `reading`: the files stay readable, should the index be compacted meanwhile.
    let made = await files.reading(() => this.#kind.learn(collection, due.learn, kept, work.signal))
    while (made && files.collection.tokens > 0) {
      const next = made
      const before = this.#derived?.parts ?? []
      if (await files.reading(() => this.#replace(next, { from, learned, tokens }, work))) return
      // What was learned is as good for what compaction left; were it learned again, compacting often would put it off for ever.
      const renumbered = this.#renumbered(from, before)
      if (renumbered === undefined) return this.upkeep(work)
      from = learned = renumbered
      made = this.#restored(made, from)
    }
  }

  facts(): Readonly<Record<string, number | string | null>> {
    return this.#kind.facts(this.#derived)
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
    if (from === 0) return 0
    const after = this.#derived?.parts ?? []
    if (after.length !== before.length) return undefined
    const i = before.findIndex((part) => part.from === from)
    // Without anything before it, it is no longer one of several.
    return (i < 0 ? after.at(-1)?.trusted : after[i]!.from) || undefined
  }

  /** What was learned, over the codes that are there now. */
  #restored({ learned, facts }: CodedSearcher, from: number): CodedSearcher {
    const { collection } = this.#context.files
    const earlier = this.#derived?.parts.filter((part) => part.from < from) ?? []
    const parts = [...earlier, { from, learned: from, trusted: from }]
    const restored = this.#kind.restore(learned, { facts, parts })
    if (from > 0) {
      const lengths = Array.from({ length: from }, (_, ordinal) => collection.row(ordinal).tokens)
      restored.append(this.#codesBefore(from, restored, collection), lengths)
    }
    return restored
  }

  /**
   * Codes what the searcher does not hold yet and puts it in place; false when the index was compacted meanwhile.
   *
   * @param part first ordinal of what was learned from, of what came later, and tokens that the collection had then
   */
  async #replace(
    made: CodedSearcher,
    part: { readonly from: number; readonly learned: number; readonly tokens: number },
    work: Work,
  ): Promise<boolean> {
    const { files } = this.#context
    const { collection } = files
    const { from, learned: rows, tokens } = part
    const earlier = this.#derived?.parts.filter((each) => each.from < from) ?? []
    const written: NewFile[] = []
    let isInPlace = false
    try {
      const learned = files.newFile(`${this.name}-learned`)
      written.push(learned)
      const codes = files.newFile(`${this.name}-codes`)
      written.push(codes)
      learned.append(made.learned)
      if (from > 0) codes.append(this.#codesBefore(from, made, collection))
      await this.#code(made, collection, codes, work)
      return await work.inTurn(async () => {
        if (files.collection !== collection) return false
        await this.#code(made, collection, codes, work)
        await Promise.all([learned.log.sync(), codes.log.sync()])
        const derived: DerivedManifest = {
          version: this.#kind.version,
          rows: made.rows,
          files: { learned: learned.extent, codes: codes.extent },
          codeBytes: made.codeBytes,
          parts: [...earlier, { from, learned: rows, trusted: rows }],
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

  /** Codes that documents before an ordinal have on disk. */
  #codesBefore(from: number, { codeBytes }: CodedSearcher, collection: Collection): Uint8Array {
    const { perDocument, perToken } = codeBytes
    let bytes = 0
    for (let ordinal = 0; ordinal < from; ordinal++) bytes += perDocument + perToken * collection.row(ordinal).tokens
    return this.#context.files.readDerived(this.name, 'codes').subarray(0, bytes)
  }

  /** Codes documents that were committed by a build that did not. */
  async #catchUp(current: CodedSearcher, work: Work): Promise<void> {
    const { files } = this.#context
    const derived = this.#derived
    if (!derived || this.#load() !== current) return
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

  /** What is in memory, or else on disk. */
  #load(): CodedSearcher | undefined {
    const { files, onWarning } = this.#context
    const { collection } = files
    if (this.#of !== collection) {
      this.#of = collection
      this.#current = undefined
    }
    if (this.#current) return this.#current
    if (!this.#isReadable) return undefined
    const derived = this.#derived!
    try {
      const restored = this.#kind.restore(files.readDerived(this.name, 'learned'), derived)
      const codes = files.readCodes(this.name)
      const lengths = Array.from({ length: derived.rows }, (_, ordinal) => collection.row(ordinal).tokens)
      restored.append(codes, lengths)
      this.#current = restored
    } catch (error) {
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_CORRUPT') throw error
      this.#damaged = derived.files.codes?.file
      // A writer may have replaced a reader's files since: nothing is wrong then.
      if (!files.readonly) {
        const message = `${error.message} What the first stage ${this.name} needs is made again from the vectors, by the next upsert() or prepare().`
        onWarning?.({ code: 'INDEX_REPAIRED', message })
      }
    }
    return this.#current
  }
}

/** How many documents to code at a time from this one on. */
function groupSize(collection: Collection, from: number): number {
  const most = Math.min(GROUP, collection.total - from)
  let count = 0
  for (let tokens = 0; count < most; count++) {
    tokens += collection.row(from + count).tokens
    if (count > 0 && tokens > GROUP_TOKENS) break
  }
  return count
}
