/** A growing set of small integers (document ordinals), one bit each. */
export class Bitset {
  #words: Uint32Array

  constructor(capacity = 0) {
    this.#words = new Uint32Array((capacity + 31) >>> 5)
  }

  has(index: number): boolean {
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0
  }

  add(index: number): void {
    const word = index >>> 5
    if (word >= this.#words.length) {
      const grown = new Uint32Array(Math.max(word + 1, this.#words.length * 2))
      grown.set(this.#words)
      this.#words = grown
    }
    this.#words[word] = this.#words[word]! | (1 << (index & 31))
  }

  delete(index: number): void {
    const word = index >>> 5
    if (word < this.#words.length) this.#words[word] = this.#words[word]! & ~(1 << (index & 31))
  }

  clone(): Bitset {
    const copy = new Bitset()
    copy.#words = this.#words.slice()
    return copy
  }

  count(): number {
    let count = 0
    for (let word of this.#words) for (; word !== 0; word &= word - 1) count++
    return count
  }

  hasAllBelow(end: number): boolean {
    for (let i = 0; i < end >>> 5; i++) if (this.#words[i] !== 0xffffffff) return false
    for (let i = end & ~31; i < end; i++) if (!this.has(i)) return false
    return true
  }

  /** The members, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.#words.length; i++) {
      for (let word = this.#words[i]!; word !== 0; word &= word - 1) yield i * 32 + 31 - Math.clz32(word & -word)
    }
  }
}
