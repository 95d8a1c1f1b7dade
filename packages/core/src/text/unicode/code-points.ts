/** Expands ranges as the generated tables write them: gap from the end of the last range, `.`, length less one; base 36. */
export function* readRanges(ranges: string): Iterable<readonly [first: number, last: number]> {
  if (ranges === '') return
  let at = 0
  for (const range of ranges.split(' ')) {
    const [gap, extent = '0'] = range.split('.')
    const first = at + parseInt(gap!, 36)
    at = first + parseInt(extent, 36)
    yield [first, at]
  }
}

/** Calls `test` without building its table before the first question. */
export function memberOf(ranges: string): (codePoint: number) => boolean {
  let table: Uint8Array | undefined
  return (codePoint) => {
    if (!table) {
      table = new Uint8Array(0x110000)
      for (const [first, last] of readRanges(ranges)) table.fill(1, first, last + 1)
    }
    return table[codePoint] === 1
  }
}

/** One small number for each code point, from several sets of ranges; 0 where none holds it. */
export function classesOf(sets: readonly (readonly [ranges: string, value: number])[]): () => Uint8Array {
  let table: Uint8Array | undefined
  return () => {
    if (!table) {
      table = new Uint8Array(0x110000)
      for (const [ranges, value] of sets)
        for (const [first, last] of readRanges(ranges)) table.fill(value, first, last + 1)
    }
    return table
  }
}
