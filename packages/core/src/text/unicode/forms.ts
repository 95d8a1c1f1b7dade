import type { Aligned, Change } from '../aligned-text.js'
import { classesOf, memberOf } from './code-points.js'
import { transform } from '../aligned-text.js'
import { COMBINING_CLASS, COMPATIBLE, DECOMPOSED, LOWERED, NEW_LOWER } from './sets.js'

export type UnicodeForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD'

const isDecomposed = memberOf(DECOMPOSED)
const isCompatible = memberOf(COMPATIBLE)
const combiningClasses = classesOf(
  Object.entries(COMBINING_CLASS).map(([value, ranges]) => [ranges, Number(value)] as const),
)
const isLowered = memberOf(LOWERED)
// Nothing below U+0300 combines with what stands before it, so text can be cut in front of each such character.
const SEGMENT = /[\0-\u02ff]?[^\0-\u02ff]+|[\0-\u02ff]+?(?=[\0-\u02ff][^\0-\u02ff]|$)/g

interface Mutable {
  character: string
  codePoint: number
  order: number
  change: number
}

/**
 * A Unicode normal form as the Rust crate computes it, whose tables are of Unicode 9: the composed characters and marks
 * that came later stay as they are. Node's tables are used only for characters that the crate knows; those never change.
 */
export function normalForm(form: UnicodeForm, source: Aligned): Aligned {
  const { text } = source
  // Node knows all that the crate knows, so what it leaves alone stays.
  if (text.normalize(form) === text) return source
  const changes: Change[] = []
  for (const [segment] of text.matchAll(SEGMENT)) {
    if (segment.normalize(form) === segment) {
      for (const character of segment) changes.push([character, 0])
      continue
    }
    const parts = decompose(form === 'NFKC' || form === 'NFKD', segment)
    for (const { character, change } of form === 'NFD' || form === 'NFKD' ? parts : compose(parts))
      changes.push([character, change])
  }
  return transform(source, changes)
}

/** NFD of one character. */
export function decomposedCharacter(codePoint: number): string {
  const character = String.fromCodePoint(codePoint)
  return isDecomposed(codePoint) ? character.normalize('NFD') : character
}

/** Whether canonical order may move a character. */
export function isReordered(codePoint: number): boolean {
  return combiningClasses()[codePoint] !== 0
}

let newLower: Map<string, string> | undefined

/** Rust's `char::to_lowercase`, one character at a time: Σ is always σ. */
export function lowerCharacter(codePoint: number): string {
  const character = String.fromCodePoint(codePoint)
  if (!isLowered(codePoint)) return character
  newLower ??= new Map(pairsOf([...NEW_LOWER]))
  return newLower.get(character) ?? character.toLowerCase()
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!])
}

function decompose(compatible: boolean, text: string): Mutable[] {
  const classes = combiningClasses()
  const known = compatible ? isCompatible : isDecomposed
  const parts: Mutable[] = []
  let pending = 0
  const sort = (): void => {
    if (parts.length - pending > 1) {
      const tail = parts.splice(pending).sort((a, b) => a.order - b.order)
      for (const part of tail) parts.push(part)
    }
    pending = parts.length
  }
  for (const character of text) {
    const codePoint = character.codePointAt(0)!
    const into = known(codePoint) ? character.normalize(compatible ? 'NFKD' : 'NFD') : character
    let change = 0
    for (const part of into) {
      const c = part.codePointAt(0)!
      const order = classes[c]!
      if (order === 0) sort()
      parts.push({ character: part, codePoint: c, order, change })
      change = 1
    }
  }
  sort()
  return parts
}

function compose(parts: readonly Mutable[]): Mutable[] {
  const composed: Mutable[] = []
  let starter: Mutable | undefined
  let waiting: Mutable[] = []
  let last: number | undefined
  const flush = (): void => {
    if (starter) composed.push(starter)
    for (const part of waiting) composed.push(part)
    waiting = []
    last = undefined
  }
  for (const part of parts) {
    if (!starter) {
      if (part.order !== 0) composed.push(part)
      else starter = part
      continue
    }
    const blocked = last !== undefined && last >= part.order
    const pair = blocked ? undefined : composedPair(starter.character, part.character)
    if (pair !== undefined) {
      starter = { character: pair, codePoint: pair.codePointAt(0)!, order: 0, change: starter.change + part.change - 1 }
    } else if (part.order === 0) {
      flush()
      starter = part
    } else {
      waiting.push(part)
      last = part.order
    }
  }
  flush()
  return composed
}

const pairs = new Map<string, string | undefined>()

/** The one character that two are composed to, if the crate knows it. */
function composedPair(first: string, second: string): string | undefined {
  const pair = first + second
  if (pairs.has(pair)) return pairs.get(pair)
  const composed = pair.normalize('NFC')
  const codePoint = composed.codePointAt(0)!
  const single = composed.length === (codePoint > 0xffff ? 2 : 1) && isDecomposed(codePoint)
  if (pairs.size > 20_000) pairs.clear()
  pairs.set(pair, single ? composed : undefined)
  return single ? composed : undefined
}
