import type { Value } from '../database/connection.js'

/** The values of a statement, each of them once. Values never stand in the text of a statement. */
export class Parameters {
  readonly values: Value[] = []
  readonly #places = new Map<Value, string>()

  /** @param values taken by the statement already, as `$1` … */
  constructor(...values: Value[]) {
    for (const value of values) this.#place(value)
  }

  text(value: string): string {
    return `${this.#place(value)}::text`
  }

  /** A number that is an integer. */
  integer(value: number): string {
    return `${this.#place(String(value))}::text::int8`
  }

  #place(value: Value): string {
    const known = this.#places.get(value)
    if (known !== undefined) return known
    const place = `$${this.values.push(value)}`
    this.#places.set(value, place)
    return place
  }
}
