import { describe } from '../../options.js'
import { alignedStart, prepend, replaceSpans } from '../aligned-text.js'
import { IS_PUNCTUATION, IS_SPACE, unicodeClasses } from '../unicode/classes.js'
import { memberOf } from '../unicode/code-points.js'
import { asComponent, componentList, count, damaged, DEEPEST, flag, notRun, text } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { expression, literal } from './expression.js'
import { byteLevel as toBytes, pattern } from './normalizers.js'
import { cut, whole } from './piece.js'
import type { Piece } from './piece.js'
import { matchCharacters, split, splitBehavior } from './split.js'
import type { Match, SplitBehavior } from './split.js'
import { NUMERIC, WORD } from '../unicode/sets.js'

export type PreTokenizer = (pieces: readonly Piece[]) => readonly Piece[]

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const isNumeric = memberOf(NUMERIC)
const isWord = memberOf(WORD)

/**
 * A pre-tokenizer of tokenizer.json; null is none.
 *
 * @throws MODEL_UNSUPPORTED naming a component that is not known to give Python's results, MODEL_CORRUPT
 */
export function preTokenizer(json: unknown, depth = 0): PreTokenizer {
  if (json === null || json === undefined) return (pieces) => pieces
  const component = asComponent(json, 'the pre_tokenizer')
  switch (component.type) {
    case 'Sequence': {
      if (depth > DEEPEST) throw damaged(`pre-tokenizers ${depth} deep`)
      const steps = componentList(component.pretokenizers, 'a sequence of pre-tokenizers').map((one) =>
        preTokenizer(one, depth + 1),
      )
      return (pieces) => steps.reduce((made, step) => step(made), pieces)
    }
    case 'BertPreTokenizer': {
      const [blanks, punctuation] = [characters(isSpace, 'Removed'), characters(isPunctuation, 'Isolated')]
      return (pieces) => punctuation(blanks(pieces))
    }
    case 'WhitespaceSplit':
      return characters(isSpace, 'Removed')
    case 'Whitespace':
      return whitespace
    case 'Punctuation':
      return characters(isPunctuation, splitBehavior(component.behavior ?? 'Isolated', 'Punctuation'))
    case 'Digits':
      return characters(isNumeric, flag(component, 'individual_digits', false) ? 'Isolated' : 'Contiguous')
    case 'CharDelimiterSplit': {
      const delimiter = character(component, 'delimiter')
      return characters((c) => c === delimiter, 'Removed')
    }
    case 'FixedLength':
      return fixedLength(count(component, 'length', 5))
    case 'Split':
      return splitOn(component)
    case 'Metaspace':
      return metaspace(component)
    case 'ByteLevel':
      return byteLevel(component)
  }
  throw notRun(`the pre-tokenizer ${describe(component.type)} is not known`)
}

function isSpace(c: number): boolean {
  return (unicodeClasses()[c]! & IS_SPACE) !== 0
}

function isPunctuation(c: number): boolean {
  return (unicodeClasses()[c]! & IS_PUNCTUATION) !== 0
}

function textOf({ part, from, to }: Piece): string {
  return from === 0 && to === part.text.length ? part.text : part.text.slice(from, to)
}

function characters(test: (codePoint: number) => boolean, behavior: SplitBehavior): PreTokenizer {
  return (pieces) => pieces.flatMap((piece) => split(piece, matchCharacters(textOf(piece), test), behavior))
}

/** Rust's `\w+|[^\w\s]+`: runs of word characters, and runs of other visible ones. */
function whitespace(pieces: readonly Piece[]): readonly Piece[] {
  const kindOf = (c: number) => (isWord(c) ? 1 : isSpace(c) ? 0 : 2)
  const found: Piece[] = []
  for (const { part, from, to } of pieces) {
    let start = from
    let kind = -1
    for (let i = from; i < to;) {
      const c = part.text.codePointAt(i)!
      const next = kindOf(c)
      if (next !== kind && kind > 0) found.push({ part, from: start, to: i })
      if (next !== kind) start = i
      kind = next
      i += c > 0xffff ? 2 : 1
    }
    if (kind > 0) found.push({ part, from: start, to })
  }
  return found
}

function fixedLength(length: number): PreTokenizer {
  if (length === 0) throw damaged('FixedLength with a length of 0')
  return (pieces) =>
    pieces.flatMap((piece) => {
      const found: Piece[] = []
      let [start, taken] = [piece.from, 0]
      for (let i = piece.from; i < piece.to;) {
        i += piece.part.text.codePointAt(i)! > 0xffff ? 2 : 1
        if (++taken % length !== 0 && i < piece.to) continue
        found.push({ part: piece.part, from: start, to: i })
        start = i
      }
      return found
    })
}

function splitOn(component: Component): PreTokenizer {
  const find = pattern(component.pattern, 'Split')
  const behavior = splitBehavior(component.behavior, 'Split')
  const invert = flag(component, 'invert', false)
  const turned = ([from, to, matched]: Match): Match => [from, to, !matched]
  return (pieces) =>
    pieces.flatMap((piece) => {
      const matches = find(textOf(piece))
      return split(piece, invert ? matches.map(turned) : matches, behavior)
    })
}

function metaspace(component: Component): PreTokenizer {
  const replacement = String.fromCodePoint(character(component, 'replacement'))
  const scheme = component.prepend_scheme ?? 'always'
  if (!['always', 'first', 'never'].includes(scheme as string))
    throw damaged(`Metaspace with prepend_scheme ${describe(scheme)}`)
  // An older spelling; where both are given and differ, Python refuses the file.
  const never = component.add_prefix_space === false
  if (never && component.prepend_scheme !== undefined && scheme !== 'never')
    throw damaged('Metaspace whose add_prefix_space and prepend_scheme differ')
  const [blank, delimiter] = [literal(' '), replacement.codePointAt(0)!]
  const splits = flag(component, 'split', true)
  return (pieces) =>
    pieces.flatMap((piece) => {
      const source = cut(piece)
      const replaced = replaceSpans(
        source,
        blank(source.text).flatMap(([from, to, matched]) => (matched ? [{ from, to, content: replacement }] : [])),
      )
      const wanted = !never && (scheme === 'always' || (scheme === 'first' && alignedStart(source, 0) === 0))
      const made = wanted && !replaced.text.startsWith(replacement) ? prepend(replaced, replacement) : replaced
      return splits
        ? split(
            whole(made),
            matchCharacters(made.text, (c) => c === delimiter),
            'MergedWithNext',
          )
        : [whole(made)]
    })
}

function byteLevel(component: Component): PreTokenizer {
  const spaced = flag(component, 'add_prefix_space', true)
  const find = flag(component, 'use_regex', true) ? expression(GPT2, 'ByteLevel') : undefined
  return (pieces) =>
    pieces.flatMap((piece) => {
      const source = cut(piece)
      const made = whole(spaced && !source.text.startsWith(' ') ? prepend(source, ' ') : source)
      const parts = find ? split(made, find(made.part.text), 'Isolated') : [made]
      return parts.map((one) => whole(toBytes(cut(one))))
    })
}

function character(component: Component, key: string): number {
  const value = text(component, key)
  if ([...value].length !== 1)
    throw damaged(`"${key}" of ${String(component.type)} must be one character, got ${describe(value)}`)
  return value.codePointAt(0)!
}
