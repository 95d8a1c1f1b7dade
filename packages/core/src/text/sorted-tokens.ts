/** Finds the tokens that start at a place, shortest first, by narrowing a sorted list unit by unit. */
export class SortedTokens {
  readonly #tokens: readonly string[]
  readonly #ids: Int32Array
  /** Where the tokens that start with a unit begin, and end. */
  readonly #first = new Map<number, readonly [low: number, high: number]>()

  constructor(vocab: Iterable<readonly [token: string, id: number]>) {
    const entries = [...vocab].filter(([token]) => token !== '').sort(([a], [b]) => (a < b ? -1 : 1))
    this.#tokens = entries.map(([token]) => token)
    this.#ids = Int32Array.from(entries, ([, id]) => id)
    for (let low = 0; low < entries.length;) {
      const unit = this.#tokens[low]!.charCodeAt(0)
      const high = this.#bound(low, entries.length, 0, unit + 1)
      this.#first.set(unit, [low, high])
      low = high
    }
  }

  prefixes(text: string, start: number, found: (end: number, id: number) => void): void {
    let range = this.#first.get(text.charCodeAt(start))
    for (let depth = 1; range; depth++) {
      let [low, high] = range
      if (this.#tokens[low]!.length === depth) found(start + depth, this.#ids[low++]!)
      if (low >= high || start + depth >= text.length) return
      const unit = text.charCodeAt(start + depth)
      low = this.#bound(low, high, depth, unit)
      high = this.#bound(low, high, depth, unit + 1)
      range = low < high ? [low, high] : undefined
    }
  }

  /** The first token of a range whose unit at `depth` is at least `unit`. */
  #bound(low: number, high: number, depth: number, unit: number): number {
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#tokens[middle]!.charCodeAt(depth) < unit) low = middle + 1
      else high = middle
    }
    return low
  }
}
