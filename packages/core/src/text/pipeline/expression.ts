import { RE2JS } from 're2js'
import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'
import type { CodePointSet } from '../unicode/code-point-set.js'
import { readExpression, UnreadableExpression } from './expression-syntax.js'
import type { Node } from './expression-syntax.js'
import type { Match } from './split.js'

/** Where an expression matches a text, as `find_iter` of the crate onig gives it. */
export type Finder = (text: string) => Match[]

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
/**
 * Expressions of well-known tokenizers, which the built-in engine runs in linear time: GPT-2, Llama 3 and Qwen 2 (with
 * their variants), GPT-4o, DeepSeek. They look ahead, which the linear engine cannot.
 */
const KNOWN = new Set([
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  ...['\\p{N}', '\\p{N}{1,3}', '\\p{N}{1,2}', '\\p{N}+'].map(
    (numbers) =>
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  ),
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${CONTRACTIONS}?|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${CONTRACTIONS}?|` +
    '\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
    ' ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  '\\s+(?!\\S)|\\s+',
])

/** A stranger's expression may take so long for one text, in milliseconds and milliseconds per character. */
const PATIENCE = [5_000, 0.1] as const
const MATCHES_BETWEEN_LOOKS = 64

/**
 * An expression of a tokenizer.json. A stranger's expression runs on RE2, so that no text can block it; what RE2 cannot
 * do (looking ahead or back, beyond the expressions known) is refused.
 *
 * @throws MODEL_UNSUPPORTED naming the expression and what in it cannot be run
 */
export function expression(source: string, where: string): Finder {
  let node: Node
  try {
    node = readExpression(source)
  } catch (cause) {
    if (cause instanceof UnreadableExpression) throw refused(source, where, cause.message)
    throw cause
  }
  if (canBeEmpty(node)) throw refused(source, where, 'a match of nothing')
  if (KNOWN.has(source) || isOneRun(node)) return builtIn(node)
  if (looks(node)) throw refused(source, where, 'a look ahead or back')
  return linear(source, where, node)
}

/** A literal text; '' matches nothing. */
export function literal(text: string): Finder {
  return (inside) => {
    const spans: [number, number][] = []
    if (text !== '') {
      for (let at = inside.indexOf(text); at >= 0; at = inside.indexOf(text, at + text.length))
        spans.push([at, at + text.length])
    }
    return cover(inside, spans)
  }
}

/** Matches and what lies between them. */
export function cover(text: string, spans: readonly (readonly [from: number, to: number])[]): Match[] {
  const matches: Match[] = []
  let done = 0
  for (const [from, to] of spans) {
    if (done < from) matches.push([done, from, false])
    matches.push([from, to, true])
    done = to
  }
  if (done < text.length) matches.push([done, text.length, false])
  return matches
}

function builtIn(node: Node): Finder {
  const pattern = new RegExp(write(node, 'built-in'), 'gu')
  return (text) => {
    const spans: [number, number][] = []
    // Not matchAll, which compiles the expression anew for each text.
    pattern.lastIndex = 0
    for (let match = pattern.exec(text); match; match = pattern.exec(text))
      spans.push([match.index, match.index + match[0].length])
    return cover(text, spans)
  }
}

function linear(source: string, where: string, node: Node): Finder {
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(write(node, 're2'))
  } catch (cause) {
    throw refused(source, where, (cause as Error).message)
  }
  return (text) => {
    const spans: [number, number][] = []
    const matcher = compiled.matcher(text)
    const limit = performance.now() + PATIENCE[0] + PATIENCE[1] * text.length
    while (matcher.find()) {
      spans.push([matcher.start(), matcher.end()])
      // One search is linear; many that each look at the rest of the text are not.
      if (spans.length % MATCHES_BETWEEN_LOOKS === 0 && performance.now() > limit)
        throw refused(source, where, `more than ${Math.round(PATIENCE[0] / 1000)} s for one text`)
    }
    return cover(text, spans)
  }
}

function write(node: Node, engine: 'built-in' | 're2'): string {
  switch (node.kind) {
    case 'set':
      return writeSet(node.set, engine)
    case 'sequence':
      return node.items.map((item) => write(item, engine)).join('')
    case 'alternatives':
      return `(?:${node.items.map((item) => write(item, engine)).join('|')})`
    case 'repeat': {
      const { min, max, lazy, item } = node
      return `(?:${write(item, engine)}){${min},${max === Infinity ? '' : max}}${lazy ? '?' : ''}`
    }
    case 'look':
      return `(?${node.behind ? '<' : ''}${node.negative ? '!' : '='}${write(node.item, engine)})`
    case 'anchor': {
      const anchors = {
        'line start': ['(?<![^\\n])', '(?m:^)'],
        'line end': ['(?![^\\n])', '(?m:$)'],
        start: ['(?<![^])', '\\A'],
        end: ['(?![^])', '\\z'],
      }
      return anchors[node.at][engine === 'built-in' ? 0 : 1]!
    }
  }
}

function writeSet(set: CodePointSet, engine: 'built-in' | 're2'): string {
  const point = (c: number) => `\\${engine === 'built-in' ? 'u' : 'x'}{${c.toString(16)}}`
  if (set.length === 0) return engine === 'built-in' ? '[]' : '[^\\x{0}-\\x{10ffff}]'
  return `[${set.map(([first, last]) => (first === last ? point(first) : `${point(first)}-${point(last)}`)).join('')}]`
}

/** One set, once or in an unbounded run: linear on any engine. */
function isOneRun(node: Node): boolean {
  if (node.kind === 'set') return true
  return (
    node.kind === 'repeat' && node.item.kind === 'set' && node.min <= 1 && (node.max === Infinity || node.max === 1)
  )
}

function canBeEmpty(node: Node): boolean {
  switch (node.kind) {
    case 'set':
      return false
    case 'look':
    case 'anchor':
      return true
    case 'sequence':
      return node.items.every(canBeEmpty)
    case 'alternatives':
      return node.items.some(canBeEmpty)
    case 'repeat':
      return node.min === 0 || canBeEmpty(node.item)
  }
}

function looks(node: Node): boolean {
  if (node.kind === 'look') return true
  if (node.kind === 'repeat') return looks(node.item)
  return 'items' in node && node.items.some(looks)
}

function refused(source: string, where: string, what: string): SerotineError {
  return new SerotineError(
    'MODEL_UNSUPPORTED',
    `tokenizer.json: the expression ${describe(source)} of ${where} cannot be run as Python runs it: ${what}. ` +
      'Make the tokenizer yourself and pass it as `tokenizer`.',
  )
}
