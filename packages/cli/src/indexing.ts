import { resolve } from 'node:path'
import type { TextDocument } from './input/read-texts.js'
import { sourceName } from './input/skipped.js'
import type { FoundFile } from './input/walk.js'

/** Passes texts on, remembering their ids: whatever else an index holds is gone from the texts. */
export class Tracked {
  readonly ids = new Set<string>()

  async *track(texts: AsyncIterable<TextDocument>): AsyncGenerator<TextDocument> {
    for await (const text of texts) {
      this.ids.add(text.id)
      yield text
    }
  }
}

/** How much of all files is done, in bytes. */
export class Reading {
  readonly #total: number
  #finished = 0
  #shown = 0
  #current = 0

  constructor(files: readonly FoundFile[]) {
    this.#total = Math.max(
      1,
      files.reduce((sum, file) => sum + file.bytes, 0),
    )
  }

  update(file: FoundFile, bytes: number, done: boolean): void {
    if (done) this.#finished += file.bytes
    this.#current = done ? 0 : bytes
  }

  /** @param encoded share of the passages read that are encoded: reading is always ahead */
  share(encoded: number): number {
    // Never back, though files are read in larger pieces than passages.
    this.#shown = Math.max(this.#shown, ((this.#finished + this.#current) * encoded) / this.#total)
    return this.#shown
  }
}

/** Sources of what was sent to a server: the folder of an index does not hold them, and they are not gone from it. */
const SENT = 'upload:'

/** Whether a source is under the paths given, so that its absence there means it is gone. */
export function inScope(paths: readonly string[], root: string): (source: unknown) => boolean {
  const names = paths.map((path) => sourceName(resolve(path), root))
  return (source) =>
    typeof source === 'string' &&
    names.some((name) =>
      name === ''
        ? !source.startsWith('../') && !source.startsWith(SENT)
        : source === name || source.startsWith(`${name}/`),
    )
}
