import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { SerotineError } from '@serotine/core'
import type { MultiVectorIndex } from '@serotine/core'
import { inScope } from '../indexing.js'
import { readFiles } from '../input/read-texts.js'
import type { ReadOptions, TextDocument } from '../input/read-texts.js'
import { sourceName } from '../input/skipped.js'
import type { Skipped } from '../input/skipped.js'
import { findFiles, versionOf } from '../input/walk.js'
import type { FoundFile } from '../input/walk.js'
import { Skips } from '../output/skips.js'
import { STABLE_MS, Settling } from './settling.js'
import { Sources } from './sources.js'
import type { Taken } from './sources.js'

/** Bytes from which a file of records is read record by record. */
const STREAMED_BYTES = 8_000_000
/** Milliseconds until a file that could not be read is tried again, though nothing says that it has changed. */
const AGAIN_MS = 30_000
/** What is wrong with one file and leaves the others alone. */
const OF_ONE_FILE: ReadonlySet<string> = new Set(['INPUT_FORMAT', 'DUPLICATE_ID', 'READER_MISSING'])

export interface FollowerOptions {
  readonly index: MultiVectorIndex
  readonly paths: readonly string[]
  /** Folder that sources are relative to. */
  readonly root: string
  /** The index's own folder, which is not read. */
  readonly folder: string
  /** How texts are found, read and split: as `serotine index` does. */
  readonly reading: ReadOptions
  readonly signal: AbortSignal
  /** Files done, of those that have changed. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What one look came to. */
export interface Look extends Taken {
  /** Files that were taken in, and those that are gone. */
  readonly changed: number
  readonly gone: number
  /** Files there are. */
  readonly files: number
  readonly skips: Skips
  /** What could not be taken in and stays as it was, by its place. */
  readonly failures: ReadonlyMap<string, string>
  /** Paths given that are not there: what the index has of them stays. */
  readonly missing: readonly string[]
  /** Folders that are left out by a rule that may change. */
  readonly leftOut: ReadonlySet<string>
  /** Milliseconds after which to look again; undefined when nothing waits. */
  readonly wait: number | undefined
}

/**
 * Keeps an index equal to files: each look finds the files by the rules of `serotine index`, compares what the system says of them with what was
 * taken in last, and takes in what differs. Nothing depends on being told what has changed.
 */
export class Follower {
  readonly #options: FollowerOptions
  readonly #settling = new Settling()
  readonly #failures = new Map<string, string>()
  #isFirst = true

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** @throws what the index throws, what is wrong with the system and not with a file, the signal's reason */
  async look(): Promise<Look> {
    const { index, paths, root, signal, onProgress } = this.#options
    signal.throwIfAborted()
    const skips = new Skips()
    const { files, missing } = await this.#find(skips)
    const found = new Map(files.map((file) => [sourceName(file.path, root), file]))
    const hidden = [skips.hidden(), inScope(missing, root)]
    const isHidden = (source: string): boolean => hidden.some((hides) => hides(source))
    if (this.#isFirst) await this.#know(inScope(paths, root))
    const versions = new Map(Array.from(found, ([source, { version }]) => [source, version]))
    const due = this.#settling.decide(versions, isHidden, performance.now(), this.#isFirst)
    const sources = await Sources.begin(index, new Set(due.changed), signal)
    let [changed, unsettled] = [0, false]
    const isThere = (source: string): boolean => found.has(source) || isHidden(source)
    for (const [i, source] of due.changed.entries()) {
      signal.throwIfAborted()
      const isTaken = await this.#takeIn(sources, source, found.get(source)!, skips, isThere, () => changed++)
      if (!isTaken) unsettled = true
      onProgress?.(i + 1, due.changed.length)
    }
    await sources.remove(due.gone, () => {
      for (const source of due.gone) {
        this.#settling.forget(source)
        this.#failures.delete(source)
      }
    })
    this.#isFirst = false
    for (const { place, message } of skips.of('unreadable')) this.#failures.set(place, message)
    this.#forgetMended(skips, found)
    return {
      ...sources.taken,
      changed,
      gone: due.gone.length,
      files: files.length,
      skips,
      failures: new Map(this.#failures),
      missing,
      leftOut: new Set(
        [...skips.of('ignored'), ...skips.of('excluded')]
          .filter(({ place }) => place.endsWith('/'))
          .map(({ place }) => resolve(root, place)),
      ),
      wait: unsettled ? Math.min(due.wait ?? Infinity, STABLE_MS) : due.wait,
    }
  }

  async #find(skips: Skips): Promise<{ files: readonly FoundFile[]; missing: readonly string[] }> {
    const { paths, folder, reading, signal } = this.#options
    const { extensions, exclude, gitignore } = reading
    const rules = {
      ...(extensions && { extensions }),
      ...(exclude && { exclude }),
      ...(gitignore !== undefined && { gitignore }),
    }
    const missing: string[] = []
    const there: string[] = []
    for (const path of paths) {
      const isThere = await stat(path).then(
        () => true,
        () => false,
      )
      ;(isThere ? there : missing).push(path)
    }
    const how = {
      ...rules,
      root: this.#options.root,
      skipUnreadable: true,
      signal,
      onSkip: (each: Skipped) => skips.add(each),
    }
    const { files } = await findFiles(there, how, folder)
    return { files, missing }
  }

  /** What is in the index of an earlier run: whatever of it is not there now is gone. */
  async #know(isInPaths: (source: unknown) => boolean): Promise<void> {
    const { index, signal } = this.#options
    const passages = index.scan({ where: ({ metadata }) => isInPaths(metadata['source']), text: false, signal })
    for await (const { metadata } of passages) this.#settling.know(metadata['source'] as string)
  }

  /** @returns false when the file is being written at the moment */
  async #takeIn(
    sources: Sources,
    source: string,
    file: FoundFile,
    skips: Skips,
    isThere: (source: string) => boolean,
    taken: () => void,
  ): Promise<boolean> {
    const own = new Skips()
    const onSkip = (skipped: Skipped): void => (own.add(skipped), skips.add(skipped))
    const settled = (): void => this.#settling.take(source, file.version)
    const failed = (message: string): true => {
      this.#failures.set(source, message)
      this.#settling.take(source, file.version, performance.now() + AGAIN_MS)
      return true
    }
    const isSame = async (): Promise<boolean> => {
      return (await stat(file.path).then(versionOf, () => undefined)) === file.version
    }
    const check = async (documents: readonly TextDocument[]): Promise<void> => {
      const clash = await sources.clash(source, documents, isThere)
      if (!clash) return
      const message = `${source} has the id ${JSON.stringify(clash.id)}, which is that of ${clash.source}; give it another.`
      throw new SerotineError('DUPLICATE_ID', message)
    }
    try {
      const texts = readFiles([file], { ...this.#options.reading, onSkip })
      if (file.kind === 'jsonl' && file.bytes > STREAMED_BYTES) {
        const isWhole = async (): Promise<boolean> => own.count('unreadable') === 0 && (await isSame())
        const isDone = await sources.stream(source, texts, check, isWhole)
        const [broken] = own.of('unreadable')
        if (broken) return failed(broken.message)
        if (!isDone) return false
        this.#failures.delete(source)
        settled()
        taken()
        return true
      }
      const documents: TextDocument[] = []
      for await (const document of texts) documents.push(document)
      if (!(await isSame())) return false
      const unread = [...own.of('unreadable'), ...own.of('no-reader')][0]
      if (unread) return failed(unread.message)
      await check(documents)
      this.#failures.delete(source)
      await sources.replace(source, documents, () => (settled(), taken()))
      return true
    } catch (error) {
      if (this.#options.signal.aborted || !SerotineError.isInstance(error) || !OF_ONE_FILE.has(error.code)) throw error
      return failed(error.message)
    }
  }

  /** What was unreadable as a folder and is not any more. */
  #forgetMended(skips: Skips, found: ReadonlyMap<string, FoundFile>): void {
    const now = new Set(skips.of('unreadable').map(({ place }) => place))
    for (const place of this.#failures.keys()) if (!now.has(place) && !found.has(place)) this.#failures.delete(place)
  }
}
