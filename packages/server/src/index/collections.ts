import { HttpError } from '../http/errors.js'
import type { ServedIndex } from '../options.js'

/** The indexes that are served, by name. Requests choose among these; no name of a request becomes a path. */
export class Collections {
  readonly #indexes: ReadonlyMap<string, ServedIndex>
  readonly #writable: boolean

  constructor(indexes: ReadonlyMap<string, ServedIndex>, writable: boolean) {
    this.#indexes = indexes
    this.#writable = writable
  }

  get names(): readonly string[] {
    return [...this.#indexes.keys()]
  }

  get writable(): boolean {
    return this.#writable
  }

  /** The index of a name; the first one without a name. @throws HttpError 404 */
  find(name: string | undefined): { name: string; index: ServedIndex } {
    const chosen = name ?? this.names[0]
    if (chosen === undefined) {
      throw new HttpError(
        404,
        'INDEX_NOT_FOUND',
        'The server has no index. Start it with one: serotine serve <folder>.',
      )
    }
    const index = this.#indexes.get(chosen)
    if (index) return { name: chosen, index }
    const known = this.names.length > 0 ? `There are: ${this.names.join(', ')}.` : 'It has none.'
    throw new HttpError(
      404,
      'INDEX_NOT_FOUND',
      `The server has no index ${JSON.stringify(chosen.slice(0, 100))}. ${known}`,
    )
  }

  /** The same, to change it. @throws HttpError 403, 404 */
  findWritable(name: string | undefined): { name: string; index: ServedIndex } {
    const found = this.find(name)
    if (this.#writable) return found
    throw new HttpError(
      403,
      'INDEX_READONLY',
      'The server only reads. Start it with `writable: true` (--writable) to add and delete documents.',
    )
  }
}
