import { complement, fromRanges, single, union } from '../unicode/code-point-set.js'
import type { CodePointSet } from '../unicode/code-point-set.js'
import { CATEGORY, HAN, ONIGURUMA_WORD } from '../unicode/sets.js'

/** A regular expression, reduced to sets of code points. */
export type Node =
  | { readonly kind: 'set'; readonly set: CodePointSet }
  | { readonly kind: 'sequence' | 'alternatives'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly kind: 'look'; readonly item: Node; readonly negative: boolean; readonly behind: boolean }
  | { readonly kind: 'anchor'; readonly at: 'line start' | 'line end' | 'start' | 'end' }

/** What an expression uses that is not read here. */
export class UnreadableExpression extends Error {}

const ESCAPED: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7, e: 27 }
/** Letter pairs that one character folds to, e.g. ß and ﬁ; matched without case they would need more than sets. */
const FOLDED_PAIRS = /ss|ff|fi|fl|st/i
const SPACE: CodePointSet = [
  [9, 13],
  [32, 32],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
]
/** ², ³, ¹, ¼, ½, ¾: word characters to Oniguruma outside of a class and not inside one. */
const LATIN_NUMBERS = union([
  [0xb2, 0xb3],
  [0xb9, 0xb9],
  [0xbc, 0xbe],
])
const HEX: CodePointSet = [
  [48, 57],
  [65, 70],
  [97, 102],
]

/**
 * Reads the part of Oniguruma's syntax that tokenizers use. Classes and properties are expanded with Oniguruma's own
 * tables, since every Node has others.
 *
 * @throws UnreadableExpression naming what it does not know
 */
export function readExpression(source: string): Node {
  return new Reader(source).whole()
}

function word(inClass: boolean): CodePointSet {
  const all = fromRanges(ONIGURUMA_WORD)
  return inClass ? complement(union(complement(all), LATIN_NUMBERS)) : all
}

class Reader {
  readonly #characters: readonly string[]
  #at = 0
  #ignoreCase = false
  #depth = 0

  constructor(source: string) {
    this.#characters = [...source]
  }

  whole(): Node {
    const node = this.#alternatives()
    if (this.#at < this.#characters.length) throw new UnreadableExpression('an unmatched )')
    return node
  }

  #alternatives(): Node {
    if (++this.#depth > 50) throw new UnreadableExpression('groups more than 50 deep')
    const items = [this.#sequence()]
    while (this.#take('|')) items.push(this.#sequence())
    this.#depth--
    return items.length === 1 ? items[0]! : { kind: 'alternatives', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    let letters = ''
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      letters += next
      items.push(this.#repeated(this.#atom()))
    }
    if (this.#ignoreCase && FOLDED_PAIRS.test(letters)) {
      throw new UnreadableExpression(`letters without case that fold together (${letters})`)
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  #repeated(item: Node): Node {
    let node = item
    for (;;) {
      const bounds = this.#quantifier()
      if (!bounds) return node
      if (node.kind === 'anchor' || node.kind === 'look') throw new UnreadableExpression('a repeated assertion')
      const lazy = this.#take('?')
      if (!lazy && this.#peek() === '+') throw new UnreadableExpression('a possessive quantifier')
      node = { kind: 'repeat', item: node, ...bounds, lazy }
    }
  }

  #quantifier(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (this.#peek() !== '{') return undefined
    const rest = this.#characters.slice(this.#at, this.#at + 12).join('')
    const [text, min, comma, max] = /^\{(\d*)(,?)(\d*)\}/.exec(rest) ?? []
    if (text === undefined || (min === '' && max === '')) throw new UnreadableExpression('a { that is no quantifier')
    this.#at += text.length
    const low = Number(min || 0)
    const high = comma === '' ? low : max === '' ? Infinity : Number(max)
    if (low > high || low > 1000 || (high !== Infinity && high > 1000))
      throw new UnreadableExpression(`the quantifier ${text}`)
    return { min: low, max: high }
  }

  #atom(): Node {
    const next = this.#characters[this.#at++]!
    switch (next) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'set', set: this.#class() }
      case '.':
        return { kind: 'set', set: complement(single(10)) }
      case '^':
        return { kind: 'anchor', at: 'line start' }
      case '$':
        return { kind: 'anchor', at: 'line end' }
      case '*':
      case '+':
      case '?':
        throw new UnreadableExpression(`a ${next} that repeats nothing`)
      case '\\': {
        if (this.#take('A')) return { kind: 'anchor', at: 'start' }
        if (this.#take('z')) return { kind: 'anchor', at: 'end' }
        return { kind: 'set', set: this.#escape(false) }
      }
      default:
        return { kind: 'set', set: this.#literal(next.codePointAt(0)!) }
    }
  }

  #literal(c: number): CodePointSet {
    if (!this.#ignoreCase) return single(c)
    if (c > 0x7f) throw new UnreadableExpression('a letter without case beyond ASCII')
    const letter = String.fromCharCode(c)
    const both = union(single(letter.toLowerCase().charCodeAt(0)), single(letter.toUpperCase().charCodeAt(0)))
    // ſ and the Kelvin sign fold to s and k.
    if (letter === 's' || letter === 'S') return union(both, single(0x17f))
    return letter === 'k' || letter === 'K' ? union(both, single(0x212a)) : both
  }

  #group(): Node {
    const before = this.#ignoreCase
    const looks = { '?=': [false, false], '?!': [true, false], '?<=': [false, true], '?<!': [true, true] } as const
    let look: readonly [negative: boolean, behind: boolean] | undefined
    if (this.#peek() === '?') {
      const opening = ['?:', '?i:', '?=', '?!', '?<=', '?<!'].find((text) => this.#takeAll(text))
      if (opening === undefined)
        throw new UnreadableExpression(`a group (${this.#characters.slice(this.#at, this.#at + 3).join('')}`)
      if (opening === '?i:') this.#ignoreCase = true
      look = looks[opening as keyof typeof looks]
    }
    const item = this.#alternatives()
    if (!this.#take(')')) throw new UnreadableExpression('an unmatched (')
    this.#ignoreCase = before
    return look ? { kind: 'look', item, negative: look[0], behind: look[1] } : item
  }

  #class(): CodePointSet {
    const negated = this.#take('^')
    const parts: CodePointSet[] = []
    for (let first = true; ; first = false) {
      if (this.#at >= this.#characters.length) throw new UnreadableExpression('an unmatched [')
      if (!first && this.#take(']')) break
      const from = this.#member()
      const isRange = this.#peek() === '-' && ![undefined, ']'].includes(this.#characters[this.#at + 1])
      if (!isRange) {
        parts.push(from)
        continue
      }
      this.#at++
      const to = this.#member()
      const [low, high] = [from[0]?.[0], to[0]?.[0]]
      const points = [from, to].every((set) => set.length === 1 && set[0]![0] === set[0]![1])
      if (!points || low! > high!) throw new UnreadableExpression('a range of classes')
      parts.push([[low!, high!]])
    }
    const set = union(...parts)
    if (this.#ignoreCase) throw new UnreadableExpression('a class without case')
    return negated ? complement(set) : set
  }

  #member(): CodePointSet {
    const next = this.#characters[this.#at++]!
    if (next === '\\') return this.#escape(true)
    if (next === '[') throw new UnreadableExpression('a class in a class')
    if (next === '&' && this.#peek() === '&') throw new UnreadableExpression('an intersection of classes')
    return single(next.codePointAt(0)!)
  }

  #escape(inClass: boolean): CodePointSet {
    const next = this.#characters[this.#at++]
    if (next === undefined) throw new UnreadableExpression('a \\ at the end')
    switch (next) {
      case 's':
        return SPACE
      case 'S':
        return complement(SPACE)
      case 'd':
        return fromRanges(CATEGORY['Nd']!)
      case 'D':
        return complement(fromRanges(CATEGORY['Nd']!))
      case 'w':
        return word(inClass)
      case 'W':
        return complement(word(inClass))
      case 'h':
        return HEX
      case 'H':
        return complement(HEX)
      case 'p':
      case 'P':
        return this.#property(next === 'P')
      case 'x':
      case 'u':
        return this.#literal(this.#hexadecimal(next))
    }
    const known = ESCAPED[next]
    if (known !== undefined) return single(known)
    if (/[\p{L}\p{N}]/u.test(next)) throw new UnreadableExpression(`\\${next}`)
    return single(next.codePointAt(0)!)
  }

  #property(negated: boolean): CodePointSet {
    const rest = this.#characters.slice(this.#at, this.#at + 12).join('')
    const [text, caret, name] = /^\{(\^?)(\w+)\}/.exec(rest) ?? []
    if (text === undefined) throw new UnreadableExpression('a \\p without a name')
    this.#at += text.length
    const tables =
      name === 'Han'
        ? [HAN]
        : Object.keys(CATEGORY)
            .filter((key) => key === name || key[0] === name)
            .map((key) => CATEGORY[key]!)
    // \p{C} would need the unassigned code points of Oniguruma's Unicode.
    if (tables.length === 0 || name === 'C') throw new UnreadableExpression(`\\p{${name}}`)
    const set = fromRanges(...tables)
    return negated !== (caret === '^') ? complement(set) : set
  }

  #hexadecimal(kind: string): number {
    const rest = this.#characters.slice(this.#at, this.#at + 12).join('')
    const [text, braced, plain] =
      (kind === 'x' ? /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/ : /^(?:\{(\b\B)\}|([0-9A-Fa-f]{4}))/).exec(rest) ??
      []
    const value = parseInt(braced ?? plain ?? '', 16)
    // Two-digit escapes above 7F are bytes of UTF-8 to Oniguruma.
    if (text === undefined || value > 0x10ffff || (kind === 'x' && braced === undefined && value > 0x7f))
      throw new UnreadableExpression(`\\${kind}`)
    this.#at += text.length
    return value
  }

  #peek(): string | undefined {
    return this.#characters[this.#at]
  }

  #take(character: string): boolean {
    if (this.#characters[this.#at] !== character) return false
    this.#at++
    return true
  }

  #takeAll(text: string): boolean {
    if (this.#characters.slice(this.#at, this.#at + text.length).join('') !== text) return false
    this.#at += text.length
    return true
  }
}
