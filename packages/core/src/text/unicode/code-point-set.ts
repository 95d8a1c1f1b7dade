import { readRanges } from './code-points.js'

/** Ascending, disjoint ranges of code points, both ends included. */
export type CodePointSet = readonly (readonly [first: number, last: number])[]

const LAST = 0x10ffff

export function union(...sets: readonly CodePointSet[]): CodePointSet {
  const merged: [number, number][] = []
  for (const [first, last] of sets.flat().sort((a, b) => a[0] - b[0])) {
    const previous = merged.at(-1)
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last)
    else merged.push([first, last])
  }
  return merged
}

export function complement(set: CodePointSet): CodePointSet {
  const rest: [number, number][] = []
  let next = 0
  for (const [first, last] of set) {
    if (first > next) rest.push([next, first - 1])
    next = last + 1
  }
  if (next <= LAST) rest.push([next, LAST])
  return rest
}

export function fromRanges(...tables: readonly string[]): CodePointSet {
  return union(...tables.map((ranges) => [...readRanges(ranges)]))
}

export function single(codePoint: number): CodePointSet {
  return [[codePoint, codePoint]]
}
