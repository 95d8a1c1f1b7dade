/** At most `count` places of so many, evenly spread over them and ascending; the same every time. */
export function evenly(length: number, count: number): Int32Array {
  if (length <= count) return Int32Array.from({ length }, (_, i) => i)
  return Int32Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * length) / count))
}
