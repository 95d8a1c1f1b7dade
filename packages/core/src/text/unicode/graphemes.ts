import { classesOf, memberOf } from './code-points.js'
import { GRAPHEME } from './sets.js'

const KINDS = Object.keys(GRAPHEME).filter((name) => name !== 'InCB_Linker' && name !== 'InCB_Extend')
const kindOf = (name: string) => KINDS.indexOf(name) + 1
const kinds = classesOf(KINDS.map((name) => [GRAPHEME[name]!, kindOf(name)] as const))
const isLinker = memberOf(GRAPHEME['InCB_Linker']!)
const isIndicExtend = memberOf(GRAPHEME['InCB_Extend']!)

const [CR, LF, CONTROL, EXTEND, ZWJ, SPACING, PREPEND] = [
  'CR',
  'LF',
  'Control',
  'Extend',
  'ZWJ',
  'SpacingMark',
  'Prepend',
].map(kindOf) as [number, number, number, number, number, number, number]
const [L, V, T, LV, LVT] = ['L', 'V', 'T', 'LV', 'LVT'].map(kindOf) as [number, number, number, number, number]
const REGIONAL = kindOf('Regional_Indicator')
const PICTOGRAPHIC = kindOf('Extended_Pictographic')
const CONSONANT = kindOf('InCB_Consonant')

/**
 * Extended grapheme clusters (Unicode 17, UAX #29) as the Rust crate unicode-segmentation finds them. `Intl.Segmenter`
 * would give those of whatever Unicode this Node has.
 */
export function* graphemes(text: string): Iterable<string> {
  const table = kinds()
  let start = 0
  let before = 0
  let regional = 0
  /** 1: a pictograph and what extends it; 2: then a ZWJ. */
  let emoji = 0
  /** 1: a consonant and what extends it; 2: a linker was among that. */
  let conjunct = 0
  for (let i = 0; i < text.length;) {
    const c = text.codePointAt(i)!
    const kind = table[c]!
    if (i > 0 && breaks(before, kind, regional, emoji, conjunct)) {
      yield text.slice(start, i)
      start = i
    }
    regional = kind === REGIONAL ? regional + 1 : 0
    if (kind === PICTOGRAPHIC) emoji = 1
    else if (kind === ZWJ && emoji === 1) emoji = 2
    else if (kind !== EXTEND || emoji !== 1) emoji = 0
    if (kind === CONSONANT) conjunct = 1
    else if (conjunct > 0 && isLinker(c)) conjunct = 2
    else if (!isIndicExtend(c)) conjunct = 0
    before = kind
    i += c > 0xffff ? 2 : 1
  }
  if (start < text.length) yield text.slice(start)
}

function breaks(before: number, after: number, regional: number, emoji: number, conjunct: number): boolean {
  if (before === CR && after === LF) return false
  if (before === CONTROL || before === CR || before === LF) return true
  if (after === CONTROL || after === CR || after === LF) return true
  if (before === L && (after === L || after === V || after === LV || after === LVT)) return false
  if ((before === LV || before === V) && (after === V || after === T)) return false
  if ((before === LVT || before === T) && after === T) return false
  if (after === EXTEND || after === ZWJ || after === SPACING || before === PREPEND) return false
  if (after === CONSONANT) return conjunct !== 2
  if (before === ZWJ && after === PICTOGRAPHIC) return emoji !== 2
  if (before === REGIONAL && after === REGIONAL) return regional % 2 === 0
  return true
}
