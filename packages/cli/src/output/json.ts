/**
 * The shortest decimal that reads back as the same 32-bit float: 0.1 rather than 0.10000000149011612, a third of the size.
 */
export function shortFloat(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === value) return rounded
  }
  // Nine significant digits always identify a 32-bit float.
  return Number(value.toPrecision(9))
}

/** The rows of a `[length × dim]` matrix as nested arrays. */
export function matrixRows(data: Float32Array, dim: number): number[][] {
  const rows: number[][] = []
  for (let begin = 0; begin < data.length; begin += dim)
    rows.push(Array.from(data.subarray(begin, begin + dim), shortFloat))
  return rows
}
