import { describe } from '../../options.js'
import { mapCharacters, prepend, replaceSpans, transform } from '../aligned-text.js'
import type { Aligned, Change } from '../aligned-text.js'
import { byteCharacters } from '../byte-characters.js'
import { IS_DROPPED, IS_MARK, IS_SPACE, isChinese, unicodeClasses } from '../unicode/classes.js'
import { memberOf } from '../unicode/code-points.js'
import { asComponent, componentList, damaged, DEEPEST, flag, notRun, text } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { expression, literal } from './expression.js'
import type { Finder } from './expression.js'
import { precompiled } from './precompiled.js'
import { lowerCharacter, normalForm } from '../unicode/forms.js'
import { COMBINING } from '../unicode/sets.js'

export type Normalizer = (source: Aligned) => Aligned

const isCombining = memberOf(COMBINING)

/**
 * A normaliser of tokenizer.json; null is none.
 *
 * @throws MODEL_UNSUPPORTED naming a component that is not known to give Python's results, MODEL_CORRUPT
 */
export function normalizer(json: unknown, depth = 0): Normalizer {
  if (json === null || json === undefined) return (source) => source
  const component = asComponent(json, 'the normalizer')
  const { type } = component
  switch (type) {
    case 'Sequence': {
      if (depth > DEEPEST) throw damaged(`normalizers ${depth} deep`)
      const steps = componentList(component.normalizers, 'a sequence of normalizers').map((one) =>
        normalizer(one, depth + 1),
      )
      return (source) => steps.reduce((made, step) => step(made), source)
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (source) => normalForm(type, source)
    case 'Lowercase':
      return lowercase
    case 'StripAccents':
      return (source) => filterCharacters(source, (c) => !isCombining(c))
    case 'Strip':
      return strip(flag(component, 'strip_left', true), flag(component, 'strip_right', true))
    case 'Nmt':
      return (source) => mapCharacters(source, nmt)
    case 'Prepend': {
      const prefix = text(component, 'prepend')
      return prefix === '' ? (source) => source : (source) => prepend(source, prefix)
    }
    case 'Replace':
      return replace(pattern(component.pattern, 'Replace'), text(component, 'content'))
    case 'Precompiled':
      // Some conversions leave the map out; Python then fails to load, so this does too.
      return precompiled(text(component, 'precompiled_charsmap'))
    case 'ByteLevel':
      return byteLevel
    case 'BertNormalizer':
      return bert(component)
  }
  throw notRun(`the normalizer ${describe(type)} is not known`)
}

/** `{ String }` or `{ Regex }` of Split and Replace. */
export function pattern(value: unknown, where: string): Finder {
  const one = asComponent(value, `the pattern of ${where}`)
  if (typeof one.String === 'string') {
    if (one.String === '') throw notRun(`${where} with an empty pattern`)
    return literal(one.String)
  }
  if (typeof one.Regex === 'string') return expression(one.Regex, where)
  throw damaged(`the pattern of ${where} must be {"String": …} or {"Regex": …}`)
}

/** Each byte of UTF-8 becomes the printable character that stands for it. */
export function byteLevel(source: Aligned): Aligned {
  const utf8 = new TextEncoder()
  return mapCharacters(source, (c) => Array.from(utf8.encode(String.fromCodePoint(c)), (byte) => BYTES[byte]!).join(''))
}

const BYTES = byteCharacters()

function lowercase(source: Aligned): Aligned {
  return mapCharacters(source, lowerCharacter)
}

function filterCharacters(source: Aligned, keep: (codePoint: number) => boolean): Aligned {
  return mapCharacters(source, (c) => (keep(c) ? String.fromCodePoint(c) : ''))
}

function strip(left: boolean, right: boolean): Normalizer {
  return (source) => {
    const classes = unicodeClasses()
    const isSpace = (i: number) => (classes[source.text.charCodeAt(i)]! & IS_SPACE) !== 0
    let [from, to] = [0, source.text.length]
    if (left) while (from < to && isSpace(from)) from++
    if (right) while (to > from && isSpace(to - 1)) to--
    if (from === 0 && to === source.text.length) return source
    const changes = Array.from(source.text.slice(from, to), (character) => [character, 0] as Change)
    // White space is one unit and one character each.
    return changes.length === 0 ? { ...source, text: '', starts: [], ends: [] } : transform(source, changes, from)
  }
}

function nmt(c: number): string {
  if ((c >= 1 && c <= 8) || c === 0xb || (c >= 0xe && c <= 0x1f) || c === 0x7f || c === 0x8f || c === 0x9f) return ''
  const blank =
    c === 9 ||
    c === 0xa ||
    c === 0xc ||
    c === 0xd ||
    c === 0x1680 ||
    (c >= 0x200b && c <= 0x200f) ||
    c === 0x2028 ||
    c === 0x2029 ||
    c === 0x2581 ||
    c === 0xfeff ||
    c === 0xfffd
  return blank ? ' ' : String.fromCodePoint(c)
}

function replace(find: Finder, content: string): Normalizer {
  return (source) =>
    replaceSpans(
      source,
      find(source.text).flatMap(([from, to, matched]) => (matched ? [{ from, to, content }] : [])),
    )
}

function bert(component: Component): Normalizer {
  const lower = flag(component, 'lowercase', true)
  const [clean, chinese] = [flag(component, 'clean_text', true), flag(component, 'handle_chinese_chars', true)]
  const accents = flag(component, 'strip_accents', lower)
  return (source) => {
    const classes = unicodeClasses()
    let made = source
    if (clean) {
      made = mapCharacters(made, (c) => {
        const kind = classes[c]!
        return kind & IS_DROPPED ? '' : kind & IS_SPACE ? ' ' : String.fromCodePoint(c)
      })
    }
    if (chinese)
      made = mapCharacters(made, (c) => (isChinese(c) ? ` ${String.fromCodePoint(c)} ` : String.fromCodePoint(c)))
    if (accents) made = filterCharacters(normalForm('NFD', made), (c) => !(classes[c]! & IS_MARK))
    return lower ? lowercase(made) : made
  }
}
