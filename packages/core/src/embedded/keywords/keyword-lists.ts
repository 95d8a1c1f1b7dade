import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../errors.js'
import type { OnWarning } from '../../errors.js'
import { InvertedIndex } from '../../keywords/inverted-index.js'
import { isLanguage, loadStemmer } from '../../keywords/stemmers.js'
import { emptyTermList, recordLength, TERM_LIST_VERSION, termList } from '../../keywords/term-lists.js'
import type { Stemmer } from '../../keywords/words.js'
import type { KeywordSettings, KeywordStats } from '../../store/keywords.js'
import { Turns } from '../../store/turns.js'
import type { Collection } from '../commit/collection.js'
import type { CodedBatch, Coder, NewFile } from '../commit/derived-files.js'
import type { Keeper, KeptFiles } from '../commit/compaction/hand-over.js'
import type { IndexFiles } from '../commit/index-files.js'
import type { Snapshot } from '../commit/snapshot.js'
import type { DerivedManifest } from '../format/manifest.js'
import type { Work } from '../stages/stage.js'

/** Name in the manifest. */
const NAME = 'keywords'
const DEFAULT: KeywordSettings = { language: 'english' }
/** Documents whose texts are analysed, or whose lists are put into memory, before timers and sockets get their turn. */
const ANALYSED_AT_ONCE = 64
const LOADED_AT_ONCE = 2048

/**
 * The terms of every document of an index: on disk as lists that are committed with the documents, in memory as an inverted index, made of the lists at
 * the first search by words. Where lists are missing or damaged (an older build wrote the documents) the texts are read instead, and upkeep makes the lists
 * again.
 */
export class KeywordLists implements Keeper {
  readonly #files: IndexFiles
  /** What the index was opened with. */
  readonly #asked: KeywordSettings | false | undefined
  readonly #onWarning: OnWarning | undefined
  /** Of each state of the collection between two compactions. */
  readonly #indexes = new WeakMap<Collection, { readonly index: InvertedIndex; readonly turns: Turns }>()
  #stemmer: Promise<Stemmer> | undefined
  /** File that could not be read: do not try again. */
  #damaged: string | undefined
  /** File that has been read without fault. */
  #intact: string | undefined

  constructor(files: IndexFiles, asked: KeywordSettings | false | undefined, onWarning: OnWarning | undefined) {
    this.#files = files
    this.#asked = asked
    this.#onWarning = onWarning
  }

  /** False: documents are not to be found by their words. */
  get settings(): KeywordSettings | false {
    if (this.#asked !== undefined) return this.#asked
    const { keywords } = this.#files.manifest
    if (keywords === false) return false
    // What is there goes before what was said when the index was made, which was empty then.
    const language = this.#derived?.facts.language ?? keywords?.language
    // A later build may know more languages.
    return isLanguage(language) ? { language } : DEFAULT
  }

  async stemmer(): Promise<Stemmer> {
    const { settings } = this
    return (this.#stemmer ??= loadStemmer(settings ? settings.language : 'none'))
  }

  /** Lists the terms of documents as they are committed; undefined when it is behind, or there is no need. */
  async coder(): Promise<Coder | undefined> {
    const { settings } = this
    if (!settings || (this.#derived && !this.#fits)) return undefined
    const stem = await this.stemmer()
    return {
      name: NAME,
      beginning: formOf(settings),
      encode: ({ documents }: CodedBatch) =>
        Buffer.concat(documents.map(({ text }) => (text === undefined ? emptyTermList() : termList(text, stem)))),
      accept: (lists, lengths) => {
        const { collection } = this.#files
        const index = this.#indexes.get(collection)?.index
        // Else it is filled by the next search.
        if (index?.rows === collection.total - lengths.length) index.append(lists, lengths.length)
      },
    }
  }

  /** The inverted index of at least the documents of a snapshot. Fills it where that has to be done. */
  async index(snapshot: Snapshot, signal?: AbortSignal): Promise<InvertedIndex> {
    const { collection, total } = snapshot
    let known = this.#indexes.get(collection)
    if (!known) this.#indexes.set(collection, (known = { index: new InvertedIndex(), turns: new Turns() }))
    const { index, turns } = known
    if (index.rows < total) await turns.take(() => this.#fill(index, snapshot, signal))
    return index
  }

  /** Where searches by words have made an index already. */
  async handOver(next: KeptFiles): Promise<undefined> {
    const derived = next.manifest.derived[NAME]
    if (!this.#indexes.get(this.#files.collection)?.index.rows || !this.#fits || !derived?.files.codes) return
    const index = new InvertedIndex()
    await append(index, next.readDerived(NAME, 'codes'), derived.rows)
    this.#indexes.set(next.collection, { index, turns: new Turns() })
  }

  /** Makes the lists where they are missing, behind or of other settings, and removes them where they are not wanted. */
  async upkeep(work: Work): Promise<void> {
    const { settings } = this
    const { collection, manifest } = this.#files
    if (!settings) {
      if (this.#derived || manifest.keywords !== false)
        await work.inTurn(() => this.#files.commitDerived(NAME, undefined, undefined, { keywords: false }))
      return
    }
    if (this.#isIntact && this.#derived!.rows >= collection.total) return
    if (!hasTexts(collection)) return
    while (!(await this.#files.reading(() => this.#make(settings, work)))) work.signal?.throwIfAborted()
  }

  /** Undefined: documents cannot be found by their words. */
  stats(): KeywordStats | undefined {
    const { settings } = this
    if (!settings) return undefined
    const index = this.#indexes.get(this.#files.collection)?.index
    const derived = this.#fits ? this.#derived : undefined
    return {
      ...settings,
      documents: derived?.rows ?? 0,
      bytes: this.#derived?.files.codes?.bytes ?? 0,
      memory: index?.bytes ?? 0,
      terms: index?.terms ?? null,
    }
  }

  get #derived(): DerivedManifest | undefined {
    return this.#files.manifest.derived[NAME]
  }

  /** The lists are of this build and of these settings, and not known to be damaged. */
  get #fits(): boolean {
    const [derived, { settings }] = [this.#derived, this]
    if (!derived?.files.codes || !settings || derived.files.codes.file === this.#damaged) return false
    const { version, facts } = formOf(settings)
    return derived.version === version && derived.codeBytes === 'counted' && derived.facts.language === facts.language
  }

  /** Of use, and read without fault once. */
  get #isIntact(): boolean {
    return this.#fits && (this.#derived!.files.codes!.file === this.#intact || this.#read() !== undefined)
  }

  /** Lists of the documents that have some; undefined when there are none of use. */
  #read(): Uint8Array | undefined {
    if (!this.#fits) return undefined
    const { file } = this.#derived!.files.codes!
    try {
      const lists = this.#files.readCodes(NAME)
      this.#intact = file
      return lists
    } catch (error) {
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_CORRUPT') throw error
      this.#damaged = file
      // A writer may have replaced a reader's files since: nothing is wrong then.
      if (!this.#files.readonly) {
        const message = `${error.message} The words of documents are listed again from their texts, by the next upsert() or prepare().`
        this.#onWarning?.({ code: 'INDEX_REPAIRED', message })
      }
      return undefined
    }
  }

  async #fill(
    index: InvertedIndex,
    { collection, stored, total }: Snapshot,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    // Both before anything is awaited: a compaction would replace them.
    const lists = index.rows === 0 && collection === this.#files.collection ? this.#read() : undefined
    const rows = lists ? this.#derived!.rows : 0
    if (lists) await append(index, lists, rows, signal)
    const stem = await this.stemmer()
    while (index.rows < total) {
      const count = Math.min(ANALYSED_AT_ONCE, total - index.rows)
      // Texts of deleted documents, too, which a compaction may have freed since.
      index.append(listsOf(stored, index.rows, count, stem), count)
      if (index.rows < total) await nextTurn()
      signal?.throwIfAborted()
    }
  }

  /** Writes the lists of all documents and puts them in place; false when the index was compacted meanwhile. */
  async #make(settings: KeywordSettings, work: Work): Promise<boolean> {
    const { collection } = this.#files
    const stem = await this.stemmer()
    const file = this.#files.newFile(`${NAME}-codes`)
    let rows = 0
    const write = async (): Promise<void> => {
      while (rows < collection.total && this.#files.collection === collection) {
        work.signal?.throwIfAborted()
        const count = Math.min(ANALYSED_AT_ONCE, collection.total - rows)
        file.append(listsOf(collection, rows, count, stem))
        rows += count
        work.onDocument(rows, collection.total)
        await nextTurn()
      }
    }
    try {
      const kept = this.#fits ? this.#read() : undefined
      if (kept) {
        file.append(kept)
        rows = this.#derived!.rows
      }
      await write()
      return await work.inTurn(async () => {
        if (this.#files.collection !== collection) return false
        // What was committed while it waited for its turn.
        await write()
        await file.log.sync()
        await this.#put(settings, file, rows)
        return true
      })
    } finally {
      if (this.#derived?.files.codes?.file !== file.name) this.#files.discard(file)
    }
  }

  async #put(settings: KeywordSettings, file: NewFile, rows: number): Promise<void> {
    const files = { codes: file.extent }
    const derived: DerivedManifest = { ...formOf(settings), rows, files, parts: [], suitability: null }
    await this.#files.commitDerived(NAME, derived, file.log, { keywords: settings })
    this.#intact = file.name
  }
}

function formOf({ language }: KeywordSettings): Pick<DerivedManifest, 'version' | 'codeBytes' | 'facts'> {
  return { version: TERM_LIST_VERSION, codeBytes: 'counted', facts: { language } }
}

/** Puts the lists of so many documents into an empty index. */
async function append(index: InvertedIndex, lists: Uint8Array, rows: number, signal?: AbortSignal): Promise<void> {
  for (let at = 0; index.rows < rows;) {
    const count = Math.min(LOADED_AT_ONCE, rows - index.rows)
    const from = at
    for (let i = 0; i < count; i++) at += recordLength(lists, at)
    index.append(lists.subarray(from, at), count)
    await nextTurn()
    signal?.throwIfAborted()
  }
}

function hasTexts(collection: Collection): boolean {
  for (const ordinal of collection.ordinals()) if (collection.row(ordinal).textOffset >= 0) return true
  return false
}

function listsOf(stored: Pick<Collection, 'readText'>, from: number, count: number, stem: Stemmer): Uint8Array {
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      const text = textOf(stored, from + i)
      return text === undefined ? emptyTermList() : termList(text, stem)
    }),
  )
}

/** Undefined for one that is damaged: `get` and `verify` say so, and the other documents can be found. */
function textOf(stored: Pick<Collection, 'readText'>, ordinal: number): string | undefined {
  try {
    return stored.readText(ordinal)
  } catch (error) {
    if (SerotineError.isInstance(error) && error.code === 'INDEX_CORRUPT') return undefined
    throw error
  }
}
