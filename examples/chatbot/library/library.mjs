// The files people ask about, as an index of passages.
import { ColBERTRetriever } from '@serotine/langchain'
import { openIndexAt, readSentFile, readTexts } from 'serotine'
import { backgroundWords } from './background-words.mjs'

/**
 * @typedef {object} Working What is being indexed at the moment.
 * @property {string} name
 * @property {number} done passages
 * @property {number} [total]
 *
 * @typedef {object} LibraryDocument
 * @property {string} name
 * @property {number} passages
 * @property {boolean} removable it was sent here; what lies in the folder goes when the file goes
 *
 * @typedef {object} LibraryState
 * @property {LibraryDocument[]} documents
 * @property {number} passages
 * @property {Working[]} working
 * @property {string[]} skipped files that could not be read, and why
 *
 * @typedef {import('@serotine/core').SearchResult} SearchResult
 */

/** Uploads have ids of their own, so that a file of the same name in the folder is another document. */
const SENT = 'sent:'
/** Passages returned to a question. Five are about as much as a reader looks at, and fit any chat model. */
const PASSAGES = 5

/** A file that was sent and cannot be used; the message says why. */
export class UnreadableFile extends Error {}

export class Library {
  /** @type {Set<(state: LibraryState) => void>} */
  #listeners = new Set()
  /** @type {Map<string, LibraryDocument>} by where their passages come from */
  #documents = new Map()
  /** @type {Set<Working>} */
  #working = new Set()
  /** @type {string[]} */
  #skipped = []
  /** @type {Promise<(word: string) => boolean> | undefined} */
  #background
  #closing = new AbortController()
  /** @type {Promise<unknown>} one change after the other */
  #changes = Promise.resolve()

  /**
   * @param {import('@serotine/core').MultiVectorIndex} index
   * @param {import('@serotine/core').ColBERT} model
   */
  constructor(index, model) {
    this.index = index
    this.model = model
  }

  /**
   * @param {{ where: string | undefined, model: import('@serotine/core').ColBERT }} options folder or address of the index
   * @returns {Promise<Library>}
   */
  static async open({ where, model }) {
    const library = new Library(await openIndexAt(where, { model }), model)
    for await (const { metadata } of library.index.scan({ text: false })) library.#count(String(metadata.source), 1)
    return library
  }

  /** @returns {LibraryState} */
  get state() {
    const documents = [...this.#documents.values()].sort((a, b) => a.name.localeCompare(b.name))
    return {
      documents,
      passages: documents.reduce((sum, { passages }) => sum + passages, 0),
      working: [...this.#working],
      skipped: this.#skipped,
    }
  }

  /**
   * Tells of every change until the function returned is called.
   *
   * @param {(state: LibraryState) => void} listener
   */
  watch(listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Makes the index equal to the files of a folder. What has not changed since the last start is not encoded again.
   *
   * @param {string} folder
   */
  addFolder(folder) {
    return this.#change(folder, async (working) => {
      /** @type {Set<string>} */
      const seen = new Set()
      /** @type {import('serotine').TextDocument[]} */
      const passages = []
      const read = readTexts([folder], {
        root: folder,
        skipUnreadable: true,
        signal: this.#closing.signal,
        onSkip: ({ reason, message }) => {
          if (WORTH_SAYING.has(reason)) this.#skipped.push(message)
        },
      })
      for await (const passage of read) {
        seen.add(passage.id)
        passages.push(passage)
      }
      const gone = (await this.index.ids()).filter((id) => !id.startsWith(SENT) && !seen.has(id))
      await this.#put(passages, gone, working)
      for (const source of this.#documents.keys()) if (!source.startsWith(SENT)) this.#documents.delete(source)
      for (const { metadata } of passages) this.#count(metadata.source, 1)
    })
  }

  /**
   * Adds a file that was sent, in the place of an earlier one of the same name.
   *
   * @param {string} name
   * @param {Uint8Array} bytes
   * @param {AbortSignal} [signal]
   * @returns {Promise<{ passages: number, replaced: boolean }>}
   */
  addFile(name, bytes, signal) {
    return this.#change(name, async (working) => {
      const source = SENT + name
      const sent = await readSentFile({ name, source, bytes })
      // JSON Lines bring ids of their own, which must not be those of another file.
      const passages = sent.map((passage, i) => ({ ...passage, id: `${source}#${i + 1}` }))
      const before = await this.#idsOf(source)
      if (passages.length === 0) throw new UnreadableFile(`${name} has no text to search in.`)
      signal?.throwIfAborted()
      await this.#put(passages, before, working)
      this.#documents.delete(source)
      this.#count(source, passages.length)
      return { passages: passages.length, replaced: before.length > 0 }
    })
  }

  /**
   * @param {string} name of a file that was sent
   * @returns {Promise<boolean>} whether there was one
   */
  async removeFile(name) {
    const source = SENT + name
    const ids = await this.#idsOf(source)
    await this.index.delete(ids)
    this.#documents.delete(source)
    this.#tell()
    return ids.length > 0
  }

  /**
   * A retriever for one question, which also says how the index was searched.
   *
   * @param {(how: SearchResult) => void} onSearched
   * @param {number} [scoreThreshold] of passages that are returned
   */
  retriever(onSearched, scoreThreshold) {
    return new ColBERTRetriever({
      index: {
        search: async (query, options) => {
          const result = await this.index.searchDetailed(query, options)
          onSearched(result)
          return result.hits
        },
      },
      k: PASSAGES,
      // Names, versions and error codes count by their letters, too.
      hybrid: true,
      ...(scoreThreshold !== undefined && { scoreThreshold }),
    })
  }

  get closed() {
    return this.#closing.signal.aborted
  }

  /** Which words say nothing here, from a sample of the passages. */
  backgroundWords() {
    this.#background ??= this.#sample().then(backgroundWords)
    return this.#background
  }

  async #sample() {
    const texts = []
    for await (const { text = '' } of this.index.scan()) if (texts.push(text) === SAMPLE) break
    return texts
  }

  async close() {
    this.#closing.abort()
    await this.#changes
    await this.index.close({ prepare: false })
  }

  /**
   * @param {readonly import('serotine').TextDocument[]} passages
   * @param {string[]} gone
   * @param {Working} working
   */
  async #put(passages, gone, working) {
    working.total = passages.length
    this.#tell()
    await this.index.upsert(passages.map(forIndex), {
      batchSize: BATCH,
      signal: this.#closing.signal,
      onProgress: ({ done }) => {
        working.done = done
        this.#tell()
      },
    })
    this.#background = undefined
    const kept = new Set(passages.map(({ id }) => id))
    await this.index.delete(gone.filter((id) => !kept.has(id)))
  }

  /**
   * @template T
   * @param {string} name
   * @param {(working: Working) => Promise<T>} change
   * @returns {Promise<T>}
   */
  #change(name, change) {
    /** @type {Working} */
    const working = { name, done: 0 }
    this.#working.add(working)
    this.#tell()
    const changed = this.#changes.then(() => change(working))
    this.#changes = changed
      .catch(() => {})
      .finally(() => {
        this.#working.delete(working)
        this.#tell()
      })
    return changed
  }

  /** @param {string} source */
  async #idsOf(source) {
    const ids = []
    for await (const { id } of this.index.scan({ where: { source }, text: false })) ids.push(id)
    return ids
  }

  /**
   * @param {string} source
   * @param {number} passages
   */
  #count(source, passages) {
    const before = this.#documents.get(source)
    const removable = source.startsWith(SENT)
    const name = nameOf(source)
    this.#documents.set(source, { name, removable, passages: (before?.passages ?? 0) + passages })
  }

  #tell() {
    for (const listener of this.#listeners) listener(this.state)
  }
}

/** Passages that are enough to tell. */
const SAMPLE = 300
/** What is left out without a word: folders of programs, hidden files, other kinds of files. */
const WORTH_SAYING = new Set(['binary', 'empty', 'bad-line', 'no-reader', 'unreadable'])
/** Passages encoded and committed together: about how often the page sees progress. */
const BATCH = 32

/**
 * The name people know a document by.
 *
 * @param {string} source
 */
export function nameOf(source) {
  return source.startsWith(SENT) ? source.slice(SENT.length) : source
}

/**
 * A passage with the headings above it, so that one which says "it" is found by what it is about. Measured on 30 questions about this
 * project's documentation: the right file first for 24 of them, without headings for 19.
 *
 * @param {import('serotine').TextDocument} passage
 */
function forIndex({ id, text, metadata }) {
  const above = metadata.heading ?? metadata.title
  const head = typeof above === 'string' && above !== '' ? `${above}\n\n` : ''
  return { id, text: head + text, metadata: { ...metadata, headLength: head.length } }
}
